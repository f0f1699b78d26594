"""A task's payload as the server sends it, from what is convenient to write in a test."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Union

from ..argument_checks import text as check_text
from ..payload import HistoryMessage, Member, ReplyTo
from ..protocol.json_values import checked_object
from ..protocol.session import WAKEUP_KINDS

Message = Union[HistoryMessage, Mapping[str, str], tuple[str, str]]
Payload = dict[str, object]

_HISTORY_KEYS = {
    "role": "role",
    "content": "content",
    "created_at": "createdAt",
    "sender_agent_name": "senderAgentName",
    "sender_username": "senderUsername",
}
_REPLY_KEYS = {
    **{name: key for name, key in _HISTORY_KEYS.items() if name != "created_at"},
    "id": "id",
    "sender_agent_id": "senderAgentId",
}
_GROUPS = ("group", "community")
_FIRST = datetime(2026, 3, 1, 12)  # when the oldest message was written


def make_payload(
    content: str,
    *,
    history: Sequence[Message],
    members: Sequence[str | Member],
    reply_to: str | ReplyTo | Mapping[str, str] | None,
    conversation_type: str | None,
    task_kind: str | None,
    sender_username: str | None,
    agent_name: str,
    extra: Mapping[str, object] | None,
) -> Payload:
    """Return the payload of a task; raise TypeError or ValueError that names the argument which is wrong.

    The keys are those of the March 2026 server, and what it puts behind the history is there too: the message
    itself.
    """
    payload: Payload = {
        "taskId": str(uuid.uuid4()),
        "content": check_text("content", content, empty=True),
        "senderUserId": "user-1",
        "senderUsername": None if sender_username is None else check_text("sender_username", sender_username),
        "userMessageId": "message-of-this-task",
    }
    if task_kind is not None:
        if task_kind not in WAKEUP_KINDS:
            raise ValueError(f"task_kind must be one of {', '.join(map(repr, WAKEUP_KINDS))} or None")
        payload["taskKind"] = task_kind
    else:
        payload["conversationId"] = "conversation-1"
    told = _members(members, check_text("agent_name", agent_name))
    if conversation_type is not None:
        check_text("conversation_type", conversation_type)
    if task_kind is None:
        kind = payload["conversationType"] = conversation_type or ("group" if told else "h2a")
        if told or kind in _GROUPS:
            payload["members"] = told or [_member(agent_name, "agent_name")]
    messages = _history(history)
    if content and task_kind is None:
        messages.append({"role": "user", "content": content, "senderUsername": sender_username})
    for minutes, message in enumerate(messages):
        message.setdefault("createdAt", str(_FIRST + timedelta(minutes=minutes)))
    payload["history"] = messages
    if reply_to is not None:
        payload["replyTo"] = _reply_to(reply_to)
    payload.update(_extra(extra))
    return payload


def _history(history: Sequence[Message]) -> list[Payload]:
    if isinstance(history, (str, bytes, Mapping)) or not isinstance(history, Sequence):
        raise TypeError(f"history must be a list of messages, not {type(history).__name__}")
    return [_message(f"history[{index}]", message) for index, message in enumerate(history)]


def _message(name: str, message: object) -> Payload:
    if isinstance(message, (tuple, list)) and len(message) == 2:
        message = {"role": message[0], "content": message[1]}
    elif isinstance(message, HistoryMessage):
        message = {key: getattr(message, key) for key in _HISTORY_KEYS}
    if not isinstance(message, Mapping):
        raise TypeError(
            f"{name} must be a HistoryMessage, a dict with role and content, or a pair of them, "
            f"not {type(message).__name__}"
        )
    return _fields(name, message, _HISTORY_KEYS)


def _reply_to(reply_to: object) -> Payload:
    if isinstance(reply_to, str):
        return {"role": "agent", "content": reply_to}
    if isinstance(reply_to, ReplyTo):
        reply_to = {key: getattr(reply_to, key) for key in _REPLY_KEYS}
    if not isinstance(reply_to, Mapping):
        raise TypeError(
            f"reply_to must be a str, a ReplyTo or a dict with role and content, not {type(reply_to).__name__}"
        )
    return _fields("reply_to", reply_to, _REPLY_KEYS)


def _fields(name: str, given: Mapping[object, object], keys: Mapping[str, str]) -> Payload:
    known = {**keys, **{key: key for key in keys.values()}}  # the wire's names are as good
    fields: Payload = {}
    for key, value in given.items():
        if key not in known:
            raise ValueError(f"{name} has the unknown key {key!r}; there are {', '.join(keys)}")
        if value is not None:
            fields[known[str(key)]] = check_text(f"{name}[{key!r}]", value, empty=key == "content")
    for key in ("role", "content"):
        if key not in fields:
            raise ValueError(f"{name} has no {key!r}")
    return fields


def _members(members: Sequence[str | Member], agent_name: str) -> list[Payload]:
    if isinstance(members, (str, bytes)) or not isinstance(members, Sequence):
        raise TypeError(f"members must be a list of names or Members, not {type(members).__name__}")
    told = [_member(member, f"members[{index}]") for index, member in enumerate(members)]
    if told and all(member["agentName"] != agent_name for member in told):
        told.insert(0, _member(agent_name, "agent_name"))  # the server counts the agent itself among them
    return told


def _member(member: object, name: str) -> Payload:
    if isinstance(member, str):
        return {"agentId": f"id-of-{check_text(name, member)}", "agentName": member}
    if not isinstance(member, Member):
        raise TypeError(f"{name} must be a name or a Member, not {type(member).__name__}")
    return {"agentId": member.agent_id, "agentName": member.agent_name}


def _extra(extra: Mapping[str, object] | None) -> Payload:
    if extra is None:
        return {}
    for key in ("type", "taskId"):
        if key in extra:
            raise ValueError(f"extra must not contain {key!r}, which run_task sets itself")
    return dict(checked_object(extra, "extra"))
