"""The connections to one server, kept alive and shared by all threads.

What is idle is closed after 30 seconds, by a thread that sleeps until then, and that is there only while something
is idle.
A server that closes first is noticed when the connection is to be used again, or after those 30 seconds.
"""

from __future__ import annotations

import ssl
import time
import weakref
from collections.abc import Sequence
from threading import Event, Lock, Thread

from ..net.deadline import Deadline
from ..net.forks import renew_after_fork
from ..net.guarded_socket import Aborted
from ..net.proxies import Proxy
from ..net.resolver import Address
from .connections import HttpConnection
from .origin import Origin

_MAX_IDLE = 10  # connections
_MAX_IDLE_SECONDS = 30.0


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
        self._lock = Lock()  # guards what follows; nothing else is done while it is held
        self._idle: list[HttpConnection] = []  # the one that was used last stands last
        self._made: set[HttpConnection] = set()
        self._closer: Thread | None = None
        self._closed = Event()  # ends the closer
        self._aborted = False
        renew_after_fork(self.after_fork)
        weakref.finalize(self, _close_all, self._made, self._closed)

    def take(self, deadline: Deadline, *, fresh: bool) -> HttpConnection:
        """Return a connection for one call: give it back or drop it.

        Args:
            deadline: the end of the call.
            fresh: whether the call must not meet a connection that was idle for long.

        Raises Aborted after abort().
        """
        while (connection := self._pop()) is not None:
            connection.deadline = deadline
            if connection.is_reliable() if fresh else connection.is_connected:
                connection.lasting = True
                return connection
            self.drop(connection)
        connection = HttpConnection(self.origin, deadline, self._tls, self._proxy, self._addresses)
        with self._lock:
            if self._aborted:
                raise Aborted
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
            closer = None
            if keep and self._closer is None:
                self._closer = closer = Thread(
                    target=_close_idle,
                    args=(weakref.ref(self), self._closed),
                    name="arinova-http-idle",
                    daemon=True,
                )
        if not keep:
            self.drop(connection)
        if closer is not None:
            try:
                closer.start()
            except RuntimeError:  # no more threads, or the interpreter ends
                self.close()

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
            self._closed.set()
            self._closed, self._closer = Event(), None
        for connection in idle:
            connection.close()

    def abort(self) -> None:
        """Close all connections, those in use at once, and make no more."""
        with self._lock:
            self._aborted = True
            in_use = self._made.difference(self._idle)
        for connection in in_use:
            connection.abort()
        self.close()

    def close_idle(self) -> float | None:
        """Close what was idle for too long; return the seconds until the next one is, None if nothing is idle."""
        now = time.monotonic()
        with self._lock:
            late = [one for one in self._idle if now - (one.idle_since or 0.0) >= _MAX_IDLE_SECONDS]
            self._idle = self._idle[len(late) :]
            self._made.difference_update(late)
            left = None
            if self._idle:
                left = (self._idle[0].idle_since or 0.0) + _MAX_IDLE_SECONDS - now
            else:
                self._closer = None
        for connection in late:
            connection.close()
        return left

    def after_fork(self) -> None:
        """Close the child's copies of the parent's sockets, without a word to the server."""
        self._lock = Lock()
        self._closed, self._closer = Event(), None
        for connection in self._made:
            connection.abandon()
        self._made.clear()
        self._idle.clear()

    def _pop(self) -> HttpConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None


def _close_all(connections: set[HttpConnection], closed: Event) -> None:
    closed.set()
    for connection in list(connections):
        connection.close()


def _close_idle(pool: weakref.ref[Pool], closed: Event) -> None:
    """Close what is idle for too long, until the pool is closed or gone, or has nothing that is idle."""
    left: float | None = _MAX_IDLE_SECONDS
    while left is not None and not closed.wait(left):
        there = pool()
        left = None if there is None else there.close_idle()
        del there
