"""What http.client takes for a socket: one connection whose every read and write ends with the call's deadline.

A socket's own timeout starts anew with each byte: a peer that drips would hold a call for ever.
"""

from __future__ import annotations

import http.client
import io
import re

from ..net.deadline import Deadline
from ..net.guarded_socket import SendFailed, SocketGuard

__all__ = ["FinalResponse", "HttpStream"]

_BLOCK = 64 * 1024  # bytes per read or write
_EARLY = 4 * 1024  # bytes read ahead of their turn at once

# What a server says before its answer, such as 100 Continue; 101 would be the end of HTTP on a connection.
_INTERIM_STATUS = rb"HTTP/1\.[01] 1(?!01)[0-9]{2}"
_INTERIM = re.compile(_INTERIM_STATUS + rb"\b.*?\r?\n\r?\n", re.DOTALL)
_BEGUN_INTERIM = re.compile(_INTERIM_STATUS)
_STATUS_LENGTH = len(b"HTTP/1.1 100")  # bytes that tell the one from the other
_MAX_INTERIM = 64 * 1024  # bytes


class HttpStream:
    """Read and write one connection, for one call at a time.

    Args:
        guard: the connected socket; it is the stream's from now on.
        deadline: the end of the call; the next call sets its own.
    """

    def __init__(self, guard: SocketGuard, deadline: Deadline) -> None:
        self.deadline = deadline
        self._guard = guard
        self._early = b""  # what was read before its turn
        self._readers = 0  # that are open; an answer may be read when its connection is closed already
        self._closed = False

    def has_answer(self, patience: float = 0.0) -> bool:
        """Whether anything, or the end of the connection, arrives within so many seconds."""
        return bool(self._early) or self._read_early(patience) is not None

    def is_answered(self) -> bool:
        """Whether the answer, or the end of the connection, is there before the request has left whole.

        What a server says before its answer, such as 100 Continue, is dropped.
        """
        if self._read_early() == b"":
            return True
        while interim := _INTERIM.match(self._early):
            self._early = self._early[interim.end() :]
        if len(self._early) < _STATUS_LENGTH:
            return False
        return _BEGUN_INTERIM.match(self._early) is None or len(self._early) > _MAX_INTERIM

    def send_unless_answered(self, data: bytes) -> bool:
        """Send; return whether all has left: not if the server answers first, which may read no more then."""
        view = memoryview(data)
        while view:
            if self.is_answered():
                return False
            self.deadline.require()
            view = view[self._guard.send_until_readable(view[:_BLOCK], self.deadline) :]
        return True

    def read_into(self, buffer: memoryview) -> int:
        """Read what there is, waiting for the first byte of it; return how much, 0 at the end of the connection."""
        if early := self._early[: len(buffer)]:
            buffer[: len(early)] = early
            self._early = self._early[len(early) :]
            return len(early)
        return self._guard.receive_into(buffer, by=self.deadline)

    def sendall(self, data: bytes) -> None:
        """Send everything."""
        self.deadline.require()
        self._guard.send_by = self.deadline
        try:
            self._guard.send_all(data)
        except SendFailed as failed:
            raise failed.__cause__ or failed from None

    def makefile(self, *_: object) -> io.BufferedReader:
        """Return a reader, which keeps the connection open until it is closed."""
        self._readers += 1
        return _LineReader(_Reader(self), _BLOCK)

    def settimeout(self, _: float | None = None) -> None:
        """Leave the time to the deadline, whatever others ask for."""

    def close(self) -> None:
        """End the connection, when the last reader is closed."""
        self._closed = True
        self._close_if_unused()

    def abandon(self) -> None:
        """Close a forked child's copy of the socket, and leave the parent's connection alone."""
        self._guard.abandon()

    def reader_closed(self) -> None:
        """Count one reader less."""
        self._readers -= 1
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._closed and not self._readers:
            self._guard.close()

    def _read_early(self, patience: float = 0.0) -> bytes | None:
        """Return what arrived: b"" at the end of the connection, None if there is nothing.

        That there is something to read says too little: under TLS 1.3 servers send tickets after the handshake.
        """
        buffer = memoryview(bytearray(_EARLY))
        try:
            arrived = bytes(buffer[: self._guard.receive_into(buffer, patience)])
        except TimeoutError:
            return None
        self._early += arrived
        return arrived


class _Reader(io.RawIOBase):
    def __init__(self, stream: HttpStream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._stream.read_into(memoryview(buffer))

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._stream.reader_closed()


class _LineReader(io.BufferedReader):
    """Refuses a line that breaks off.

    http.client takes the end of the connection for the end of the head, and so half a head for an empty answer.
    """

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n") and len(line) != size:
            raise http.client.RemoteDisconnected("the connection ended in the middle of the answer")
        return line


class FinalResponse(http.client.HTTPResponse):
    """Skips what a server says before its answer, such as 103 Early Hints.

    http.client skips 100 alone: any other would count as the answer, and the answer as that of the next request.
    """

    def begin(self) -> None:
        """Read the head."""
        super().begin()
        while 100 <= self.status < 200:
            if self.status == http.client.SWITCHING_PROTOCOLS:
                raise http.client.HTTPException("the server switched to another protocol, unasked")
            self.headers = self.msg = None  # type: ignore[assignment]  # begin() reads a head only if it has none
            super().begin()
