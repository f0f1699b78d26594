"""The frames that report on the agent itself: telemetry, head-up display, task updates, tool calls."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import TypedDict

from .argument_checks import check_keywords
from .argument_checks import text as check_text
from .protocol import frames
from .protocol.json_values import checked, checked_object, clean_text
from .protocol.pieces import OutgoingMessage

_TEXTS = ("sessionId", "model", "provider", "toolName", "error")
_WHOLE = ("messageCount", "durationMs", "compactedCount", "tokenCount")
_USAGE = ("input", "output", "cacheRead", "cacheWrite", "total")
_TOOL_CALL = {
    "session_id": "sessionId",
    "turn_id": "turnId",
    "seq_order": "seqOrder",
    "tool_name": "toolName",
    "input": "input",
    "output": "output",
    "duration_ms": "durationMs",
    "success": "success",
    "error": "error",
    "message_id": "messageId",
}
_KNOWN_EVENTS = ("session_start", "session_end", "llm_output", "tool_call", "compaction", "agent_end")


class _ToolCallParts(TypedDict):
    session_id: str
    turn_id: str
    seq_order: int
    tool_name: str
    input: object
    success: bool


class ToolCall(_ToolCallParts, total=False):
    """A call of a tool that a model made; input and output are JSON values, the duration is in milliseconds."""

    output: object
    duration_ms: float | None
    error: str | None
    message_id: str | None


class TaskUpdate(TypedDict, total=False):
    """What is told of a piece of work: the duration is in milliseconds, the cost in US dollars."""

    task: str | None
    duration_ms: int | None
    cost_usd: float | None
    num_turns: int | None
    agent_name: str | None


class TaskIds(TypedDict, total=False):
    """What an action belongs to."""

    task_id: str | None
    conversation_id: str | None


def telemetry(event: str, data: Mapping[str, object] | None) -> bytes:
    """Return the frame of a telemetry event.

    The types of the fields that the March 2026 server stores are checked: it takes a number in a string for a
    missing one, in silence.
    """
    event = clean_text("event", event)
    fields = checked_object({} if data is None else data, "data")
    if event in _KNOWN_EVENTS:
        _check_known(fields)
    return frames.frame("agent_telemetry", event=event, data=fields)


def hud_update(data: Mapping[str, object], conversation_id: str | None) -> bytes:
    """Return the frame for a conversation's head-up display."""
    if conversation_id is not None:
        conversation_id = clean_text("conversation_id", conversation_id)
    return frames.frame("hud_update", data=checked_object(data, "data"), conversationId=conversation_id)


def task_update(agent_name: str, status: str, update: TaskUpdate) -> bytes:
    """Return the frame about a piece of work of the agent's own."""
    check_keywords("send_task_update", update, TaskUpdate)
    task, name = update.get("task"), update.get("agent_name")
    if status not in ("started", "completed"):
        raise ValueError(f"status must be 'started' or 'completed', not {status!r}")
    if status == "started" and task is None:
        raise ValueError("task is missing: say what was started")
    data: dict[str, object] = {
        "status": status,
        "task": None if task is None else check_text("task", task),
        "durationMs": _number("duration_ms", update.get("duration_ms"), (int, float)),
        "costUsd": _number("cost_usd", update.get("cost_usd"), (int, float)),
        "numTurns": _number("num_turns", update.get("num_turns"), (int,)),
    }
    present = {key: value for key, value in data.items() if value is not None}
    return frames.frame(
        "task_update",
        agentName=clean_text("agent_name", agent_name if name is None else name),
        data=checked_object(present, "task_update"),
    )


def tool_call_report(report: Mapping[str, object]) -> bytes:
    """Return the frame about a call of a tool; fields that are None are left out, but for the input."""
    check_keywords("report_tool_call", report, ToolCall)
    for name in ("session_id", "turn_id", "tool_name"):
        check_text(name, report[name])
    for name in ("error", "message_id"):
        if report.get(name) is not None:
            check_text(name, report[name])
    _number("seq_order", report["seq_order"], (int,))
    _number("duration_ms", report.get("duration_ms"), (int, float))
    if not isinstance(report["success"], bool):
        raise TypeError(f"success must be True or False, not {type(report['success']).__name__}")
    present = {
        key: checked(report[name], name)
        for name, key in _TOOL_CALL.items()
        if report.get(name) is not None or name == "input"
    }
    return frames.frame("tool_call_report", report=present)


def action_progress(
    call_id: str,
    action: str,
    progress: Mapping[str, object],
    ids: TaskIds,
) -> bytes:
    """Return the frame about how far an action is that this agent runs."""
    check_keywords("report_action_progress", ids, TaskIds)
    task_id, conversation_id = ids.get("task_id"), ids.get("conversation_id")
    return frames.frame(
        "action_progress",
        id=clean_text("call_id", call_id),
        action=clean_text("action", action),
        progress=checked_object(progress, "progress"),
        taskId=None if task_id is None else clean_text("task_id", task_id),
        conversationId=None if conversation_id is None else clean_text("conversation_id", conversation_id),
    )


def message(conversation_id: str, content: str, reply_to: str | None) -> OutgoingMessage:
    """Return a message that answers no task; raise TypeError or ValueError if it is invalid."""
    content = clean_text("content", content)
    if not content.strip():
        raise ValueError("content must not be blank")
    reply_to = None if reply_to is None else clean_text("reply_to", reply_to)
    conversation_id = clean_text("conversation_id", conversation_id)
    payload = frames.agent_send(conversation_id, content, reply_to)
    return OutgoingMessage(payload, conversation_id, content, reply_to, time.time(), uuid.uuid4().hex)


def _check_known(fields: Mapping[str, object]) -> None:
    for name in _TEXTS:
        if name in fields and fields[name] is not None:
            check_text(f"data[{name!r}]", fields[name], empty=True)
    for name in _WHOLE:
        _number(f"data[{name!r}]", fields.get(name), (int,))
    success = fields.get("success")
    if success is not None and not isinstance(success, bool):
        raise TypeError(f"data['success'] must be True or False, not {type(success).__name__}")
    usage = fields.get("usage")
    if usage is None:
        return
    if not isinstance(usage, Mapping):
        raise TypeError(f"data['usage'] must be a mapping, not {type(usage).__name__}")
    for name in _USAGE:
        _number(f"data['usage'][{name!r}]", usage.get(name), (int,))


def _number(name: str, value: object, kinds: tuple[type, ...]) -> object:
    if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
        raise TypeError(
            f"{name} must be {' or '.join(kind.__name__ for kind in kinds)}, not {type(value).__name__}"
        )
    return value
