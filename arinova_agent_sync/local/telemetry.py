"""What the March 2026 server stores of agents' telemetry. Pure state; not thread-safe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

_FIELDS: Mapping[str, str] = {
    "session_start": "sessionId model provider",
    "session_end": "sessionId messageCount durationMs",
    "llm_output": "sessionId model provider",
    "tool_call": "sessionId toolName durationMs success error",
    "compaction": "sessionId messageCount compactedCount tokenCount",
    "agent_end": "sessionId durationMs",
}
_KINDS: Mapping[str, type] = {
    "success": bool,
    **dict.fromkeys(("messageCount", "durationMs", "compactedCount", "tokenCount"), int),
}  # those of the others are str
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
    names = [name for name in _FIELDS[event].split() if type(given.get(name)) is _KINDS.get(name, str)]
    values = {name: given[name] for name in names}
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
    begun, session = (agent_id, "session_start"), values.get("sessionId")
    for place, row in reversed(list(enumerate(rows))):
        open_session = "ended" not in row.data and row.data.get("sessionId") == session
        if (row.agent_id, row.event) == begun and open_session:
            rows[place] = replace(row, data={**row.data, **values, "ended": True})
            return


def _cut(value: object) -> int:
    """Return a count as a signed 32-bit number, which is what the server's cast leaves of a larger one."""
    return (value + 2**31) % 2**32 - 2**31 if type(value) is int else 0
