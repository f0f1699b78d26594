"""httpcore and httpcore2: their connections in the hands of scopes.

An HTTP/1.1 connection is a task's in each blocking call, and while the task holds a response that it has not read
to its end. In between, while httpcore looks at what has come, nobody may shut the connection down: once httpcore
has seen the end of the response, any other thread can get the connection.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from .scope import Scope, current_scope
from .sockets import Guard, Handshake, connect


class Backend:
    """httpcore's NetworkBackend around its own one.

    Args:
        inner: the backend that connects.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def connect_tcp(self, *args: Any, **kwargs: Any) -> Stream:
        """Connect to a host and port."""
        return Stream(connect(lambda: self._inner.connect_tcp(*args, **kwargs)))

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> Stream:
        """Connect to a Unix domain socket."""
        return Stream(connect(lambda: self._inner.connect_unix_socket(*args, **kwargs)))

    def sleep(self, seconds: float) -> None:
        """Wait between two attempts to connect."""
        if (scope := current_scope()) is None:
            self._inner.sleep(seconds)
        else:
            scope.wait(threading.Event(), seconds)


class Stream:
    """httpcore's NetworkStream around its own one.

    Args:
        inner: the stream that reads and writes.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.guard = Guard(inner.get_extra_info("socket"))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Receive bytes."""
        data: bytes = self.guard.call(self._inner.read, max_bytes, timeout)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all bytes."""
        self.guard.call(self._inner.write, buffer, timeout)

    def close(self) -> None:
        """Close the connection."""
        self.guard.give_up()
        self._inner.close()

    def start_tls(self, *args: Any, **kwargs: Any) -> Stream:
        """Encrypt the connection."""
        try:
            with Handshake() as handshake:
                handshake.begin(self._inner.get_extra_info("socket"))
                return Stream(self._inner.start_tls(*args, **kwargs))
        except BaseException:
            self._inner.close()  # as httpcore's own does; nobody else would
            raise

    def get_extra_info(self, info: str) -> Any:
        """Tell something about the connection."""
        return self._inner.get_extra_info(info)


class InterruptiblePool:
    """Stands before an httpcore.ConnectionPool: the wait for a connection is here, where a cancel can end it.

    Args:
        inner: the pool.
        core: httpcore or httpcore2.
    """

    def __init__(self, inner: Any, core: Any) -> None:
        self._inner = inner
        self._core = core
        self._places = Places(inner._max_connections)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __enter__(self) -> InterruptiblePool:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._inner.__exit__(*error)

    def handle_request(self, request: Any) -> Any:
        """Send a request, return the response once its headers have come."""
        scope = current_scope()
        if not self._places.take(scope, request.extensions.get("timeout", {}).get("pool")):
            raise self._core.PoolTimeout()
        try:
            response = self._inner.handle_request(request)
        except BaseException as error:
            self._places.give_back()
            if scope is not None and isinstance(error, Exception):
                scope.check()
            raise
        stream = response.extensions.get("network_stream")
        body = Body(
            response.stream, self._places, stream.guard if isinstance(stream, Stream) else None, scope
        )
        return self._core.Response(
            response.status, headers=response.headers, content=body, extensions=response.extensions
        )


class Places:
    """How many requests a pool takes at once. Thread-safe; those that wait are served in turn.

    httpcore would make them wait inside, where they can be ended only by changing what its own lock guards.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        # Re-entrant: the garbage collector may close a response, which gives its place back, at any time.
        self._lock = threading.RLock()
        self._free = count
        self._waiting: deque[threading.Event] = deque()

    def take(self, scope: Scope | None, timeout: float | None) -> bool:
        """Take a place, wait for it if need be; False after so many seconds. Raises TaskCancelled at a cancel."""
        if scope is not None:
            scope.check()
        turn = threading.Event()
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return True
            self._waiting.append(turn)
        try:
            if scope is None:
                turn.wait(timeout)
            else:
                with scope.waking(turn.set):
                    turn.wait(timeout)
                    scope.check()
        except BaseException:
            if self._has_place(turn):
                self.give_back()
            raise
        return self._has_place(turn)

    def give_back(self) -> None:
        """Give a place to the one that has waited longest, or to whoever comes."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1

    def _has_place(self, turn: threading.Event) -> bool:
        with self._lock:
            if turn in self._waiting:  # woken by a cancel, or not at all
                self._waiting.remove(turn)
                return False
            return True


class Body:
    """A response's body.

    Args:
        inner: the pool's own.
        places: gets a place back at the end.
        guard: of the connection that it comes over.
        scope: of the task that asked; None outside of tasks.
    """

    def __init__(self, inner: Any, places: Places, guard: Guard | None, scope: Scope | None) -> None:
        self._inner = inner
        self._places = places
        self._guard = guard
        self._scope = scope
        self._closing = threading.Lock()
        if scope is not None:
            try:
                scope.own(self)
            except BaseException:
                self.close()
                raise
            if guard is not None:
                guard.lender = scope

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from (self._inner if self._scope is None else self._chunks(self._scope))
        except BaseException:
            self.close()
            raise

    def _chunks(self, scope: Scope) -> Iterator[bytes]:
        chunks = iter(self._inner)
        while True:
            scope.give_up(self)
            scope.check()
            try:
                chunk = next(chunks)
            except StopIteration:
                return
            # httpcore has not seen the end of the response, so it closes the connection if it is shut from here on.
            scope.own(self)
            yield chunk

    def close(self) -> None:
        """Give the connection back to the pool, which keeps it if the response was read to its end."""
        if not self._closing.acquire(blocking=False):
            return  # its thread and the end of the task may come at the same time
        if self._scope is not None:
            self._scope.give_up(self)
        if self._guard is not None:
            self._guard.give_up()
        try:
            self._inner.close()
        finally:
            self._places.give_back()

    def shut(self) -> None:
        """Shut the connection down."""
        if self._guard is not None:
            self._guard.shut()

    def abandon(self) -> None:
        """Close it: the task has ended, and nobody reads."""
        try:
            self.close()
        except Exception:  # noqa: BLE001 - the connection was shut down already
            pass
