"""A writer without threads or sockets: a clock that stands, a link that takes everything."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import cast

from arinova_agent_sync.protocol.life import Life
from arinova_agent_sync.protocol.session import TaskArrived
from arinova_agent_sync.runtime.connection import Connection
from arinova_agent_sync.runtime.running_task import RunningTask
from arinova_agent_sync.runtime.state import State
from arinova_agent_sync.runtime.websocket import WebSocket
from arinova_agent_sync.runtime.websocket_errors import WriteFailed
from arinova_agent_sync.runtime.writer import Writer
from arinova_agent_sync.settings import check


class FakeLink:
    """Takes frames, until it is aborted."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.aborted = False
        self.broken = False
        self.meanwhile: Callable[[], object] = lambda: None  # called in each write

    def send_texts(self, payloads: list[bytes]) -> int:
        assert not self.aborted
        self.meanwhile()
        for payload in payloads:
            frame = json.loads(payload)
            self.said.append(frame.get("chunk") or frame["type"])
        return 1

    def send_text(self, payload: bytes) -> int:
        return self.send_texts([payload])

    def send_control(self, opcode: int, payload: bytes = b"") -> None:
        assert not self.aborted
        self.said.append(f"{opcode}: {payload.decode()}")

    def send_close(self, code: int) -> None:
        if self.aborted:
            raise WriteFailed("it was aborted")
        self.said.append(f"close {code}")

    def abort(self) -> None:
        self.aborted = True


def arrived(task_id: str, conversation_id: str | None) -> TaskArrived:
    """Return a task as it comes on the first connection."""
    return TaskArrived(task_id, {}, 0, conversation_id, 1)


class Bench:
    """A writer with a connection, and a task that has said something."""

    def __init__(self) -> None:
        settings = check({"server_url": "http://localhost:1", "bot_token": "ari_x"})
        self.now = 1000.0
        self.state = State(settings, clock=lambda: self.now)
        self.state.life = Life.RUNNING
        self.writer = Writer(self.state, report_losses=lambda: None)
        self.links: list[FakeLink] = []
        self.task = RunningTask(arrived("t1", "c1"))
        self.connect()
        assert self.writer.chunk(self.task, "one ")

    def connect(self) -> None:
        link = FakeLink()
        self.links.append(link)
        with self.state.lock:
            self.state.connection = Connection(len(self.links), cast(WebSocket, link), patience=60.0)
            self.state.link = cast(WebSocket, link)
            self.state.outbox.go_online()

    def break_next(self, sent: int = 0) -> None:
        """Have the next write fail once so many bytes have left."""
        link = self.links[-1]

        def fail() -> None:
            link.broken = True
            raise WriteFailed("broken", sent)

        link.meanwhile = fail

    @property
    def said(self) -> list[str]:
        return [text for link in self.links for text in link.said]
