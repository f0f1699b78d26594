"""What happened to an agent so far, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..executors.protocol import ExecutorStats
from ..measures import counter, documented, gauge


@dataclass(frozen=True)
class Stats:
    """A moment's counters and gauges; see ``ArinovaAgent.stats``.

    Attributes:
        life: "new", "running", "draining", "stopped" or "failed".
        link: "down", "standby", "connecting", "authenticating" or "online".
        {numbers}
        executors: what each executor of the agent has done and does, if handlers run elsewhere than on threads.
    """

    life: str
    link: str
    connections: int = field(
        default=0, metadata=counter("authenticated connections; above 1 the agent has reconnected")
    )
    attempts_failed: int = field(
        default=0, metadata=counter("attempts to connect that failed, refused tokens among them")
    )
    tasks_received: int = field(default=0, metadata=counter("tasks that were started or queued"))
    tasks_completed: int = field(default=0, metadata=counter("tasks that were answered, or dismissed"))
    tasks_failed: int = field(default=0, metadata=counter("tasks that ended with an error"))
    tasks_cancelled: int = field(
        default=0, metadata=counter("tasks that were stopped by the user or by the server")
    )
    tasks_refused: int = field(
        default=0, metadata=counter("malformed tasks, and those above max_queued_tasks or during the stop")
    )
    tasks_ignored: int = field(default=0, metadata=counter("tasks that came again, and were known already"))
    chunks_sent: int = field(default=0, metadata=counter("pieces of answers that were handed to the kernel"))
    frames_sent: int = field(
        default=0, metadata=counter("messages of all kinds that were handed to the kernel")
    )
    bytes_sent: int = field(default=0, metadata=counter("bytes of them, with their framing"))
    frames_received: int = field(default=0, metadata=counter("text messages of the server"))
    frames_ignored: int = field(default=0, metadata=counter("text messages of the server of an unknown type"))
    messages_dropped: int = field(
        default=0,
        metadata=counter(
            "messages of the server that were dropped: no JSON object, binary, not UTF-8, too large"
        ),
    )
    frames_dropped: int = field(
        default=0,
        metadata=counter(
            "frames and runs of text that were lost for want of a connection, or broke one after another"
        ),
    )
    undelivered: int = field(
        default=0,
        metadata=counter(
            "ends of tasks and messages that did not arrive, or of which nobody knows; see on_undelivered"
        ),
    )
    callbacks_failed: int = field(default=0, metadata=counter("lifecycle callbacks that raised"))
    callbacks_dropped: int = field(
        default=0,
        metadata=counter("lifecycle events that were dropped because a callback blocked and too many waited"),
    )
    running: int = field(default=0, metadata=gauge("tasks whose handlers run"))
    queued: int = field(default=0, metadata=gauge("tasks that wait"))
    detached: int = field(
        default=0, metadata=gauge("tasks that were detached and have not ended, whose handlers have")
    )
    leftovers: int = field(default=0, metadata=gauge("handlers of ended tasks that go on"))
    buffered_bytes: int = field(default=0, metadata=gauge("bytes that wait to be written"))
    threads: int = field(default=0, metadata=gauge("threads of the agent that are alive"))
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


Stats.__doc__ = documented(Stats.__doc__, Stats)


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
