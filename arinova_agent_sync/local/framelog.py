"""Every frame between the server and its agents, in order. Thread-safe: it has a lock of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Direction = Literal["in", "out"]
Kind = Literal["text", "binary", "ping", "pong", "close"]
Content = Mapping[str, Any] | str | bytes


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
        most: how many frames to keep.
        most_bytes: how many bytes they may have had on the wire, all together.
    """

    def __init__(self, most: int, most_bytes: int = 64 * 1024 * 1024) -> None:
        self._lock = threading.Lock()
        self._grown = threading.Condition(self._lock)
        self._records: deque[tuple[FrameRecord, int]] = deque()
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._count = 0
        self._closed = False
        self._listeners: tuple[Callable[[], None], ...] = ()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call a function after every frame that is kept, under the lock: it may only note what it hears."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

    def add(
        self,
        direction: Direction,
        connection: int,
        agent_id: str | None,
        kind: Kind,
        frame: Content,
        size: int,
    ) -> None:
        """Keep a frame of so many bytes, and drop the oldest if there is no room."""
        with self._lock:
            self._count += 1
            record = FrameRecord(self._count, time.monotonic(), direction, connection, agent_id, kind, frame)
            self._records.append((record, size))
            self._bytes += size
            while len(self._records) > self._most or (self._bytes > self._most_bytes and self._records):
                self._bytes -= self._records.popleft()[1]
            self._grown.notify_all()
            for listener in self._listeners:
                listener()

    def records(self) -> list[FrameRecord]:
        """Return what is kept, oldest first."""
        with self._lock:
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
        deadline = time.monotonic() + timeout
        seen = after.number if after is not None else 0
        with self._lock:
            while True:
                fits: FrameRecord | None = None
                for record, _ in reversed(self._records):
                    if record.number <= seen:
                        break
                    if _fits(record, type, direction, fields):
                        fits = record
                if fits is not None:
                    return fits
                seen = self._count
                left = deadline - time.monotonic()
                if self._closed:
                    raise RuntimeError(f"the server stopped before there was a frame {_named(type, fields)}")
                if left <= 0:
                    raise TimeoutError(f"no frame {_named(type, fields)} within {timeout:g} s")
                self._grown.wait(left)

    def clear(self) -> None:
        """Drop what is kept; numbers go on."""
        with self._lock:
            self._records.clear()
            self._bytes = 0

    def open(self) -> None:
        """Let waiters wait."""
        with self._lock:
            self._closed = False

    def close(self) -> None:
        """Wake everyone who waits: nothing more will come."""
        with self._lock:
            self._closed = True
            self._grown.notify_all()


def _fits(
    record: FrameRecord, type: str | None, direction: Direction | None, fields: Mapping[str, object]
) -> bool:
    if (direction is not None and record.direction != direction) or (
        type is not None and record.type != type
    ):
        return False
    frame = record.frame if isinstance(record.frame, Mapping) else {}
    return all(name in frame and frame[name] == value for name, value in fields.items())


def _named(type: str | None, fields: Mapping[str, object]) -> str:
    return (
        " ".join([type or "", *(f"{name}={value!r}" for name, value in fields.items())]).strip() or "at all"
    )
