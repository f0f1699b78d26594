"""Which message the agent was asked last in each conversation. Not thread-safe: the reader owns it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..protocol.session import TaskArrived
from ..task import Task
from ..trigger import GROUPS, find_trigger, is_inside

_MOST = 10_000  # conversations, of which the longest unheard is forgotten


class LastAsked:
    """Note of each task when the message was written that it is about.

    Messages outside of groups are dispatched in their order. Where several have one text, that tells which of them
    the next task is about, whether the earlier ones were answered, dismissed or left the history.

    Attributes:
        written: by conversation, when the message was written, as the server put it.
    """

    def __init__(self) -> None:
        self.written: dict[str, str] = {}

    def note(self, arrived: TaskArrived, task_of: Callable[[TaskArrived], Task]) -> None:
        """Note a task's message, if its history holds it, and with the task what was noted before.

        Args:
            arrived: the task.
            task_of: makes what a handler gets of it; called where a look at the last row is not enough.
        """
        conversation_id, payload = arrived.conversation_id, arrived.payload
        if conversation_id is None:
            return
        arrived.asked_before = self.written.get(conversation_id)
        history = payload.get("history")
        if not isinstance(history, list) or not history or payload.get("conversationType") in GROUPS:
            return
        last = history[-1]
        if _is_plain(payload.get("content"), last, history):
            created_at = last.get("createdAt")
        else:
            task = task_of(arrived)
            asked = task._asked
            place = find_trigger(asked, task._context.agent_name)
            created_at = None if place is None else asked.history[place].created_at
        if not isinstance(created_at, str):
            return
        self.written.pop(conversation_id, None)
        self.written[conversation_id] = created_at
        if len(self.written) > _MOST:
            del self.written[next(iter(self.written))]


def _is_plain(content: object, last: object, history: Sequence[object]) -> bool:
    """Tell at little cost whether a task is about its history's last row, as those are that did not wait."""
    if not isinstance(last, dict) or last.get("role") != "user":
        return False
    typed, same = last.get("content"), 0
    for row in history:
        if isinstance(row, dict) and row.get("content") == typed:
            same += 1
    if same > 1 or not isinstance(typed, str) or not isinstance(content, str):
        return False
    return typed == content or is_inside(typed, content)
