"""The frames that report on the agent itself: telemetry, head-up display, task updates, tool calls."""

from __future__ import annotations

from collections.abc import Mapping

from .protocol import frames
from .protocol.json_values import checked, checked_object, clean_text
from .settings import text as check_text

_TEXTS = ("sessionId", "model", "provider", "toolName", "error")
_WHOLE = ("messageCount", "durationMs", "compactedCount", "tokenCount")
_USAGE = ("input", "output", "cacheRead", "cacheWrite", "total")
_KNOWN_EVENTS = ("session_start", "session_end", "llm_output", "tool_call", "compaction", "agent_end")


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


def task_update(
    agent_name: str,
    status: str,
    task: str | None,
    duration_ms: int | None,
    cost_usd: float | None,
    num_turns: int | None,
) -> bytes:
    """Return the frame about a piece of work of the agent's own."""
    if status not in ("started", "completed"):
        raise ValueError(f"status must be 'started' or 'completed', not {status!r}")
    if status == "started" and task is None:
        raise ValueError("task is missing: say what was started")
    data: dict[str, object] = {
        "status": status,
        "task": None if task is None else check_text("task", task),
        "durationMs": _number("duration_ms", duration_ms, (int, float)),
        "costUsd": _number("cost_usd", cost_usd, (int, float)),
        "numTurns": _number("num_turns", num_turns, (int,)),
    }
    present = {key: value for key, value in data.items() if value is not None}
    return frames.frame(
        "task_update",
        agentName=clean_text("agent_name", agent_name),
        data=checked_object(present, "task_update"),
    )


def tool_call_report(report: Mapping[str, object]) -> bytes:
    """Return the frame about a call of a tool; fields that are None are left out, but for the input."""
    for name in ("sessionId", "turnId", "toolName"):
        check_text(name, report[name])
    for name in ("error", "messageId"):
        if report[name] is not None:
            check_text(name, report[name])
    _number("seq_order", report["seqOrder"], (int,))
    _number("duration_ms", report["durationMs"], (int, float))
    if not isinstance(report["success"], bool):
        raise TypeError(f"success must be True or False, not {type(report['success']).__name__}")
    present = {
        key: checked(value, key) for key, value in report.items() if value is not None or key == "input"
    }
    return frames.frame("tool_call_report", report=present)


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
