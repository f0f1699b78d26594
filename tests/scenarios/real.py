"""The scenarios' driver for any server: agents over the network, the user over the WebSocket ``/ws``.

What the environment has to tell is in docs/testing.md. The fields of ``send_message`` are those that the web
client of March 2026 sends, as far as is known.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import websocket

from .chat import Event

_GUARD = 5.2  # seconds in which the server takes a text that is said again for the same message
_PER_MINUTE = 10  # messages that the server takes of one user in a clock minute
_PING = 15.0  # seconds; the server ends a user's socket after 45 without a frame


class Pace:
    """Wait as long as a server wants it, over all scenarios. For one thread at a time.

    Args:
        per_minute: messages that the server takes of one user in a minute, 0 for any number.
        guard: seconds until the server takes a text that is said again as another message.
    """

    def __init__(self, per_minute: int = _PER_MINUTE, guard: float = _GUARD) -> None:
        self._per_minute = per_minute
        self._guard = guard
        self._said: dict[tuple[str, str], float] = {}
        self._minute: list[float] = []
        self._heard: dict[str, float] = {}

    def before(self, conversation_id: str, text: str, hurry: bool) -> None:
        """Wait until a text may be said."""
        key, now = (conversation_id, text), time.monotonic()
        if not hurry and (left := self._said.get(key, -self._guard) + self._guard - now) > 0:
            time.sleep(left)
        self._minute = [moment for moment in self._minute if now - moment < 60]
        if 0 < self._per_minute <= len(self._minute):
            time.sleep(self._minute[0] + 61 - now)
        self._said[key] = time.monotonic()
        self._minute.append(self._said[key])

    def heard(self, conversation_id: str) -> None:
        """Note that something happened in a conversation."""
        self._heard[conversation_id] = time.monotonic()

    def rest(self, conversation_id: str) -> None:
        """Wait until nothing that was dispatched in a conversation counts as said any more."""
        time.sleep(max(0.0, self._heard.get(conversation_id, -self._guard) + self._guard - time.monotonic()))


@dataclass(frozen=True)
class RealServer:
    """Where the scenarios run, and as whom.

    Attributes:
        url: the server's.
        tokens: the bot tokens of its agents, the first one's first.
        names: their names.
        session: the Cookie header of their owner.
        conversation: the id of a conversation of the owner with the first agent.
        group: the id of a group of the first two agents in which both listen as by default; "" for none.
        pace: how fast they may go.
    """

    url: str
    tokens: Sequence[str]
    names: Sequence[str]
    session: str
    conversation: str
    group: str = ""
    pace: Pace = field(default_factory=Pace, compare=False)

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> RealServer | None:
        """Return what the environment says, None if it names no server; raise ValueError if half is missing."""
        found = {
            name: environment.get(f"ARINOVA_REAL_{name}", "")
            for name in (
                "URL",
                "TOKEN",
                "TOKEN_2",
                "NAME",
                "NAME_2",
                "SESSION",
                "CONVERSATION",
                "GROUP",
                "PER_MINUTE",
            )
        }
        if not found["URL"]:
            return None
        missing = [name for name in ("TOKEN", "NAME", "SESSION", "CONVERSATION") if not found[name]]
        if missing:
            raise ValueError(f"ARINOVA_REAL_URL is set, and ARINOVA_REAL_{missing[0]} is not")
        return cls(
            found["URL"].rstrip("/"),
            [found["TOKEN"], *filter(None, [found["TOKEN_2"]])],
            [found["NAME"], *filter(None, [found["NAME_2"]])],
            found["SESSION"],
            found["CONVERSATION"],
            found["GROUP"],
            Pace(int(found["PER_MINUTE"] or _PER_MINUTE)),
        )


class RealUser:
    """The owner, over a WebSocket."""

    def __init__(self, server: RealServer) -> None:
        self._pace = server.pace
        self._socket = websocket.create_connection(
            server.url.replace("http", "ws", 1) + "/ws", timeout=15, cookie=server.session
        )
        self._socket.settimeout(_PING)
        self._events: dict[str, list[Event]] = {}
        self._came = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._read, name="scenario-user", daemon=True)
        self._thread.start()

    def send(
        self,
        conversation_id: str,
        text: str,
        *,
        reply_to: str | None = None,
        mentions: Sequence[str] = (),
        hurry: bool = False,
    ) -> None:
        self._pace.before(conversation_id, text, hurry)
        frame: dict[str, Any] = {"type": "send_message", "conversationId": conversation_id, "content": text}
        if reply_to is not None:
            frame["replyToId"] = reply_to
        if mentions:
            frame["mentions"] = list(mentions)
        self._socket.send(json.dumps(frame))

    def cancel(self, conversation_id: str, message_id: str) -> None:
        frame = {"type": "cancel_stream", "conversationId": conversation_id, "messageId": message_id}
        self._socket.send(json.dumps(frame))

    def cancel_queued(self, conversation_id: str, message_id: str) -> None:
        frame = {"type": "cancel_queued", "conversationId": conversation_id, "messageId": message_id}
        self._socket.send(json.dumps(frame))

    def count(self, conversation_id: str) -> int:
        with self._came:
            return len(self._events.get(conversation_id, ()))

    def find(
        self, conversation_id: str, fits: Callable[[Event], bool], after: int, timeout: float
    ) -> tuple[int, Event]:
        deadline = time.monotonic() + timeout
        with self._came:
            while True:
                events = self._events.setdefault(conversation_id, [])
                for number, event in enumerate(events[after:], after + 1):
                    if fits(event):
                        return number, event
                after = len(events)
                if not self._came.wait(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"no such event; the last were {events[-5:]}")

    def close(self) -> None:
        self._over = True
        self._socket.sock.shutdown(socket.SHUT_RDWR)  # wakes the reader, which closing does not
        self._thread.join(5)
        self._socket.shutdown()

    def _read(self) -> None:
        while not self._over:
            try:
                event = json.loads(self._socket.recv())
            except websocket.WebSocketTimeoutException:
                self._socket.send('{"type": "ping"}')
                continue
            except (OSError, ValueError, websocket.WebSocketException):
                return
            self._pace.heard(str(event.get("conversationId")))
            with self._came:
                self._events.setdefault(str(event.get("conversationId")), []).append(event)
                self._came.notify_all()


class RealDriver:
    """A server that was there before; the scenarios share its conversations."""

    def __init__(self, server: RealServer) -> None:
        self._server = server
        self.url = server.url
        self.user: Any = RealUser(server)

    def token(self, number: int) -> str:
        if number >= len(self._server.tokens):
            pytest.skip("needs another agent: ARINOVA_REAL_TOKEN_2")
        return self._server.tokens[number]

    def name(self, number: int) -> str:
        return self._server.names[number]

    def conversation(self) -> str:
        return self._server.conversation

    def group(self, modes: Sequence[str | None]) -> str:
        if not self._server.group or set(modes) != {None} or len(modes) != 2:
            pytest.skip("needs a group of two agents that listen as by default: ARINOVA_REAL_GROUP")
        # The empty texts of follow-ups are guarded like others.
        self._server.pace.rest(self._server.group)
        return self._server.group

    def special(self, what: str) -> Any:
        pytest.skip(f"needs {what}, which only the embedded server has")

    def close(self) -> None:
        self.user.close()
