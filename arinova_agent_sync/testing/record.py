"""What has happened to one task so far, and what the server makes of it. Not thread-safe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .transcript import ActionCall, Status, Timings, Transcript

if TYPE_CHECKING:
    from .task_files import TaskFiles


class Record:
    """The texts, moments and calls of one task.

    Args:
        began: when, on the clock.
    """

    def __init__(self, began: float) -> None:
        self.began = began
        self.first_chunk: float | None = None
        self.done: float | None = None
        self.chunks: list[str] = []
        self.kept = ""  # what the server has of the streamed text
        self.status: Status | None = None
        self.content = ""
        self.error: str | None = None
        self.exception: BaseException | None = None
        self.mentions: tuple[str, ...] = ()
        self.actions: list[ActionCall] = []
        self.reports: list[Mapping[str, object]] = []

    def chunk(self, chunk: str) -> None:
        """Take a chunk as the March 2026 server does: one that begins with all of the text is the text anew."""
        self.kept = chunk if self.kept and chunk.startswith(self.kept) else self.kept + chunk

    def terminal(self, frame: Mapping[str, object], moment: float) -> None:
        """End the task as the server does: streamed text counts before content, an error before both."""
        self.done = moment
        text = str(frame.get("error" if frame["type"] == "agent_error" else "content") or "")
        if frame.get("reason") == "cancelled":
            self.status, self.content = "cancelled", self.kept
        elif frame["type"] == "agent_error":
            self.status, self.content, self.error = "error", text, text
        else:
            text = self.kept or text
            self.status, self.content = ("completed", text) if text.strip() else ("dismissed", "")
            mentions = frame.get("mentions")
            self.mentions = tuple(mentions) if isinstance(mentions, list) else ()

    def transcript(self, files: TaskFiles, warnings: tuple[str, ...]) -> Transcript:
        """Return all of it, for a task that has ended."""
        if self.status is None or self.done is None:
            raise AssertionError("the task has not ended")
        return Transcript(
            status=self.status,
            text=self.content,
            chunks=tuple(self.chunks),
            error=self.error,
            exception=self.exception,
            mentions=self.mentions,
            actions=tuple(self.actions),
            uploads=files.uploads,
            reports=tuple(self.reports),
            warnings=warnings,
            timings=Timings(
                None if self.first_chunk is None else self.first_chunk - self.began, self.done - self.began
            ),
        )
