"""Every frame between the server and its agents, in order. Thread-safe, under the hub's lock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal

from .threads import Waiting

Direction = Literal["in", "out"]
Kind = Literal["text", "binary", "ping", "pong", "close"]
Content = Mapping[str, Any] | str | bytes
FRAMES = object()  # rings when a frame went in or out


@dataclass(frozen=True)
class FrameRecord:
    """Show one frame.

    Attributes:
        number: its place among all frames of this server, from 1.
        time: monotonic seconds.
        direction: "in" from an agent, "out" to one.
        connection: the number of its connection, from 1.
        agent_id: whom the connection had authenticated as, None before.
        kind: "text" for all frames of the protocol; "binary" and control frames are not used by it.
        frame: the JSON object; a text that is none is a str, a binary or control frame is bytes.
    """

    number: int
    time: float
    direction: Direction
    connection: int
    agent_id: str | None
    kind: Kind
    frame: Content

    @property
    def type(self) -> str | None:
        """The frame's type, None for a text without one, and "websocket.close" and the like for other kinds."""
        if self.kind != "text":
            return f"websocket.{self.kind}"
        type_ = self.frame.get("type") if isinstance(self.frame, Mapping) else None
        return type_ if isinstance(type_, str) else None

    def __getitem__(self, name: str) -> Any:
        """Return a field of the JSON object; raise KeyError if it has none."""
        if not isinstance(self.frame, Mapping):
            raise KeyError(name)
        return self.frame[name]


class FrameLog:
    """Keep the newest frames.

    Args:
        waiting: wakes those who wait for one.
        most: how many frames to keep.
        most_bytes: how many bytes they may have had on the wire, all together.
    """

    def __init__(self, waiting: Waiting, most: int, most_bytes: int = 64 * 1024 * 1024) -> None:
        self._waiting = waiting
        self._records: deque[tuple[FrameRecord, int]] = deque()
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._count = 0

    def add(
        self, way: Direction, connection: int, agent_id: str | None, kind: Kind, frame: Content, size: int
    ) -> None:
        """Keep a frame of so many bytes, and drop the oldest if there is no room."""
        with self._waiting.lock:
            self._count += 1
            record = FrameRecord(self._count, time.monotonic(), way, connection, agent_id, kind, frame)
            self._records.append((record, size))
            self._bytes += size
            while len(self._records) > self._most or (self._bytes > self._most_bytes and self._records):
                self._bytes -= self._records.popleft()[1]
            self._waiting.ring(FRAMES)

    def records(self) -> list[FrameRecord]:
        """Return what is kept, oldest first."""
        with self._waiting.lock:
            return [record for record, _ in self._records]

    def wait(
        self,
        type: str | None,
        timeout: float,
        direction: Direction | None,
        after: FrameRecord | None,
        fields: Mapping[str, object],
    ) -> FrameRecord:
        """Return the first frame that fits; wait for it if there is none yet.

        Raises TimeoutError if the time is up, RuntimeError if the server stopped meanwhile.
        """
        seen = after.number if after is not None else 0

        def look() -> FrameRecord | None:
            nonlocal seen
            fresh = takewhile(lambda each: each[0].number > seen, reversed(self._records))
            fits = [record for record, _ in fresh if _fits(record, type, direction, fields)]
            seen = self._count
            return fits[-1] if fits else None

        named = " ".join([type or "", *(f"{name}={value!r}" for name, value in fields.items())]).strip()
        return self._waiting.wait(FRAMES, look, timeout, lambda: f"no frame {named or 'at all'}")

    def clear(self) -> None:
        """Drop what is kept; numbers go on."""
        with self._waiting.lock:
            self._records.clear()
            self._bytes = 0


def _fits(
    record: FrameRecord, type: str | None, direction: Direction | None, fields: Mapping[str, object]
) -> bool:
    frame = record.frame if isinstance(record.frame, Mapping) else {}
    named = direction in (None, record.direction) and type in (None, record.type)
    return named and all(name in frame and frame[name] == value for name, value in fields.items())
