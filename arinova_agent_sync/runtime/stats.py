"""What happened to an agent so far, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ..executors.protocol import ExecutorStats


@dataclass(frozen=True)
class Stats:
    """A moment's counters and gauges; see ``ArinovaAgent.stats``.

    Attributes:
        life: "new", "running", "draining", "stopped" or "failed".
        link: "down", "standby", "connecting", "authenticating" or "online".
        connections: authenticated connections so far; above 1 the agent has reconnected.
        tasks_received: tasks that were started or queued.
        tasks_completed, tasks_failed, tasks_cancelled: how they ended.
        tasks_refused: malformed ones, and those above max_queued_tasks or during the stop.
        tasks_ignored: tasks that were known already.
        chunks_sent, frames_sent, bytes_sent: handed to the kernel; bytes with their framing.
        attempts_failed: attempts to connect that failed, refused tokens among them.
        frames_received, frames_ignored: text messages; ignored ones are of an unknown type.
        messages_dropped: messages of the server that were dropped: no JSON object, binary, not UTF-8, too large.
        frames_dropped: frames and runs of text that were lost for want of a connection, or broke one after another.
        undelivered: ends of tasks and messages that did not arrive, or of which nobody knows; see on_undelivered.
        callbacks_failed: lifecycle callbacks that raised.
        callbacks_dropped: events that were dropped because a callback blocked and too many waited.
        running, queued: tasks whose handlers run, tasks that wait.
        detached: tasks that were detached and have not ended, whose handlers have.
        leftovers: handlers of ended tasks that go on.
        buffered_bytes: what waits to be written.
        threads: threads of the agent that are alive.
        executors: what each executor of the agent has done and does, if handlers run elsewhere than on threads.
    """

    life: str
    link: str
    connections: int = 0
    attempts_failed: int = 0
    tasks_received: int = 0
    tasks_completed: int = 0
    tasks_failed: int = 0
    tasks_cancelled: int = 0
    tasks_refused: int = 0
    tasks_ignored: int = 0
    chunks_sent: int = 0
    frames_sent: int = 0
    bytes_sent: int = 0
    frames_received: int = 0
    frames_ignored: int = 0
    messages_dropped: int = 0
    frames_dropped: int = 0
    undelivered: int = 0
    callbacks_failed: int = 0
    callbacks_dropped: int = 0
    running: int = 0
    queued: int = 0
    detached: int = 0
    leftovers: int = 0
    buffered_bytes: int = 0
    threads: int = 0
    executors: tuple[ExecutorStats, ...] = ()

    def html(self, name: str, server_url: str) -> str:
        """Return a table for a notebook, with the agent's name over it."""
        import html  # here: notebooks alone need its table of characters

        rows = "".join(
            f"<tr><td>{html.escape(key.replace('_', ' '))}</td><td>{html.escape(str(value))}</td></tr>"
            for key, value in self._shown(server_url).items()
        )
        return f"<table><caption>{html.escape(name)}</caption>{rows}</table>"

    def _shown(self, server_url: str) -> dict[str, object]:
        numbers = {key: value for key, value in vars(self).items() if key != "executors"}
        executors = {
            each.name: ", ".join(f"{key} {value}" for key, value in vars(each).items() if key != "name")
            for each in self.executors
        }
        return {"server": server_url, **numbers, **executors}


class Counters:
    """Changed under the state lock, but for those of one owner; all begin at 0."""

    def __init__(self) -> None:
        self.connections = 0
        self.attempts_failed = 0
        self.tasks_received = 0
        self.tasks_completed = 0
        self.tasks_failed = 0
        self.tasks_cancelled = 0
        self.tasks_refused = 0
        self.tasks_ignored = 0
        self.frames_ignored = 0
        self.undelivered = 0
        self.callbacks_failed = 0
        self.frames_received = 0  # the reader's, as the next
        self.messages_dropped = 0
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
