"""What ``ArinovaAgent.stats`` returns; loaded when it is asked for: few agents need dataclasses otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stats:
    """A moment's counters and gauges; see ``ArinovaAgent.stats``.

    Attributes:
        life: "new", "running", "draining", "stopped" or "failed".
        link: "down", "connecting", "authenticating" or "online".
        connections: authenticated connections so far; above 1 the agent has reconnected.
        tasks_received: tasks that were started or queued.
        tasks_completed, tasks_failed, tasks_cancelled: how they ended.
        tasks_refused: malformed ones, and those above max_queued_tasks or during the stop.
        tasks_ignored: tasks that were known already.
        chunks_sent, frames_sent, bytes_sent: handed to the kernel; bytes with their framing.
        frames_received, frames_ignored: text messages; ignored ones are no JSON object or of an unknown type.
        frames_dropped: frames and runs of text that were lost for want of a connection.
        callbacks_failed: lifecycle callbacks that raised.
        running, queued, leftovers: tasks with a slot, tasks that wait, handlers of ended tasks that go on.
        buffered_bytes: what waits to be written.
        threads: threads of the agent that are alive.
    """

    life: str
    link: str
    connections: int = 0
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
    frames_dropped: int = 0
    callbacks_failed: int = 0
    running: int = 0
    queued: int = 0
    leftovers: int = 0
    buffered_bytes: int = 0
    threads: int = 0
