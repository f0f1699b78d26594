"""The connections to one server, kept alive and shared by all threads."""

from __future__ import annotations

import ssl
import time
import weakref
from collections.abc import Iterable, Sequence
from threading import Lock

from ..net.forks import renew_after_fork
from ..net.proxies import Proxy
from .connections import Address, HttpConnection, Origin
from .deadline import Deadline

_MAX_IDLE = 64  # connections


class Pool:
    """The connections to one origin. Safe from many threads and across a fork; new ones are made as needed."""

    def __init__(
        self,
        origin: Origin,
        tls: ssl.SSLContext | None,
        proxy: Proxy | None,
        addresses: Sequence[Address] | None = None,
    ) -> None:
        self.origin = origin
        self._tls = tls
        self._proxy = proxy
        self._addresses = addresses
        self._lock = Lock()  # guards the two collections; nothing else is done while it is held
        self._idle: list[HttpConnection] = []
        self._made: set[HttpConnection] = set()
        renew_after_fork(self)
        weakref.finalize(self, _close_all, self._made)

    def take(self, deadline: Deadline, *, fresh: bool) -> HttpConnection:
        """Return a connection for one call: give it back or drop it.

        Args:
            deadline: the end of the call.
            fresh: whether the call must not meet a connection that was idle for long.
        """
        while (connection := self._pop()) is not None:
            connection.deadline = deadline
            if connection.is_reliable() if fresh else connection.is_connected:
                connection.lasting = True
                return connection
            self.drop(connection)
        connection = HttpConnection(self.origin, deadline, self._tls, self._proxy, self._addresses)
        with self._lock:
            self._made.add(connection)
        return connection

    def give_back(self, connection: HttpConnection) -> None:
        """Keep a connection whose call is over."""
        connection.idle_since = time.monotonic()
        with self._lock:
            # It is not among those made if the pool was closed in the meantime.
            keep = connection in self._made and len(self._idle) < _MAX_IDLE and connection.sock is not None
            if keep:
                self._idle.append(connection)
        if not keep:
            self.drop(connection)

    def drop(self, connection: HttpConnection) -> None:
        """Close a connection."""
        with self._lock:
            self._made.discard(connection)
        connection.close()

    def close(self) -> None:
        """Close what is idle at once, and what is in use when its call is over."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._made.clear()
        for connection in idle:
            connection.close()

    def after_fork(self) -> None:
        """Close the child's copies of the parent's sockets, without a word to the server."""
        self._lock = Lock()
        _close_all(self._made)
        self._made.clear()
        self._idle.clear()

    def _pop(self) -> HttpConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None


def _close_all(connections: Iterable[HttpConnection]) -> None:
    for connection in list(connections):
        connection.close()
