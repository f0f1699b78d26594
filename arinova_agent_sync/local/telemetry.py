"""What the March 2026 server stores of agents' telemetry. Pure state; not thread-safe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

_TEXT, _WHOLE, _FLAG = str, int, bool
_FIELDS: Mapping[str, Mapping[str, type]] = {
    "session_start": {"sessionId": _TEXT, "model": _TEXT, "provider": _TEXT},
    "session_end": {"sessionId": _TEXT, "messageCount": _WHOLE, "durationMs": _WHOLE},
    "llm_output": {"sessionId": _TEXT, "model": _TEXT, "provider": _TEXT},
    "tool_call": {
        "sessionId": _TEXT,
        "toolName": _TEXT,
        "durationMs": _WHOLE,
        "success": _FLAG,
        "error": _TEXT,
    },
    "compaction": {
        "sessionId": _TEXT,
        "messageCount": _WHOLE,
        "compactedCount": _WHOLE,
        "tokenCount": _WHOLE,
    },
    "agent_end": {"sessionId": _TEXT, "durationMs": _WHOLE},
}
_USAGE = ("input", "output", "cacheRead", "cacheWrite", "total")


@dataclass(frozen=True)
class TelemetryRow:
    """Show one stored event.

    Attributes:
        agent_id: the agent that sent it.
        event: its name, such as "llm_output".
        data: the fields that had the right type; the ``usage`` of "llm_output" is complete, with zeros.
    """

    agent_id: str
    event: str
    data: Mapping[str, Any]


def record(rows: list[TelemetryRow], agent_id: str, event: object, data: object) -> None:
    """Store one event; an unknown one is dropped.

    A field of another JSON type counts as missing. "session_end" makes no row of its own: it completes the
    one of the session's start, if that is there.
    """
    if not isinstance(event, str) or event not in _FIELDS:
        return
    given = data if isinstance(data, dict) else {}
    values = {name: given[name] for name, kind in _FIELDS[event].items() if _is(given.get(name), kind)}
    if event == "tool_call":
        values.setdefault("success", True)
    if event == "llm_output":
        usage = given.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        values["usage"] = {name: _cut(usage.get(name)) for name in _USAGE}
    if event == "session_end":
        _end_session(rows, agent_id, values)
    else:
        rows.append(TelemetryRow(agent_id, event, values))


def _end_session(rows: list[TelemetryRow], agent_id: str, values: Mapping[str, Any]) -> None:
    for place in reversed(range(len(rows))):
        row = rows[place]
        if (
            row.agent_id == agent_id
            and row.event == "session_start"
            and "ended" not in row.data
            and row.data.get("sessionId") == values.get("sessionId")
        ):
            rows[place] = replace(row, data={**row.data, **values, "ended": True})
            return


def _is(value: object, kind: type) -> bool:
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _cut(value: object) -> int:
    """Return a count as a signed 32-bit number, which is what the server's cast leaves of a larger one."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return (value + 2**31) % 2**32 - 2**31
