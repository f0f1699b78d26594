"""One connection of an agent: its authentication and its traffic. Belongs to the event loop's thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Literal, cast

from websockets.frames import Opcode

from .agent_frames import parsed
from .faults import JSON_GARBAGE, Injection
from .framelog import Content, Direction, Kind
from .hub import Hub
from .records import AgentAccount, Deliver, Frame
from .roster import AUTH_TIMEOUT, INVALID_TOKEN
from .wire import Wire

_NOT_UTF8 = b'{"type": "pong", "text": "\xff\xfe"}'
_HALF_A_FRAME = b"\x81\x7e\x01\x00" + b'{"type": "task"'  # announces 256 bytes
_MASKED = b"\x81\x82\x00\x00\x00\x00{}"
_RESERVED = b"\xf1\x02{}"


class AgentSocket:
    """Authenticate one connection and carry frames between it and the chat.

    Args:
        hub: what all connections share.

    Attributes:
        number: tells the connections apart, from 1.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.number = hub.entered(self)
        self.wire = Wire(self, hub.chat.rules.max_frame_bytes, hub.chat.rules.max_message_bytes)
        self.account: AgentAccount | None = None  # set from the registration on, which comes before auth_ok
        self._state: Literal["waiting", "checking", "open", "over"] = "waiting"
        self._timer: asyncio.TimerHandle | None = None
        self._late: asyncio.TimerHandle | None = None
        self._early: list[Callable[[], None]] = []  # what came before auth_ok, for afterwards

    @property
    def agent_id(self) -> str | None:
        """Whose connection this is, as far as it is known."""
        return self.account.agent_id if self.account is not None else None

    # What the wire tells

    def opened(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._hub.chat.rules.auth_timeout, self._too_late)

    def text(self, data: bytes) -> None:
        if self._state == "checking":
            self._early.append(lambda: self.text(data))
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._record("in", data, len(data))
            self.wire.drop()
            return
        frame = parsed(text)
        self._record("in", text if frame is None else frame, len(data))
        if frame is None:
            return
        if self._state == "waiting":
            self._greet(frame)
        elif self._state == "open" and self.account is not None:
            if frame.get("type") == "ping" and not self._answers_pings():
                return
            with self._hub.turn():
                self._hub.incoming.receive(self, self.account, frame)

    def other(self, opcode: Opcode, data: bytes) -> None:
        if self._state == "checking":
            self._early.append(lambda: self.other(opcode, data))
            return
        self._record("in", data, len(data), cast(Kind, opcode.name.lower()))
        if self._state == "waiting":
            # The authentication loop of the March 2026 server takes text only; anything else ends it.
            self._state = "over"
            self.wire.drop()
        elif opcode is Opcode.PING and self._answers_pings():
            self.wire.send_pong(data)
        elif opcode is Opcode.CLOSE:
            self.wire.hang_up()

    def lost(self) -> None:
        self._state = "over"
        for timer in (self._timer, self._late):
            if timer is not None:
                timer.cancel()
        self._hub.gone(self)

    # What the hub asks

    def deliver(self, frame: Content) -> None:
        """Send a frame; a text goes as it is, bytes as a binary message."""
        if isinstance(frame, bytes):
            self._record("out", frame, len(frame), "binary")
            self.wire.send_binary(frame)
            return
        text = frame if isinstance(frame, str) else json.dumps(frame, ensure_ascii=False)
        data = text.encode("utf-8", "replace")
        self._record("out", frame, len(data))
        self.wire.send_text(data)

    def suffer(self, injection: Injection) -> None:
        """Let a fault strike now."""
        given = injection.parameters
        match injection.name:
            case "drop":
                if given["mid_frame"]:
                    self.wire.send_bytes(_HALF_A_FRAME)
                self.wire.drop()
            case "close":
                self.wire.send_close(given["code"], given["reason"])
                self.wire.hang_up()
            case "oversize":
                head, tail = b'{"type": "oversize", "padding": "', b'"}'
                padding = b"x" * (given["size"] - len(head) - len(tail))
                self.wire.send_text(head + padding + tail, given["fragments"])
            case "half-open":
                self.wire.freeze()
            case "slow-reads":
                self.wire.pace(given["bytes_per_second"])
            case "garbage":
                self._litter(given["kind"])

    def settle(self) -> None:
        """Come under the faults that are on, before anything of this connection is read."""
        self._slow_down()
        frozen = self._hub.board.find("half-open", None)
        if frozen is not None and frozen.parameters["new"]:
            self.wire.freeze()

    def ease(self) -> None:
        """Go on as far as the faults that are still on allow."""
        if self._hub.board.find("half-open", self.agent_id) is None:
            self.wire.thaw()
        self._slow_down()

    def drop(self) -> None:
        """End TCP at once."""
        self.wire.drop()

    # Authentication

    def _greet(self, frame: Frame) -> None:
        if frame.get("type") == "ping" and self._answers_pings():
            self.deliver({"type": "pong"})
        elif frame.get("type") == "agent_auth":
            self._authenticate(frame)

    def _authenticate(self, frame: Frame) -> None:
        with self._hub.turn() as chat:
            account = chat.roster.find(frame.get("botToken"))
            refusal = self._hub.board.use("refuse-auth", account.agent_id if account else None)
            if refusal is not None:
                self._refuse(_refusal(**refusal.parameters))
            elif account is not None:
                self._let_in(account, frame.get("skills"))
            elif claim := chat.roster.redeem(frame.get("botToken")):
                self._refuse(claim)
            else:
                self._refuse({"type": "auth_error", "error": INVALID_TOKEN})

    def _let_in(self, account: AgentAccount, skills: object) -> None:
        # Registered first, welcomed last: what users say in between overtakes auth_ok.
        self.account = account
        self._state = "checking"
        self._hub.chat.connect(self, account, skills)
        self._hub.waiting.ring(account.agent_id)
        self._slow_down()
        if (early := self._hub.board.use("early-task", account.agent_id)) is not None:
            self._hub.ask_early(account, early)
        late = self._hub.board.use("late-auth", account.agent_id)
        if late is None:
            self._welcome()
        else:
            self._late = asyncio.get_running_loop().call_later(late.parameters["seconds"], self._welcome)

    def _welcome(self) -> None:
        if self.account is None or self._timer is None:
            return
        self._timer.cancel()
        self._state = "open"
        with self._hub.turn() as chat:
            chat.want(Deliver(self, chat.roster.auth_ok(self.account, chat.rules.august)))
        for tell in self._early:
            tell()
        self._early.clear()

    def _refuse(self, frame: Mapping[str, object]) -> None:
        # One attempt per socket, and no Close frame after it.
        self._state = "over"
        self.deliver(frame)
        self.wire.hang_up()

    def _too_late(self) -> None:
        if self._late is not None:
            self._late.cancel()
        self._refuse({"type": "auth_error", "error": AUTH_TIMEOUT})

    # Inside

    def _answers_pings(self) -> bool:
        return self._hub.board.find("no-pongs", self.agent_id) is None

    def _slow_down(self) -> None:
        slow = self._hub.board.find("slow-reads", self.agent_id)
        self.wire.pace(slow.parameters["bytes_per_second"] if slow else None)

    def _litter(self, kind: str) -> None:
        if kind == "json":
            for text in JSON_GARBAGE:
                self.deliver(text)
        elif kind == "binary":
            self.deliver(b"\x00\x01\xfe\xff")
        elif kind == "utf8":
            self._record("out", _NOT_UTF8, len(_NOT_UTF8))
            self.wire.send_text(_NOT_UTF8)
        else:
            self.wire.send_bytes(_MASKED if kind == "masked" else _RESERVED)

    def _record(self, direction: Direction, frame: Content, size: int, kind: Kind = "text") -> None:
        self._hub.log.add(direction, self.number, self.agent_id, kind, frame, size)


def _refusal(error: str, code: str | None, retryable: bool | None, nested: bool, **_: object) -> Frame:
    # Nested, text and code are in an object, as in August 2026.
    frame: Frame = {"type": "auth_error", "error": {"message": error, "code": code} if nested else error}
    if code is not None and not nested:
        frame["code"] = code
    if retryable is not None:
        frame["retryable"] = retryable
    return frame
