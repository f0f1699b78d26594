"""What a chat has to tell: frames for agents and events for members, and the time they carry.

Not thread-safe.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from .records import Changed, Conversation, Effect, Frame, Task


class News:
    """Collect what has to be done outside, in order.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._began = clock()
        self._epoch = datetime.now(timezone.utc).replace(tzinfo=None)
        self._effects: list[Effect] = []

    def now(self) -> datetime:
        """Return the date that rows carry: UTC without a zone."""
        return self._epoch + timedelta(seconds=self.clock() - self._began)

    def want(self, effect: Effect) -> None:
        """Add something that has to be done."""
        self._effects.append(effect)

    def take(self) -> list[Effect]:
        """Return what has to be done since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    def tell(self, conversation: Conversation, event: Frame) -> None:
        """Send the members of a conversation an event."""
        event["conversationId"] = conversation.id
        conversation.events.append(event)
        self.want(Changed(conversation.id))

    def tell_of(self, task: Task, event: Frame) -> None:
        """Send the members an event about a task, if it has a conversation."""
        if task.conversation is not None:
            told = {
                **event,
                "messageId": task.id,
                "seq": task.seq,
                "senderAgentId": task.agent.agent_id,
                "senderAgentName": task.agent.name,
                "threadId": None,
            }
            self.tell(task.conversation, told)
        self.want(Changed(task.id))
