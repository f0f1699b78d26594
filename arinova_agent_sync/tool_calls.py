"""What a handler reports about its model: the tools that it called, and what it used."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, TypedDict

from . import reports
from .argument_checks import count
from .argument_checks import text as check_text
from .protocol.json_values import checked
from .settings import LARGEST_FRAME
from .shown_errors import shown_error

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .runtime.task_context import TaskContext


_USAGE = {
    "input": "input",
    "output": "output",
    "cache_read": "cacheRead",
    "cache_write": "cacheWrite",
    "total": "total",
}
_MOST_TOKENS = 2**31 - 1  # the March 2026 server cuts more to 32 bits


class ToolCallOutcome(TypedDict, total=False):
    """What came of a call of a tool; the output is a JSON value, the duration is in milliseconds."""

    output: object
    duration_ms: float | None
    success: bool
    error: str | None


class Usage(TypedDict, total=False):
    """Tokens that an answer of a model used."""

    input: int | None
    output: int | None
    cache_read: int | None
    cache_write: int | None
    total: int | None


class TaskReporter:
    """Send the reports of one task, with its ids: the conversation is the session, the task the turn. Thread-safe.

    Args:
        task_id: the task's id.
        conversation_id: where it belongs; None for a wakeup.
        context: takes the frames.
    """

    def __init__(self, task_id: str, conversation_id: str | None, context: TaskContext) -> None:
        self._turn = task_id
        self._session = conversation_id or task_id
        self._context = context
        self._numbers = itertools.count()

    def tool_call(self, tool_name: str, input: object, **outcome: Unpack[ToolCallOutcome]) -> None:
        """Report one call. A server without such reports, as that of March 2026, gets the telemetry event."""
        duration, error = outcome.get("duration_ms"), outcome.get("error")
        success = outcome.get("success", error is None)
        frame = reports.tool_call_report(
            {
                "session_id": self._session,
                "turn_id": self._turn,
                "message_id": self._turn,
                "seq_order": next(self._numbers),
                "tool_name": tool_name,
                "input": input,
                "output": outcome.get("output"),
                "duration_ms": duration,
                "success": success,
                "error": error,
            }
        )
        if len(frame) > LARGEST_FRAME:  # here too for servers that are told neither input nor output
            raise ValueError(
                f"input and output of a tool's call must be at most {LARGEST_FRAME:,} bytes as JSON, not "
                f"{len(frame):,}: report a part of them"
            )
        told = {
            "sessionId": self._session,
            "toolName": tool_name,
            "durationMs": None if duration is None else round(duration),
            "success": success,
            "error": error,
        }
        self._context.report(frame, older=_telemetry("tool_call", told))

    def usage(self, model: str | None, provider: str | None, tokens: Usage) -> None:
        """Report what an answer of a model used."""
        used = {
            _USAGE[name]: count(name, number, 0, _MOST_TOKENS)
            for name, number in tokens.items()
            if number is not None
        }
        for name, value in (("model", model), ("provider", provider)):
            if value is not None:
                check_text(name, value, empty=True)
        told = {"sessionId": self._session, "model": model, "provider": provider, "usage": used}
        self._context.report(_telemetry("llm_output", told))


class TimedToolCall:
    """A call of a tool under way; a context manager that reports it at its end. See ``Task.tool_call``.

    Attributes:
        output: what the tool returned, a JSON value; to be set.
        error: what went wrong, if that is no exception; to be set.
    """

    def __init__(self, reporter: TaskReporter, tool_name: str, input: object) -> None:
        self.output: object = None
        self.error: str | None = None
        self._reporter = reporter
        self._tool_name = tool_name
        self._input = checked(input, "input")
        self._began = time.monotonic()

    def __enter__(self) -> TimedToolCall:
        self._began = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        text = (self.error or None) if error is None else shown_error(error, str)
        self._reporter.tool_call(
            self._tool_name,
            self._input,
            # Half an output may be anything, and what is wrong with it must not take the error's place.
            output=self.output if error is None else None,
            duration_ms=round((time.monotonic() - self._began) * 1000, 3),
            success=text is None,
            error=text,
        )


def _telemetry(event: str, fields: Mapping[str, object]) -> bytes:
    return reports.telemetry(event, {name: value for name, value in fields.items() if value is not None})
