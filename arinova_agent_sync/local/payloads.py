"""How a task looks on the wire: pure functions of the server's records."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from .records import Conversation, Frame, Message, Task

_QUOTE_BYTES = 500  # of the message that is answered; the March 2026 server cuts it there


def task_frame(
    task: Task, content: str, *, history_limit: int, skills: Sequence[Mapping[str, Any]], august: bool
) -> Frame:
    """Return the frame that gives a task to its agent, with the text as that is to read it.

    The history's last messages are told, the triggering one included, and with ``august`` the keys of August 2026.
    """
    prompt = task.prompt
    frame: Frame = {"type": "task", "taskId": task.id}
    conversation = task.conversation
    if conversation is not None:
        frame["conversationId"] = conversation.id
        frame["content"] = content
        frame["conversationType"] = conversation.type
        frame.update(_sender(task, conversation))
        if conversation.is_group:
            frame["members"] = [
                {"agentId": agent.agent_id, "agentName": agent.name} for agent in conversation.agents
            ]
        if prompt.reply_to is not None:
            frame["replyTo"] = dict(prompt.reply_to)
        frame["history"] = history(conversation, history_limit, august)
        if attachments := _latest_attachments(conversation):
            frame["attachments"] = attachments
        if skills:
            frame["availableSkills"] = [dict(skill) for skill in skills]
        if august:
            frame["userMessageId"] = prompt.message.id if prompt.message else task.id
            if prompt.agent is not None:
                frame["senderAgentId"] = prompt.agent.agent_id
                frame["senderAgentName"] = prompt.agent.name
    frame.update(prompt.extra)
    return frame


def history(conversation: Conversation, limit: int, august: bool = False) -> list[Frame]:
    """Return the last settled messages, oldest first; error texts are among them, as on the real server."""
    settled = (row for row in reversed(conversation.rows.values()) if row.status != "streaming")
    return [_past(row, august) for row in islice(settled, limit)][::-1]


def quote(row: Message) -> Frame:
    """Return a message as a task's replyTo."""
    return {
        "role": row.role,
        "content": shortened(row.content),
        "senderAgentName": row.sender_name if row.sender_agent_id else None,
    }


def shortened(text: str) -> str:
    """Return a text cut to 500 bytes, without half a character at its end."""
    return text.encode("utf-8", "replace")[:_QUOTE_BYTES].decode("utf-8", "ignore")


def written(moment: datetime) -> str:
    """Return a time as the March 2026 server writes it into a history: no T and no zone."""
    return moment.strftime("%Y-%m-%d %H:%M:%S") + (f".{moment.microsecond:06d}" if moment.microsecond else "")


def _past(row: Message, august: bool) -> Frame:
    item: Frame = {"role": row.role, "content": row.content, "createdAt": written(row.created_at)}
    if row.sender_agent_id:
        item["senderAgentName"] = row.sender_name
    elif august:
        item["senderUsername"] = row.sender_name
    return item


def _sender(task: Task, conversation: Conversation) -> Frame:
    human = task.prompt.human
    if conversation.type == "community":
        # Members of a community are not told to agents; the same person keeps the same pseudonym.
        digest = hashlib.sha256(f"{conversation.id}:{human.user_id}".encode()).hexdigest()
        return {"senderUserId": f"anon-{digest[:16]}", "senderUsername": None}
    return {"senderUserId": human.user_id, "senderUsername": human.username}


def _latest_attachments(conversation: Conversation) -> list[Frame]:
    # Those of the latest user message, which need not be the message that is being answered.
    for row in reversed(conversation.rows.values()):
        if row.role == "user":
            return [dict(attachment) for attachment in row.attachments]
    return []
