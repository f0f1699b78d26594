"""A TLS front of a server, as a reverse proxy is."""

from __future__ import annotations

import re
import select
import socket
import ssl
import threading

_HOST = re.compile(rb"\r\nHost: [^\r\n]*\r\n", re.IGNORECASE)


class TlsFront:
    """Put TLS in front of a server: accept, unwrap, pass bytes on, both ways.

    Args:
        port: the server's.
        context: with the certificate.
        host: the Host header that the server sees in place of the clients' own, as some reverse proxies set it.
    """

    def __init__(self, port: int, context: ssl.SSLContext, *, host: str | None = None) -> None:
        self._target = port
        self._context = context
        self._host = None if host is None else f"\r\nHost: {host}\r\n".encode()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            try:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(5)
        for sock in self._sockets:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            # Browsers open connections in advance: one that says nothing yet must not hold up the others.
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, raw: socket.socket) -> None:
        try:
            wrapped = self._context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        except OSError:  # the client is gone already
            raw.close()
            return
        plain = socket.create_connection(("127.0.0.1", self._target))
        self._sockets += [wrapped, plain]
        try:
            wrapped.do_handshake()
        except OSError:
            wrapped.close()
            plain.close()
        else:
            self._shuttle(wrapped, plain)

    def _shuttle(self, client: ssl.SSLSocket, plain: socket.socket) -> None:
        # One thread for both directions: no two may be in OpenSSL at once.
        client.setblocking(False)
        try:
            while True:
                ready, _, _ = select.select([client, plain], [], [])
                if client in ready:
                    try:
                        while data := client.recv(65536):
                            plain.sendall(data if self._host is None else _HOST.sub(self._host, data))
                        return
                    except ssl.SSLWantReadError:
                        pass
                if plain in ready:
                    data = plain.recv(16384)
                    if not data:
                        return
                    client.setblocking(True)
                    client.sendall(data)
                    client.setblocking(False)
        except (OSError, ssl.SSLError, ValueError):
            pass
        finally:
            for sock in (client, plain):
                try:
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
                except OSError:
                    pass
