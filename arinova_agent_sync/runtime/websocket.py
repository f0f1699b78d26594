"""One WebSocket to the server: opened, read, written, ended."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from ..net.abortable_wait import AbortableWait
from ..net.deadline import Deadline
from ..net.dial import dial
from ..net.guarded_socket import Aborted, SendFailed, SocketGuard
from ..net.proxies import Proxy
from ..net.tls import default_context
from ..protocol import websocket_frames
from ..redaction import redact, redact_error
from .upgrade import OPENING_ERRORS, Upgrade, explained
from .websocket_errors import (
    BinaryMessage,
    Kind,
    MessageTooLarge,
    WebSocketClosed,
    WebSocketError,
    WriteFailed,
)

_READ_AHEAD = 64 * 1024  # bytes
_MASK_POOL = 4 * 1024  # bytes
_PARTING = 0.2  # seconds to get rid of a close frame in
_GOING_AWAY = (1000, 1001, 1012, 1013)  # close codes of a server that ends, restarts or is busy
_WIRE_KINDS: dict[int, Kind] = {1002: "protocol", 1007: "utf8", 1009: "too_large"}


class WebSocket:
    """Open one WebSocket, read its messages, write to it, end it. It serves once; it opens nothing by itself.

    ``open`` and ``receive`` belong to one thread, ``write`` and ``send_*`` to one at a time, which may be
    another. ``abort``, ``close`` and ``stop_by`` are for any thread at any moment.

    Args:
        url: a ws or wss URL.
        ssl_context: how to check the server; None for what the system trusts.
        proxy: whom to ask for the connection; None for a straight one. The environment is not looked at.
        max_message_bytes: longest message that ``receive`` returns.
        send_timeout: seconds that a write may make no progress.
        silence_timeout: seconds without a byte from the server after which the link counts as dead.
        secret: the token, which a server may send back: it is kept out of every error.

    Attributes:
        on_ping: called in ``receive`` with what a ping brings; the owner sends the pong. None for no pongs.
        broken: whether the peer or the network ended it: not silence, nor this side, nor a server that says that it
            goes away.
        on_silence: called in ``receive`` when nothing came for ``silence_timeout``; returns for how many seconds
            more to wait, 0 if the link is dead. None if it is then.
    """

    def __init__(
        self,
        url: str,
        *,
        ssl_context: ssl.SSLContext | None = None,
        proxy: Proxy | None = None,
        max_message_bytes: int,
        send_timeout: float,
        silence_timeout: float,
        secret: str = "",
    ) -> None:
        self.on_ping: Callable[[bytes], None] | None = None
        self.on_silence: Callable[[], float] | None = None
        self.broken = False
        self._url = url
        self._ssl_context = ssl_context
        self._proxy = proxy
        self._max_message_bytes = max_message_bytes
        self._send_timeout = send_timeout
        self._silence_timeout = silence_timeout
        self._secret = secret
        self._lock = threading.Lock()  # guards the next four; only a guard's own lock is acquired under it
        self._wait: AbortableWait | None = None  # while there is no socket
        self._guard: SocketGuard | None = None
        self._aborted = False
        self._stop_by: Deadline | None = None
        self._open = False
        self._frames = websocket_frames.FrameReader(max_message_bytes)
        self._buffer = memoryview(b"")
        # A door, not a queue: it is tried and never waited at. Writers come one at a time anyway, but for the
        # reader's goodbye, which must not get between the two halves of a frame.
        self._door = threading.Lock()
        self._poisoned = False
        self._said_goodbye = False
        self._parting = False
        self._masks = b""
        self._mask_at = 0  # where the unused ones begin

    def open(self, deadline: Deadline) -> None:
        """Connect, put TLS on, upgrade to a WebSocket.

        Args:
            deadline: for all of it.

        Raises WebSocketError.
        """
        upgrade: Upgrade | None = None
        parts = urlsplit(self._url)
        secure = parts.scheme == "wss"
        tls = (self._ssl_context or default_context()) if secure else None
        try:
            if self._aborted:
                raise Aborted
            guard = dial(
                parts.hostname or "",
                parts.port or (443 if secure else 80),
                tls=tls,
                proxy=self._proxy,
                deadline=deadline,
                publish=self._adopt,
            )
            guard.send_by = deadline
            upgrade = Upgrade(guard, deadline)
            upgrade.run(self._url)
        except OPENING_ERRORS as error:
            self.close()
            raise explained(error, upgrade) from redact_error(error, self._secret)
        except BaseException:
            self.close()
            raise
        self._buffer = memoryview(bytearray(_READ_AHEAD))
        self._frames.feed(upgrade.rest)
        with self._lock:
            guard.send_by = self._stop_by
            self._open = True

    def receive(self, by: Deadline | None = None) -> bytes | bytearray:
        """Return the next text message, in UTF-8 that was checked.

        Args:
            by: when to give up waiting; the link stays usable then. None for never.

        Raises MessageTooLarge and BinaryMessage, after which it may be called again; WebSocketClosed, or
        WebSocketError for every other end.
        """
        guard, frames, buffer = self._guard, self._frames, self._buffer
        if guard is None or not self._open:
            raise WebSocketError("closed", "the connection is not open")
        silence = self._silence_timeout
        try:
            while True:
                message = frames.next()
                if isinstance(message, (bytes, bytearray)):
                    return message
                if message is not None:
                    self._take(message)
                    continue
                try:
                    count = guard.receive_into(buffer, silence, by)
                except TimeoutError:
                    silence = 0.0 if self.on_silence is None or (by and by.expired) else self.on_silence()
                    if not silence:
                        raise
                    continue
                if not count:
                    self.broken = True
                    raise WebSocketError("closed", "the server ended the connection without a close frame")
                silence = self._silence_timeout
                frames.feed(buffer[:count])
        except websocket_frames.WireError as error:
            self._part(error.close_code)
            kind = _WIRE_KINDS[error.close_code]
            raise WebSocketError(kind, f"the server broke the WebSocket protocol: {error}") from error
        except TimeoutError as error:
            if by is not None and by.expired:
                raise WebSocketError("timeout", "the server did not answer in time") from error
            text = f"nothing came from the server for {self._silence_timeout:g} s: the connection is dead"
            raise WebSocketError("timeout", text) from error
        except OSError as error:
            self.broken = self.broken or not isinstance(error, Aborted)
            raise explained(error) from error

    @property
    def cut(self) -> bool:
        """Whether a frame has left in part, or is leaving."""
        return self._poisoned and not self._parting

    def write(self, data: bytes) -> None:
        """Hand whole frames, as ``wire`` builds them, to the kernel.

        Raises WriteFailed, and from then on at every call.
        """
        guard = self._guard
        if guard is None or not self._open:
            raise WriteFailed("the connection is not open")
        if self._poisoned or not self._door.acquire(blocking=False):
            raise WriteFailed("an earlier write failed, or the connection is ending")
        try:
            # Whatever cuts a frame, Ctrl-C too, the peer takes the next bytes for the rest of it.
            self._poisoned = True
            guard.send_all(data, self._send_timeout)
            self._poisoned = False
        except SendFailed as error:
            cause = error.__cause__
            self.broken = self.broken or not isinstance(cause, (Aborted, TimeoutError))
            why = "the server takes no more bytes" if isinstance(cause, TimeoutError) else explained(cause)
            raise WriteFailed(f"writing failed: {why}", error.sent) from cause
        finally:
            self._door.release()

    def send_texts(self, payloads: Sequence[bytes]) -> int:
        """Send text messages with one system call; see ``write``.

        Args:
            payloads: one text each, in UTF-8.

        Returns how many bytes that took. After a WriteFailed, ``websocket_frames.whole`` tells how
        many messages left.
        """
        data = websocket_frames.frames(payloads, self._mask_keys(len(payloads)))
        self.write(data)
        return len(data)

    def send_text(self, payload: bytes) -> int:
        """Send one text message, in UTF-8; see ``write``. Returns how many bytes that took."""
        data = websocket_frames.text_frame(payload, self._mask_keys(1))
        self.write(data)
        return len(data)

    def send_control(self, opcode: int, payload: bytes = b"") -> None:
        """Send a ping or a pong of at most 125 bytes; see ``write``."""
        self.write(websocket_frames.frame(opcode, payload, self._mask_keys(1)))

    def send_close(self, code: int, reason: str = "") -> None:
        """Send a close frame and write nothing after it; see ``write``."""
        self.send_control(websocket_frames.CLOSE, websocket_frames.close_payload(code, reason))
        self._poisoned = self._said_goodbye = self._parting = True

    def stop_by(self, deadline: Deadline) -> None:
        """Let no write, under way or to come, wait beyond a deadline."""
        with self._lock:
            self._stop_by = deadline
            if self._guard is not None and self._open:
                self._guard.send_by = deadline

    def abort(self) -> None:
        """End the connection: whoever opens, reads or writes it fails at once. Never waits."""
        with self._lock:
            self._aborted = True
            connection = self._guard or self._wait
        if connection is not None:
            self._discard_unsent()
            connection.abort()

    def close(self) -> None:
        """End the connection and give its descriptor back. Never waits."""
        with self._lock:
            self._aborted = True
            guard, wait = self._guard, self._wait
        if guard is not None:
            self._discard_unsent()
            guard.close()
        elif wait is not None:
            wait.abort()

    def abandon(self) -> None:
        """Let go of the connection in a forked child: it stays the parent's."""
        self._lock = threading.Lock()  # threads that do not exist here may have held these
        self._door = threading.Lock()
        self._aborted = True
        if self._guard is not None:
            self._guard.abandon()

    def _discard_unsent(self) -> None:
        """Keep bytes of a link that is given up from arriving after those of the next one."""
        if self._guard is not None and self._open and not self._said_goodbye:
            self._guard.discard_unsent()

    def _adopt(self, made: AbortableWait | SocketGuard) -> None:
        with self._lock:
            if self._aborted:
                raise Aborted
            if isinstance(made, SocketGuard):
                self._guard, self._wait = made, None
            else:
                self._wait = made

    def _take(self, message: websocket_frames.Message) -> None:
        if isinstance(message, websocket_frames.Ping):
            if self.on_ping is not None:
                self.on_ping(message.payload)
        elif isinstance(message, websocket_frames.Binary):
            raise BinaryMessage(message.size)
        elif isinstance(message, websocket_frames.TooLarge):
            raise MessageTooLarge(message.size, self._max_message_bytes)
        elif isinstance(message, websocket_frames.Close):
            self.broken = message.code not in _GOING_AWAY
            self._part(1000 if message.code == websocket_frames.NO_STATUS else message.code)
            raise WebSocketClosed(message.code, redact(message.reason, self._secret))

    def _part(self, code: int) -> None:
        """Say goodbye if that can be done in passing."""
        if self._guard is None or self._poisoned or not self._door.acquire(blocking=False):
            return
        self._poisoned = self._parting = True
        try:
            self._guard.send_all(
                websocket_frames.frame(
                    websocket_frames.CLOSE, websocket_frames.close_payload(code), os.urandom(4)
                ),
                _PARTING,
            )
            self._said_goodbye = True
        except SendFailed:
            pass  # the connection is over either way
        finally:
            self._door.release()

    def _mask_keys(self, count: int) -> bytes:
        """Return 4 unpredictable bytes for each of ``count`` frames; one system call serves hundreds."""
        begin, end = self._mask_at, self._mask_at + count * websocket_frames.MASK_BYTES
        if end > len(self._masks):
            begin, end = 0, end - begin
            self._masks = os.urandom(max(end, _MASK_POOL))
        self._mask_at = end
        return self._masks[begin:end]
