"""When what became of tasks, and how fast their agent is. Pure: the caller holds the hub's lock."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..local.records import Task

Json = dict[str, Any]

TITLE = 60  # characters
SNIPPET = 90


def pace_of(tasks: Sequence[Task]) -> Json:
    """Return the pace of an agent with these tasks, oldest first; the time to a first chunk in milliseconds."""
    waits = [task.first_chunk_at - task.sent_at for task in tasks if task.first_chunk_at is not None]
    return {
        "at": round(time.monotonic() * 1000),
        "chunks": sum(len(task.streamed.pieces) for task in tasks),
        "running": sum(task.status == "streaming" for task in tasks),
        "waiting": sum(task.status == "pending" for task in tasks),
        "first": round(waits[-1] * 1000, 1) if waits else None,
    }


def times_of(task: Task, began: float) -> Json:
    """Return when what became of a task, in milliseconds; all but the first since it was sent."""

    def after(moment: float | None) -> float | None:
        return None if moment is None else round((moment - task.sent_at) * 1000, 1)

    return {
        "id": task.id,
        "agent": task.agent.name,
        "conversation": task.conversation.id if task.conversation is not None else None,
        "text": line_of(task.prompt.content, TITLE),
        "error": line_of(task.error or "", SNIPPET),
        "status": task.status,
        "sent": round((task.sent_at - began) * 1000, 1),
        "started": after(task.dispatched_at),
        "first": after(task.first_chunk_at),
        "done": after(task.done_at),
        "age": None if task.done_at else after(time.monotonic()),
        "chunks": len(task.streamed.pieces),
        "characters": task.streamed.length,
    }


def line_of(text: str, most: int) -> str:
    """Return a text as one line of so many characters at most."""
    line = " ".join(text[: most * 4].split())
    return line if len(line) <= most else line[: most - 1] + "…"
