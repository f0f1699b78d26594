"""RFC 6455 framing, values in and values out: bytes to send for a client, messages out of what a server sent.

A FrameReader belongs to one thread. Mask keys come from the caller and must be unpredictable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import iter_unpack
from typing import NamedTuple, TypeAlias

from . import websocket_mask

__all__ = [
    "CLOSE",
    "MASK_BYTES",
    "MAX_CONTROL_BYTES",
    "PING",
    "PONG",
    "TEXT",
    "Binary",
    "Close",
    "FrameReader",
    "Message",
    "Ping",
    "Pong",
    "Text",
    "TooLarge",
    "WireError",
    "close_payload",
    "frame",
    "frames",
    "text_frame",
    "whole",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MASK_BYTES = 4
MAX_CONTROL_BYTES = 125
NO_STATUS = 1005  # what an empty close frame means; never on the wire

_FIN, _RSV, _OPCODE, _CONTROL, _MASKED = 0x80, 0x70, 0x0F, 0x08, 0x80
_SHORT = 125  # longest payload whose length fits into the second byte
_SHORT_HEADS = tuple(bytes((_FIN | TEXT, _MASKED | size)) for size in range(_SHORT + 1))
_SHORT_KEYS = tuple(slice(MASK_BYTES + size) for size in range(_SHORT + 1))  # of a repeated mask key
_SHORT_GAP = bytes(2 + MASK_BYTES)  # room for head and mask key
_MEDIUM = 512  # longest payload that is worth an XOR together with others; measured
_MEDIUM_GAP = bytes(4 + MASK_BYTES)
_MEDIUM_HEADS = tuple(
    bytes((_FIN | TEXT, _MASKED | 126, *size.to_bytes(2, "big"))) for size in range(_MEDIUM + 1)
)


# To the server


def frame(opcode: int, payload: bytes, mask: bytes) -> bytes:
    """Build one whole frame.

    Args:
        opcode: TEXT, CLOSE, PING or PONG.
        payload: the frame's content, unmasked.
        mask: 4 unpredictable bytes.
    """
    return b"".join((_head(opcode, len(payload)), mask, websocket_mask.masked(payload, mask)))


def text_frame(payload: bytes, mask: bytes) -> bytes:
    """Build one whole text frame; see ``frame``."""
    size = len(payload)
    if size <= _SHORT:
        return _SHORT_HEADS[size] + mask + websocket_mask.masked(payload, mask)
    return frame(TEXT, payload, mask)


def frames(payloads: Sequence[bytes], masks: bytes) -> bytes:
    """Build text frames, one behind the other.

    Args:
        payloads: one text each, in UTF-8.
        masks: 4 unpredictable bytes for each payload.
    """
    keys = iter_unpack("4s", masks)
    in_c = websocket_mask.in_c
    if in_c is not None:
        built: list[bytes] = [
            _SHORT_HEADS[len(payload)] + mask + in_c(payload, mask)
            if len(payload) <= _SHORT
            else frame(TEXT, payload, mask)
            for payload, (mask,) in zip(payloads, keys, strict=True)
        ]
        return built[0] if len(built) == 1 else b"".join(built)
    if not payloads:
        return b""
    try:
        return _short_frames(payloads, masks)
    except IndexError:
        pass  # one of them at least is longer
    # One XOR over all that stand together but the long ones. Heads and mask keys are in the key stream,
    # against zeros.
    built = []
    plain: list[bytes] = []
    stream: list[bytes] = []
    for payload, (mask,) in zip(payloads, keys, strict=True):
        size = len(payload)
        if size <= _SHORT:
            plain.append(_SHORT_GAP + payload)
            stream.append(_SHORT_HEADS[size] + (mask * 33)[_SHORT_KEYS[size]])
        elif size <= _MEDIUM:
            plain.append(_MEDIUM_GAP + payload)
            stream.append(_MEDIUM_HEADS[size] + (mask * 129)[: MASK_BYTES + size])
        else:
            if plain:
                built.append(websocket_mask.xor(b"".join(plain), b"".join(stream)))
                plain, stream = [], []
            built.append(frame(TEXT, payload, mask))
    if plain:
        built.append(websocket_mask.xor(b"".join(plain), b"".join(stream)))
    return built[0] if len(built) == 1 else b"".join(built)


def _short_frames(payloads: Sequence[bytes], masks: bytes) -> bytes:
    """Do the same for payloads of a model's pieces; raise IndexError if one is longer."""
    stream = [
        _SHORT_HEADS[size] + (mask * 33)[_SHORT_KEYS[size]]
        for size, (mask,) in zip(map(len, payloads), iter_unpack("4s", masks), strict=True)
    ]
    return websocket_mask.xor(_SHORT_GAP + _SHORT_GAP.join(payloads), b"".join(stream))


