"""One WebSocket of an agent, from bytes to messages and back. Belongs to the event loop's thread.

It stands on the sans-I/O protocol of websockets and not on ASGI, which hides what the March 2026 server's
manners and the faults are made of: control frames, the moment of reading, broken frames, a TCP end without a
Close frame.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Protocol, cast

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

_SMALL_BUFFER = 4_096  # bytes; a large one would swallow what a slow reader must leave with the sender
# Outside the tree of loggers: websockets logs every frame at DEBUG, tokens included.
_quiet = logging.Logger("arinova_agent_sync.local.wire", logging.CRITICAL + 1)


class Listener(Protocol):
    """What an owner of a wire is told, in the order of the bytes."""

    def opened(self) -> None:
        """The upgrade is done."""

    def text(self, data: bytes) -> None:
        """A whole text message came; nobody has checked that it is UTF-8."""

    def other(self, opcode: Opcode, data: bytes) -> None:
        """A binary message or a control frame came."""

    def lost(self) -> None:
        """TCP ended."""


class Wire(asyncio.Protocol):
    """Speak WebSocket on one TCP connection.

    Args:
        listener: who is told what comes.
        max_frame_bytes: a longer frame ends the connection.
        max_message_bytes: so does a longer message, of however many frames.
    """

    transport: asyncio.Transport

    def __init__(self, listener: Listener, max_frame_bytes: int, max_message_bytes: int) -> None:
        self._listener = listener
        self._max_frame_bytes = max_frame_bytes
        self._websocket = ServerProtocol(max_size=max_message_bytes, logger=_quiet)
        self._fragments: list[bytes] = []
        self._kind = Opcode.TEXT
        self._frozen = False
        self._unread = bytearray()  # what came although the wire is frozen
        self._unsent: list[bytes] = []
        self._ending = False  # hung up while frozen
        self._rate: int | None = None  # bytes per second
        self._breather: asyncio.TimerHandle | None = None

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._frozen:
            self._unread += data
            return
        if self._rate is not None:
            loop = asyncio.get_running_loop()
            self._breather = loop.call_later(len(data) / self._rate, self._breathe)
        self._websocket.receive_data(data)
        events = self._websocket.events_received()
        # What the protocol would answer by itself is thrown away: pongs are ours to send or to keep, and the
        # March 2026 server never sends a Close frame.
        self._websocket.data_to_send()
        for event in events:
            if self.transport.is_closing():
                break
            if isinstance(event, Request):
                self._accept(event)
            elif isinstance(event, Frame):  # the rest is what only a client receives
                self._take(event)
        if self._websocket.parser_exc is not None:
            self.drop()
        self._settle_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._breather is not None:
            self._breather.cancel()
        self._listener.lost()

    # What the owner may ask

    def send_text(self, data: bytes, fragments: int = 1) -> None:
        """Send a text message; nothing happens if the connection is about to end."""
        size = max(1, -(-len(data) // fragments))
        pieces = [data[start : start + size] for start in range(0, len(data), size)] or [b""]
        self._send(self._websocket.send_text, pieces[0], len(pieces) == 1)
        for number, piece in enumerate(pieces[1:], 2):
            self._send(self._websocket.send_continuation, piece, number == len(pieces))

    def send_binary(self, data: bytes) -> None:
        """Send a binary message."""
        self._send(self._websocket.send_binary, data)

    def send_pong(self, data: bytes) -> None:
        """Answer a WebSocket ping."""
        self._send(self._websocket.send_pong, data)

    def send_close(self, code: int, reason: str) -> None:
        """Send a Close frame."""
        self._send(self._websocket.send_close, code, reason)

    def send_bytes(self, data: bytes) -> None:
        """Send bytes past the WebSocket protocol."""
        if self._frozen:
            self._unsent.append(data)
        elif not self.transport.is_closing():
            self.transport.write(data)

    def hang_up(self) -> None:
        """End TCP after what was sent has left."""
        self._ending = self._frozen
        if not self._frozen:
            self.transport.close()

    def drop(self) -> None:
        """End TCP at once."""
        self.transport.abort()

    def freeze(self) -> None:
        """Read and write nothing until ``thaw``; TCP stays open."""
        self._frozen = True
        self._settle_reading()

    def thaw(self) -> None:
        """Go on after ``freeze``, with all that waited."""
        if not self._frozen:
            return
        self._frozen = False
        unsent, self._unsent = self._unsent, []
        for data in unsent:
            self.transport.write(data)
        unread, self._unread = bytes(self._unread), bytearray()
        if self._ending:
            self.transport.close()
        else:
            self.data_received(unread)

    def pace(self, bytes_per_second: int | None) -> None:
        """Read only so fast; None stands for as fast as possible."""
        self._rate = bytes_per_second
        if bytes_per_second is not None:
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        elif self._breather is not None:
            self._breather.cancel()
            self._breathe()

    # Inside

    def _breathe(self) -> None:
        self._breather = None
        self._settle_reading()

    def _settle_reading(self) -> None:
        if self._frozen or self._breather is not None:
            self.transport.pause_reading()
        elif not self.transport.is_closing():
            self.transport.resume_reading()

    def _send(self, write: Callable[..., None], *arguments: object) -> None:
        if self._websocket.state is State.OPEN:
            write(*arguments)
            self._flush()

    def _flush(self) -> None:
        self.send_bytes(b"".join(self._websocket.data_to_send()))

    def _accept(self, request: Request) -> None:
        response = self._websocket.accept(request)
        self._websocket.send_response(response)
        self._flush()
        if self._websocket.state is State.OPEN:
            self._listener.opened()
        else:
            self.hang_up()

    def _take(self, frame: Frame) -> None:
        if len(frame.data) > self._max_frame_bytes:
            self.drop()
            return
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._listener.other(frame.opcode, bytes(frame.data))
            return
        if frame.opcode is not Opcode.CONT:
            self._kind = frame.opcode
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return
        data = b"".join(self._fragments)
        self._fragments.clear()
        if self._kind is Opcode.TEXT:
            self._listener.text(data)
        else:
            self._listener.other(Opcode.BINARY, data)
