"""A socket that one reader and one writer may use at the same time, plain or TLS, and that anyone may abort.

A lock is held around each single call into the socket and never while waiting: two threads at a time in one
OpenSSL object break the connection, and a blocking call would keep the others out for as long as it blocks.
"""

from __future__ import annotations

import _socket
import errno
import math
import select
import selectors
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE
from typing import Final, Protocol, TypeVar

from .deadline import Deadline

__all__ = ["Aborted", "SendFailed", "SocketGuard"]

Result = TypeVar("Result")


class _Readiness(Protocol):
    """What waits for one descriptor."""

    def within(self, seconds: float | None, events: int) -> int:
        """Return which of the events came within so many seconds, 0 for none."""
        ...


_TLS_RECORD: Final = 16 * 1024  # bytes; what TLS encrypts, and hands to the kernel, as one piece
_NO_LINGER: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_SLICE: Final = 0.1  # seconds after which a wait that cannot be ended from outside looks around


class Aborted(OSError):
    """The connection was aborted or closed from this side."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNABORTED, "the connection was ended from this side")


class SendFailed(Exception):
    """A write did not finish; why stands in __cause__.

    Attributes:
        sent: how many of its bytes the kernel took.
    """

    def __init__(self, sent: int) -> None:
        super().__init__(f"the write stopped after {sent} bytes")
        self.sent = sent


class SocketGuard:
    """Own one socket: read it, write it, abort whatever waits on it, close it.

    One thread at a time reads, and one writes; the caller sees to that. Any thread may abort and
    close it.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.send_by: Deadline | None = None  # may be set by any thread, during a write too
        self._sock = sock
        self._lock = threading.Lock()  # never held while waiting, and nothing else is acquired under it
        self._reading = _readiness_of(sock.fileno())
        self._writing = _readiness_of(sock.fileno())
        self._piece = sys.maxsize  # bytes to offer at once
        self._drained = False
        self._waiting = 0  # threads; the descriptor outlives their waits
        self._aborted = self._closed = False

    @property
    def sock(self) -> socket.socket:
        """The socket, to be asked about its connection; to read, write and close it is the guard's."""
        return self._sock

    def start_tls(self, context: ssl.SSLContext, host: str, by: Deadline) -> None:
        """Put TLS on the connected socket. Raises OSError; ssl.SSLError is one."""
        with self._lock:
            self._check()
            self._sock = tls = context.wrap_socket(
                self._sock, server_hostname=host, do_handshake_on_connect=False
            )
            self._piece = _TLS_RECORD  # more at once, and TLS would not tell how much of it has left
        self._until(tls.do_handshake, by)

    def receive_into(
        self, buffer: memoryview, silence: float | None = None, by: Deadline | None = None
    ) -> int:
        """Read what is there, waiting for the first byte of it.

        Args:
            buffer: where to put it.
            silence: seconds to wait for a sign of life; None for ever.
            by: when to give up even though bytes arrive; None for never.

        Returns the number of bytes, 0 at the end of the stream. Raises OSError, TimeoutError among them.
        """
        if by is not None and by.expired:
            raise TimeoutError("the deadline has passed")
        # A read that did not fill its buffer took all there was: waiting first saves a call that would fail.
        # With TLS too: OpenSSL reads one record at a time, and keeps a part back only if the buffer is full.
        waits, events = self._drained, EVENT_READ
        while True:
            with self._lock:
                if self._aborted:
                    raise Aborted
                if not waits:
                    try:
                        count = self._sock.recv_into(buffer)
                        self._drained = count < len(buffer)
                        return count
                    except (BlockingIOError, ssl.SSLWantReadError):
                        events = EVENT_READ
                    except ssl.SSLWantWriteError:
                        events = EVENT_WRITE
                self._waiting += 1
            if not self._wait(self._reading, events, silence if by is None else by.left(silence)):
                raise TimeoutError("no byte was received in time")
            waits = False

    def send_all(self, data: bytes, patience: float | None = None) -> None:
        """Write everything.

        Args:
            data: what to write.
            patience: seconds that may pass without a byte accepted, None for no limit; and see ``send_by``.

        Raises SendFailed.
        """
        sent = 0
        try:
            if len(data) <= self._piece:  # nearly always it leaves at once
                with self._lock:
                    if self._aborted:
                        raise Aborted
                    try:
                        sent = self._sock.send(data)
                    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                        pass
                if sent == len(data):
                    return
            piece: bytes | memoryview = memoryview(data)[sent : sent + self._piece]
            stuck: Deadline | None = None
            while sent < len(data):
                with self._lock:
                    if self._aborted:
                        raise Aborted
                    try:
                        taken, events = self._sock.send(piece), 0
                    except (BlockingIOError, ssl.SSLWantWriteError):
                        taken, events = 0, EVENT_WRITE
                    except ssl.SSLWantReadError:
                        taken, events = 0, EVENT_READ
                    self._waiting += events > 0
                if taken:
                    sent += taken
                    if sent < len(data):
                        # TLS that took nothing must be offered the same piece again: only now comes the next.
                        piece = memoryview(data)[sent : sent + self._piece]
                        stuck = None
                    continue
                if stuck is None:
                    stuck = Deadline(patience)
                by = self.send_by or stuck  # read anew each time round: it may have been shortened
                self._wait(self._writing, events, by.left(stuck.left(_SLICE)))
                if stuck.expired or by.expired:
                    raise TimeoutError("the peer takes no more bytes")
        except OSError as error:
            raise SendFailed(sent) from error

    def send_until_readable(self, data: memoryview, by: Deadline) -> int:
        """Write until everything has left, or until something can be read while the peer takes no more.

        Args:
            data: what to write; if something was left, the rest comes next.
            by: when to give up.

        Returns how many bytes the kernel took. Raises OSError, TimeoutError among them.
        """
        sent = 0
        while sent < len(data):
            with self._lock:
                self._check()
                try:
                    sent += self._sock.send(data[sent : sent + self._piece])
                    continue
                except (BlockingIOError, ssl.SSLWantWriteError):
                    events = EVENT_READ | EVENT_WRITE
                except ssl.SSLWantReadError:
                    events = EVENT_READ
                self._waiting += 1
            ready = self._wait(self._writing, events, by.left())
            if not ready:
                raise TimeoutError("the peer takes no more bytes")
            if ready & EVENT_READ:
                break
        return sent

    def discard_unsent(self) -> None:
        """Have the end of the connection discard what the kernel has not sent yet; the peer is told by a RST."""
        with self._lock:
            if self._closed:
                return
            try:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            except OSError:
                pass  # not connected any more

    def abort(self) -> None:
        """Make every call under way and to come fail at once. Never waits."""
        with self._lock:
            self._abort()

    def close(self) -> None:
        """Abort; the last one out of a wait closes the descriptor, or this call. Never waits."""
        with self._lock:
            self._abort()
            self._closed = True
            self._close_if_unused()

    def abandon(self) -> None:
        """Close a forked child's copy of the descriptor and leave the parent's connection alone."""
        self._lock = threading.Lock()  # a thread that does not exist here may have held the old one
        self._aborted = self._closed = True
        self._sock.close()

    def _abort(self) -> None:
        self._aborted = True
        try:
            _shut_down(self._sock)
        except OSError:
            pass  # not connected yet, or not any more

    def _check(self) -> None:
        if self._aborted:
            raise Aborted

    def _until(self, call: Callable[[], Result], by: Deadline) -> Result:
        events = EVENT_READ
        while True:
            with self._lock:
                self._check()
                try:
                    return call()
                except ssl.SSLWantReadError:
                    events = EVENT_READ
                except ssl.SSLWantWriteError:
                    events = EVENT_WRITE
                self._waiting += 1
            if not self._wait(self._reading, events, by.left()):
                raise TimeoutError("the peer did not answer in time")

    def _wait(self, ready: _Readiness, events: int, seconds: float | None) -> int:
        """Return what the socket is ready for, 0 if the time is up.

        The caller has counted itself in ``_waiting``, under the lock.
        """
        try:
            return ready.within(seconds, events)
        finally:
            with self._lock:
                self._waiting -= 1
                self._close_if_unused()

    def _close_if_unused(self) -> None:
        # A thread asleep in poll is not told when another closes the descriptor, whose number may serve anew.
        if self._closed and not self._waiting:
            self._sock.close()