def _head(opcode: int, size: int) -> bytes:
    if size <= _SHORT:
        return bytes((_FIN | opcode, _MASKED | size))
    if size < 1 << 16:
        return bytes((_FIN | opcode, _MASKED | 126)) + size.to_bytes(2, "big")
    return bytes((_FIN | opcode, _MASKED | 127)) + size.to_bytes(8, "big")


def whole(payloads: Sequence[bytes], sent: int) -> int:
    """Tell how many of the frames built of these payloads lie wholly within the first ``sent`` bytes."""
    for count, payload in enumerate(payloads):
        size = len(payload)
        sent -= MASK_BYTES + size + (2 if size <= _SHORT else 4 if size < 1 << 16 else 10)
        if sent < 0:
            return count
    return len(payloads)


def close_payload(code: int, reason: str = "") -> bytes:
    """Build the payload of a close frame; a reason that is too long is cut between two characters."""
    text = reason.encode("utf-8", "replace")[: MAX_CONTROL_BYTES - 2]
    return code.to_bytes(2, "big") + text.decode("utf-8", "ignore").encode()


# From the server


class Binary(NamedTuple):
    """A binary message; its content was thrown away, since the protocol above has no use for it."""

    size: int


class Ping(NamedTuple):
    """A ping, to be answered with a pong of the same payload."""

    payload: bytes


class Pong(NamedTuple):
    """A pong."""

    payload: bytes


class Close(NamedTuple):
    """The peer ends the connection; 1005 stands for no code."""

    code: int
    reason: str


class TooLarge(NamedTuple):
    """A message above the limit has passed by; nothing of it was kept."""

    size: int


Text: TypeAlias = bytes | bytearray  # a text message is its UTF-8, already checked
Message: TypeAlias = Text | Binary | Ping | Pong | Close | TooLarge


class WireError(Exception):
    """The peer broke the framing rules, and where its next frame starts is unknown.

    Attributes:
        close_code: the code to close with: 1002, 1007 or 1009.
        size: bytes of the message that was too long, as far as they were announced; None for other breaches.
    """

    def __init__(self, close_code: int, text: str, size: int | None = None) -> None:
        super().__init__(text)
        self.close_code = close_code
        self.size = size


