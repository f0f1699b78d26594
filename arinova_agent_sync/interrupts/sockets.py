"""The sockets of interruptible clients: made, encrypted, read and written so that a cancel ends it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Protocol, TypeVar

from .scope import Scope, current_scope

T = TypeVar("T")


class Closable(Protocol):
    """What has a close()."""

    def close(self) -> None:
        """Close it."""
        ...


C = TypeVar("C", bound=Closable)


class Guard:
    """Lets a scope shut one connection down. Used by one thread at a time, as HTTP/1.1 connections are.

    Args:
        sock: the connection's socket; it stays open at least as long as a scope owns the guard.
        keep: whether the scope owns the connection between two calls, too, until ``give_up``.

    Attributes:
        lender: the scope of the task whose response is on the connection, whatever thread reads it; None between
            responses.
        was_shut: whether a scope shut the connection down. Settled once no scope owns it.
    """

    __slots__ = ("_keep", "_socket", "lender", "was_shut")

    def __init__(self, sock: socket.socket, keep: bool = False) -> None:
        self._socket = sock
        self._keep = keep
        self.lender: Scope | None = None
        self.was_shut = False

    def call(self, function: Callable[..., T], *args: object) -> T:
        """Call a function that blocks on the socket; raise TaskCancelled, and drop its result, at a cancel."""
        scope = self.lender or current_scope()
        if scope is None:
            return function(*args)
        scope.own(self)
        if self._keep:
            self.lender = scope
        try:
            return function(*args)
        finally:
            if not self._keep:
                scope.give_up(self)
            scope.check()  # a BaseException, so that no client repeats the request or swallows it

    def give_up(self) -> None:
        """Let no scope own the connection any more: the pool gets it, or it is about to be closed."""
        if (scope := self.lender) is not None:
            self.lender = None
            scope.give_up(self)

    def shut(self) -> None:
        """Wake who waits on the socket, and tell the peer."""
        self.was_shut = True
        try:
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # SSLSocket's own drops its TLS state
        except OSError:
            pass  # it has ended by itself

    def abandon(self) -> None:
        """Leave it to the thread that is in a call, or to the client."""


class Handshake:
    """Lets a cancel end a handshake, TLS or a proxy's, while the block runs.

    ``wrap_socket`` moves the descriptor into another object, so a second handle on the connection is what is shut.
    """

    def __init__(self) -> None:
        self._scope = current_scope()
        self._handle: socket.socket | None = None

    def begin(self, sock: socket.socket) -> None:
        """Name the socket; raise TaskCancelled if the task was cancelled."""
        if self._scope is not None:
            self._handle = socket.fromfd(sock.fileno(), sock.family, sock.type)
            self._scope.own(self)

    def __enter__(self) -> Handshake:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._scope is None or self._handle is None:
            return
        self._scope.give_up(self)
        if error is not None:
            self._shutdown(socket.SHUT_RDWR)  # the peer is told, whatever still refers to the socket
        self._handle.close()
        if isinstance(error, Exception):
            self._scope.check()  # after a success, the first write on the connection checks

    def shut(self) -> None:
        """Wake who waits for the peer."""
        # Only to read: wrap_socket takes what is shut for writing, too, for unconnected, and may leave it open.
        self._shutdown(socket.SHUT_RD)

    def _shutdown(self, how: int) -> None:
        try:
            if self._handle is not None:
                self._handle.shutdown(how)
        except OSError:
            pass  # it has ended by itself

    def abandon(self) -> None:
        """Leave it to the thread that shakes hands."""


def connect(make: Callable[[], C]) -> C:
    """Make a connection; raise TaskCancelled at a cancel.

    Nothing ends a look-up, and of a connection that is being made the libraries give no handle. So in a task it is
    made on a thread of its own, which a cancel leaves behind: until the client's own time-out at the latest.
    """
    scope = current_scope()
    if scope is None:
        return make()
    future: Future[C] = Future()
    made = threading.Event()
    future.add_done_callback(lambda _: made.set())
    threading.Thread(target=_make, args=(future, make), name="arinova-connect", daemon=True).start()
    try:
        scope.wait(made)
    except BaseException:
        future.add_done_callback(_close_made)
        raise
    return future.result()


def _make(future: Future[Any], make: Callable[[], object]) -> None:
    try:
        future.set_result(make())
    except BaseException as error:  # noqa: BLE001 - it is raised where the connection is wanted
        future.set_exception(error)


def _close_made(future: Future[Any]) -> None:
    if future.exception() is None:
        future.result().close()
