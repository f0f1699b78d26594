"""A TCP connection that can be cut or frozen on its way. Thread-safe."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit


class _Pair:
    """Two sockets and what flows between them."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.sockets = (near, far)
        self.flows = threading.Event()
        self.flows.set()
        self.over = False
        self.threads = [
            threading.Thread(target=self._pump, args=way, name="scenario-proxy", daemon=True)
            for way in ((near, far), (far, near))
        ]
        for thread in self.threads:
            thread.start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while True:
                data = source.recv(65536)
                self.flows.wait()
                if self.over or not data:
                    break
                target.sendall(data)
        except OSError:
            self.flows.wait()
        self.end()

    def end(self) -> None:
        self.over = True
        self.flows.set()
        for each in self.sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended

    def close(self) -> None:
        self.end()
        for thread in self.threads:
            thread.join(5)
        for each in self.sockets:
            each.close()


class TcpProxy:
    """Carry connections to a server, until told otherwise.

    Args:
        url: the server's.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._pairs: list[_Pair] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, name="scenario-proxy", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """End every connection, on both sides."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            pair.end()

    def freeze(self) -> None:
        """Let nothing pass on the connections of now, not even their end; later ones are not touched."""
        with self._lock:
            for pair in self._pairs:
                pair.flows.clear()

    def close(self) -> None:
        """End everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()
        for pair in self._pairs:
            pair.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target, 5)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            with self._lock:
                self._pairs.append(_Pair(near, far))