class FrameReader:
    """Cut what a server sent into messages.

    Args:
        max_message_bytes: longest message to hand out; a longer one is counted and thrown away as it arrives.
            One that announces more than 64 times that, or 1 GiB if that is less, raises WireError 1009 at once.
        max_fragments: most frames of one message; more count as too long.
    """

    def __init__(self, max_message_bytes: int, max_fragments: int = 1024) -> None:
        self._limit = max_message_bytes
        self._drain_limit = max(max_message_bytes, min(64 * max_message_bytes, 1 << 30))
        self._max_fragments = max_fragments
        self._data = b""  # received, not yet looked at from _at on
        self._at = 0
        # The message under way.
        self._opcode = CONTINUATION  # CONTINUATION stands for none
        self._body = bytearray()
        self._kept = True
        self._size = self._fragments = 0
        # Its frame under way.
        self._missing = 0  # bytes; above 0 only when _data is used up
        self._in_frame = self._final = False

    def feed(self, data: bytes | memoryview) -> None:
        """Take bytes as they arrived. What is kept of them is copied."""
        if self._missing:
            part = data[: self._missing]
            self._missing -= len(part)
            if self._kept:
                self._body += part
            data = data[len(part) :]
        self._data = self._data[self._at :] + data
        self._at = 0

    def next(self) -> Message | None:
        """Return the next message, None if more bytes are needed.

        Raises WireError, again and again, once the peer has broken the rules.
        """
        data = self._data
        end = len(data)
        while not self._missing:
            if self._in_frame:
                self._in_frame = False
                if self._final:
                    return self._message()
            at = self._at
            if end - at < 2:
                break
            first, size = data[at], data[at + 1]
            start = at + 2
            if size > _SHORT:
                if size & _MASKED:
                    raise WireError(1002, "a frame from the server was masked")
                width = 2 if size == 126 else 8
                start += width
                if first & _CONTROL:
                    raise WireError(1002, f"a control frame was longer than {MAX_CONTROL_BYTES} bytes")
                if start > end:
                    break
                size = int.from_bytes(data[start - width : start], "big")
            stop = start + size
            if first == _FIN | TEXT and not self._opcode and stop <= end and size <= self._limit:
                self._at = stop
                text = data[start:stop]  # nearly every message takes this way
                return text if text.isascii() else _checked(text)
            if first & _RSV:
                raise WireError(1002, "a frame had reserved bits set")
            if first & _CONTROL:
                if first & _FIN == 0:
                    raise WireError(1002, "a control frame was fragmented")
                if first & _OPCODE not in _CONTROL_MESSAGES:
                    raise WireError(1002, f"a frame had the unknown opcode {first & _OPCODE}")
                if stop > end:
                    break
                self._at = stop
                return _CONTROL_MESSAGES[first & _OPCODE](data[start:stop])
            self._begin(first, size)
            if self._kept:
                self._body += data[start:stop]
            self._at = min(stop, end)
            self._missing = stop - self._at
        return None

    def _begin(self, first: int, size: int) -> None:
        """Take note of a data frame's head; nothing changes if it is refused."""
        opcode = first & _OPCODE
        if opcode > BINARY:
            raise WireError(1002, f"a frame had the unknown opcode {opcode}")
        if opcode == CONTINUATION and not self._opcode:
            raise WireError(1002, "a continuation frame continued nothing")
        if opcode != CONTINUATION and self._opcode:
            raise WireError(1002, "a message began inside another")
        total = self._size + size
        if total > self._drain_limit:
            raise WireError(1009, f"a message of at least {total} bytes was announced", total)
        if opcode:
            self._opcode = opcode
            self._kept = opcode == TEXT
        self._size += size
        self._fragments += 1
        self._in_frame, self._final = True, bool(first & _FIN)
        if self._too_large():
            self._kept = False
            self._body = bytearray()

    def _message(self) -> Message:
        opcode, body, size, too_large = self._opcode, self._body, self._size, self._too_large()
        self._opcode, self._body = CONTINUATION, bytearray()
        self._size = self._fragments = 0
        if too_large:
            return TooLarge(size)
        return _checked(body) if opcode == TEXT else Binary(size)

    def _too_large(self) -> bool:
        return self._size > self._limit or self._fragments > self._max_fragments


def _checked(text: Text) -> Text:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise WireError(1007, "a text message was not UTF-8") from error
    return text


def _close(payload: bytes) -> Close:
    if not payload:
        return Close(NO_STATUS, "")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (3000 <= code <= 4999 or code in _CLOSE_CODES):
        raise WireError(1002, "a close frame had no valid code")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError as error:
        raise WireError(1007, "the reason in a close frame was not UTF-8") from error


_CLOSE_CODES = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))
_CONTROL_MESSAGES: dict[int, Callable[[bytes], Message]] = {CLOSE: _close, PING: Ping, PONG: Pong}
