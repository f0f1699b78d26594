"""A wait for sockets, and for what other threads have to tell, that any thread may abort."""

from __future__ import annotations

import selectors
import socket
import threading
from selectors import EVENT_READ, EVENT_WRITE

from .forks import renew_after_fork
from .guarded_socket import Aborted

__all__ = ["AbortableWait"]


class AbortableWait:
    """Wait until a connection is made. One thread waits; any thread may notify and abort it.

    A context manager; at its end the sockets that are still watched are closed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards what follows but the selector; never held while waiting
        self._aborted = self._closed = False
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        # epoll would cost a descriptor, and be slower for the few sockets that are waited for once. The class is
        # asked for anew each time: gevent and eventlet may have taken it away after this file was loaded.
        selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)
        self._selector = selector()
        self._selector.register(self._receiver, EVENT_READ)
        renew_after_fork(self.after_fork)

    def __enter__(self) -> AbortableWait:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            self._close_all()

    def abort(self) -> None:
        """Make the wait under way, or the next one, raise Aborted. Never waits."""
        with self._lock:
            self._aborted = True
            self._notify()

    def notify(self) -> None:
        """End the wait under way, or the next one. Never waits."""
        with self._lock:
            self._notify()

    def watch(self, sock: socket.socket) -> None:
        """Let the waits end when a socket can be written, which is when it is connected, or cannot be."""
        self._selector.register(sock, EVENT_WRITE)

    def watch_pipe(self, descriptor: int) -> None:
        """Let the waits end when a pipe can be read, or nobody writes to it any more; it stays the caller's."""
        self._selector.register(descriptor, EVENT_READ)

    def release(self, watched: socket.socket | int) -> None:
        """Wait no more for a socket, which is the caller's from now on, or for a pipe."""
        self._selector.unregister(watched)

    def wait(self, seconds: float | None) -> list[socket.socket]:
        """Wait for a notice or a socket, for so many seconds at most; return the sockets that are ready.

        Raises Aborted.
        """
        self.raise_if_aborted()
        ready = [key.fileobj for key, _ in self._selector.select(seconds)]
        self.raise_if_aborted()
        if self._receiver in ready:
            self._receiver.recv(64)
        return [sock for sock in ready if isinstance(sock, socket.socket) and sock is not self._receiver]

    def raise_if_aborted(self) -> None:
        """Raise Aborted if another thread has asked for it."""
        if self._aborted:
            raise Aborted

    def after_fork(self) -> None:
        """Close a forked child's copies of the sockets: the connection is the parent's."""
        self._lock = threading.Lock()
        self.__exit__()

    def _notify(self) -> None:
        if self._closed:
            return  # under the lock: else the byte could go to whoever has got the descriptor's number
        try:
            self._sender.send(b"\0")
        except BlockingIOError:
            pass  # there is enough to wake it

    def _close_all(self) -> None:
        for key in list((self._selector.get_map() or {}).values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()
        self._sender.close()
