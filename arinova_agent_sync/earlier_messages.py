"""A task with more of its conversation than it brought along."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .payload import HistoryMessage, ReplyTo
from .trigger import find_trigger, said_later

if TYPE_CHECKING:
    from .api.records import Message
    from .runtime.task_context import TaskContext

_PAGE = 100  # messages that the March 2026 server gives at most
_TOLD = ("completed", "error", "cancelled")  # what the server takes into a task's history


@dataclass(frozen=True)
class AskedMessage:
    """What is to be answered, and what was said before."""

    task_id: str
    conversation_id: str | None
    content: str
    conversation_type: str | None
    history: tuple[HistoryMessage, ...]
    reply_to: ReplyTo | None
    user_message_id: str | None
    asked_before: str | None
    place: int | None = None


def with_earlier(task: AskedMessage, context: TaskContext, limit: int | None) -> AskedMessage:
    """Return a task, or with a limit above what it brought as many messages of its conversation, if it has one.

    The message that the answer becomes has the task's id. The server makes its row when it dispatches the task, so
    everything before it, and nothing else, was said by then.

    Raises ApiError if they cannot be fetched.
    """
    if limit is None or limit <= len(task.history) or task.conversation_id is None:
        return task
    found: list[Message] = []
    # One more: this task's own message is among them, and comes as the content besides.
    page = min(limit + 1, _PAGE)
    for message in context.api.messages.history(task.conversation_id, before=task.task_id, limit=page):
        if message.status is None or message.status in _TOLD:
            found.append(message)
        if len(found) > limit:
            break
    if len(found) < len(task.history):
        return task
    found.reverse()
    # The August 2026 server names the message.
    place = next((i for i, message in enumerate(found) if message.id == task.user_message_id), None)
    return replace(task, history=tuple(map(_history_message, found)), place=place)


def brings_own_files(task: AskedMessage, agent_name: str | None) -> bool:
    """Return whether a task's attachments are those of its message, and not of what a user has said since.

    The March 2026 server, which names no user_message_id, sends those of the conversation's latest user message.
    """
    if task.user_message_id is not None:
        return True
    trigger = find_trigger(task, agent_name)
    behind = task.history[said_later(task, trigger) :]
    return not any(each.role == "user" for each in (behind if trigger is None else behind[1:]))


def _history_message(message: Message) -> HistoryMessage:
    return HistoryMessage(
        message.role or "user",
        message.content,
        message.created_at,
        message.sender_agent_name,
        message.sender_username,
    )
