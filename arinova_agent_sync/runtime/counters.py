"""What happened to an agent so far, in numbers."""

from __future__ import annotations


class Counters:
    """Changed under the state lock, but for those of one owner; all begin at 0."""

    def __init__(self) -> None:
        self.connections = 0
        self.tasks_received = 0
        self.tasks_completed = 0
        self.tasks_failed = 0
        self.tasks_cancelled = 0
        self.tasks_refused = 0
        self.tasks_ignored = 0
        self.frames_ignored = 0
        self.callbacks_failed = 0
        self.frames_received = 0  # the reader's
        self.chunks_sent = 0  # these three belong to who holds the write lock
        self.frames_sent = 0
        self.bytes_sent = 0

    def count_written(self, frames: int, chunks: int, size: int) -> None:
        """Count what was handed to the kernel."""
        self.frames_sent += frames
        self.chunks_sent += chunks
        self.bytes_sent += size

    def count_ended(self, outcome: str) -> None:
        """Count how a task ended: "completed", "failed", "cancelled" or "refused"."""
        name = f"tasks_{outcome}"
        setattr(self, name, getattr(self, name) + 1)