class _SelectedReadiness:
    """Wait for one descriptor, for one thread at a time."""

    def __init__(self, descriptor: int) -> None:
        self._selector = selectors.SelectSelector()
        self._descriptor, self._events = descriptor, EVENT_READ
        self._selector.register(descriptor, EVENT_READ)

    def within(self, seconds: float | None, events: int) -> int:
        if events != self._events:
            self._selector.modify(self._descriptor, events)
            self._events = events
        return sum(ready for _, ready in self._selector.select(seconds))


if sys.platform != "win32":
    _POLLED: Final = {
        EVENT_READ: select.POLLIN,
        EVENT_WRITE: select.POLLOUT,
        EVENT_READ | EVENT_WRITE: select.POLLIN | select.POLLOUT,
    }

    class _PolledReadiness:
        """Wait for one descriptor, for one thread at a time."""

        def __init__(self, descriptor: int) -> None:
            # select() refuses descriptors above 1023, epoll costs a descriptor and three times poll's time, and
            # what selectors puts around poll is much of the time from a task to its first chunk.
            self._poll = select.poll()
            self._descriptor, self._events = descriptor, EVENT_READ
            self._poll.register(descriptor, select.POLLIN)

        def within(self, seconds: float | None, events: int) -> int:
            if events != self._events:
                self._poll.modify(self._descriptor, _POLLED[events])
                self._events = events
            for _, polled in self._poll.poll(None if seconds is None else math.ceil(seconds * 1_000)):
                # An error or a hang-up is told by the next call: both wait for that.
                return (polled & ~select.POLLOUT and EVENT_READ) | (polled & ~select.POLLIN and EVENT_WRITE)
            return 0


def _readiness_of(descriptor: int) -> _Readiness:
    """Return what waits for a descriptor. Asked anew each time: eventlet takes poll away from a running program."""
    if sys.platform != "win32" and hasattr(select, "poll"):
        return _PolledReadiness(descriptor)
    return _SelectedReadiness(descriptor)


def _shut_down(sock: socket.socket) -> None:
    """End both directions, whatever class gevent or eventlet put in the place of Python's."""
    if isinstance(sock, _socket.socket):
        # Not SSLSocket.shutdown: that drops the TLS layer, and a writer could then send in clear.
        _socket.socket.shutdown(sock, socket.SHUT_RDWR)
    elif isinstance(sock, ssl.SSLSocket):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    else:
        sock.shutdown(socket.SHUT_RDWR)
