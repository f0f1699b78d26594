"""A loopback server that does to a client whatever a test wants: each connection is played by a function."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import trustme

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Peer:
    """The server's end of one connection. Its calls raise OSError when the client is gone."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        self.sock = sock
        self._context = context
        self._received = b""

    def start_tls(self) -> None:
        assert self._context is not None
        self.sock = self._context.wrap_socket(self.sock, server_side=True)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, pause: float = 0.02) -> None:
        """Send byte by byte, `pause` seconds apart."""
        for at in range(len(data)):
            self.send(data[at : at + 1])
            time.sleep(pause)

    def read(self, size: int) -> bytes:
        while len(self._received) < size:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self._received += data
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def read_head(self) -> bytes:
        """Read an HTTP request."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.read(1)
        return head

    def accept_answer(self, head: bytes) -> bytes:
        key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
        digest = hashlib.sha1(key.split(b":")[1].strip() + MAGIC).digest()
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )

    def upgrade(self, at_once: bytes = b"") -> bytes:
        """Answer the opening handshake, with `at_once` right behind the answer; return the request."""
        if self._context is not None and not isinstance(self.sock, ssl.SSLSocket):
            self.start_tls()
        head = self.read_head()
        self.send(self.accept_answer(head) + at_once)
        return head

    def read_frame(self) -> tuple[int, bytes]:
        """Read one masked frame; return its opcode and its payload."""
        first, size = self.read(2)
        assert first & 0x80
        assert size & 0x80
        size &= 0x7F
        if size == 126:
            size = int.from_bytes(self.read(2), "big")
        elif size == 127:
            size = int.from_bytes(self.read(8), "big")
        mask, payload = self.read(4), self.read(size)
        key = (mask * (size // 4 + 1))[:size]
        plain = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
        return first & 0x0F, plain

    def until_gone(self) -> None:
        """Read and forget until the client leaves."""
        try:
            while self.sock.recv(65536):
                pass
        except OSError:
            pass

    def reset(self) -> None:
        """Leave with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Behaviour = Callable[[Peer], object]


def frame(payload: bytes, opcode: int = 1, *, fin: bool = True, announce: int | None = None) -> bytes:
    """Build a server's frame; `announce` lies about its length."""
    size = len(payload) if announce is None else announce
    first = bytes((0x80 * fin | opcode,))
    if size < 126:
        head = first + bytes((size,))
    elif size < 1 << 16:
        head = first + b"\x7e" + size.to_bytes(2, "big")
    else:
        head = first + b"\x7f" + size.to_bytes(8, "big")
    return head + payload


class FaultServer:
    """Listen on loopback; play each connection on its own thread with the next behaviour, the last one for ever."""

    def __init__(self, *behaviours: Behaviour, context: ssl.SSLContext | None = None) -> None:
        self._behaviours = list(behaviours)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._peers: list[Peer] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.failures: list[BaseException] = []
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"{'wss' if self._context else 'ws'}://127.0.0.1:{self.port}/ws/agent"

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            behaviour = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
            peer = Peer(sock, self._context)
            self._peers.append(peer)
            self._threads.append(threading.Thread(target=self._play, args=(behaviour, peer)))
            self._threads[-1].start()

    def _play(self, behaviour: Behaviour, peer: Peer) -> None:
        try:
            behaviour(peer)
        except (OSError, EOFError):
            pass
        except BaseException as error:
            self.failures.append(error)
        finally:
            peer.sock.close()

    def close(self) -> None:
        _shut(self._listener)
        self._listener.close()
        self._threads[0].join(5)
        for peer in self._peers:
            _shut(peer.sock)
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        if self.failures:
            raise self.failures[0]


@contextmanager
def serving(*behaviours: Behaviour, tls: bool = False) -> Iterator[FaultServer]:
    server = FaultServer(*behaviours, context=server_context() if tls else None)
    try:
        yield server
    finally:
        server.close()


def _shut(sock: socket.socket) -> None:
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass


@cache
def authority() -> trustme.CA:
    return trustme.CA()


@cache
def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@cache
def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


def connect_proxy(credentials: str | None = None) -> Behaviour:
    """Play an HTTP proxy that connects to loopback ports, for those who know the `user:password`."""

    def play(peer: Peer) -> None:
        head = peer.read_head()
        if credentials is not None:
            wanted = b"Proxy-Authorization: Basic " + base64.b64encode(credentials.encode())
            if wanted not in head.split(b"\r\n"):
                peer.send(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
        target = head.split()[1].decode()
        with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2]))) as onward:
            peer.send(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
            back = threading.Thread(target=_pump, args=(onward, peer.sock))
            back.start()
            _pump(peer.sock, onward)
            back.join(5)

    return play


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    _shut(sink)
    _shut(source)


def descriptors() -> int:
    """Count the open descriptors of this process, where the system tells."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
