"""The frames that report on the agent itself."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from arinova_agent_sync.reports import hud_update, task_update, telemetry, tool_call_report

REPORT: dict[str, object] = {
    "session_id": "s1",
    "turn_id": "r1",
    "seq_order": 0,
    "tool_name": "search",
    "input": {"q": "cats"},
    "output": ["cat"],
    "duration_ms": 12.5,
    "success": True,
    "error": None,
    "message_id": None,
}
CAMEL = {
    "session_id": "sessionId",
    "turn_id": "turnId",
    "seq_order": "seqOrder",
    "tool_name": "toolName",
    "duration_ms": "durationMs",
    "message_id": "messageId",
}


def says(frame: bytes) -> dict[str, Any]:
    value = json.loads(frame)
    assert isinstance(value, dict)
    return value


class TestTelemetry:
    @pytest.mark.parametrize(
        ("event", "data"),
        [
            ("session_start", {"sessionId": "s1", "model": "m", "provider": "p"}),
            ("session_end", {"sessionId": "s1", "messageCount": 3, "durationMs": 1200}),
            (
                "llm_output",
                {
                    "sessionId": "s1",
                    "usage": {"input": 1, "output": 2, "cacheRead": 3, "cacheWrite": 4, "total": 10},
                },
            ),
            ("llm_output", {"usage": {}}),
            ("tool_call", {"toolName": "search", "durationMs": 5, "success": False, "error": ""}),
            ("compaction", {"messageCount": 3, "compactedCount": 2, "tokenCount": 1}),
            ("agent_end", {"durationMs": 5}),
            ("agent_end", {"sessionId": None, "durationMs": None, "success": None, "usage": None}),
            ("session_start", {"mine": {"a": [1.5, "x", None]}, "usage": None}),
            (
                "my_event",
                {"durationMs": "5", "success": "yes", "usage": 5},
            ),  # the server stores nothing of it
        ],
    )
    def test_frame(self, event: str, data: dict[str, object]) -> None:
        assert says(telemetry(event, data)) == {"type": "agent_telemetry", "event": event, "data": data}

    @pytest.mark.parametrize("data", [None, {}])
    def test_without_data(self, data: dict[str, object] | None) -> None:
        assert says(telemetry("agent_end", data)) == {
            "type": "agent_telemetry",
            "event": "agent_end",
            "data": {},
        }

    def test_texts_are_cleaned(self) -> None:
        frame = telemetry("my\0event", {"a\0": "b\ud800"})
        assert says(frame) == {"type": "agent_telemetry", "event": "myevent", "data": {"a": "b\ufffd"}}

    @pytest.mark.parametrize("name", ["sessionId", "model", "provider", "toolName", "error"])
    def test_texts_of_the_wrong_type(self, name: str) -> None:
        with pytest.raises(TypeError, match=rf"^data\['{name}'\] must be a str, not int$"):
            telemetry("tool_call", {name: 5})

    @pytest.mark.parametrize("name", ["messageCount", "durationMs", "compactedCount", "tokenCount"])
    @pytest.mark.parametrize("value", ["5", 5.0, True, [5]], ids=repr)
    def test_numbers_of_the_wrong_type(self, name: str, value: object) -> None:
        kind = type(value).__name__
        with pytest.raises(TypeError, match=rf"^data\['{name}'\] must be int, not {kind}$"):
            telemetry("session_end", {name: value})

    @pytest.mark.parametrize("name", ["input", "output", "cacheRead", "cacheWrite", "total"])
    @pytest.mark.parametrize("value", ["5", 5.0, False], ids=repr)
    def test_usage_of_the_wrong_type(self, name: str, value: object) -> None:
        kind = type(value).__name__
        with pytest.raises(TypeError, match=rf"^data\['usage'\]\['{name}'\] must be int, not {kind}$"):
            telemetry("llm_output", {"usage": {name: value}})

    @pytest.mark.parametrize(
        ("event", "data", "kind", "text"),
        [
            ("llm_output", {"usage": 5}, TypeError, r"^data\['usage'\] must be a mapping, not int$"),
            ("tool_call", {"success": 1}, TypeError, r"^data\['success'\] must be True or False, not int$"),
            ("", {}, ValueError, "^event must not be empty$"),
            (5, {}, TypeError, "^event must be a str, not int$"),
            ("agent_end", [], TypeError, "^data must be a mapping, not list$"),
            ("agent_end", {"at": Decimal(1)}, TypeError, r"^data\['at'\] must be a JSON value, not Decimal"),
            ("my_event", {"a": float("nan")}, ValueError, r"^data\['a'\] must be a finite number, not nan"),
            ("my_event", {5: "a"}, TypeError, "^data must have str keys, not 5"),
        ],
    )
    def test_wrong_values(self, event: Any, data: Any, kind: type[Exception], text: str) -> None:
        with pytest.raises(kind, match=text):
            telemetry(event, data)


class TestHudUpdate:
    def test_frame(self) -> None:
        assert says(hud_update({"status": "busy", "n": 1}, "c1")) == {
            "type": "hud_update",
            "data": {"status": "busy", "n": 1},
            "conversationId": "c1",
        }
        assert says(hud_update({}, None)) == {"type": "hud_update", "data": {}}

    @pytest.mark.parametrize(
        ("data", "conversation_id", "kind", "text"),
        [
            (None, "c1", TypeError, "^data must be a mapping, not NoneType$"),
            ({"a": b""}, "c1", TypeError, r"^data\['a'\] must be a JSON value, not bytes"),
            ({}, "", ValueError, "^conversation_id must not be empty$"),
            ({}, 5, TypeError, "^conversation_id must be a str, not int$"),
        ],
    )
    def test_wrong_values(self, data: Any, conversation_id: Any, kind: type[Exception], text: str) -> None:
        with pytest.raises(kind, match=text):
            hud_update(data, conversation_id)


class TestTaskUpdate:
    @pytest.mark.parametrize(
        ("given", "data"),
        [
            (("started", "clean up", None, None, None), {"status": "started", "task": "clean up"}),
            (("completed", None, None, None, None), {"status": "completed"}),
            (
                ("completed", None, 1200, 0.5, 3),
                {"status": "completed", "durationMs": 1200, "costUsd": 0.5, "numTurns": 3},
            ),
            (("completed", "x\0", 0, 0, 0),
             {"status": "completed", "task": "x", "durationMs": 0, "costUsd": 0, "numTurns": 0}),
            (("completed", None, 1.5, 1, None), {"status": "completed", "durationMs": 1.5, "costUsd": 1}),
        ],
    )  # fmt: skip
    def test_frame(self, given: Any, data: dict[str, object]) -> None:
        status, *values = given
        update: Any = dict(zip(("task", "duration_ms", "cost_usd", "num_turns"), values, strict=True))
        assert says(task_update("Ann\0", status, update)) == {
            "type": "task_update",
            "agentName": "Ann",
            "data": data,
        }

    @pytest.mark.parametrize(
        ("given", "kind", "text"),
        [
            (("Ann", "begun", "a", None, None, None), ValueError, "^status must be 'started' or 'completed', not"),
            (("Ann", ["started"], "a", None, None, None), ValueError, "^status must be"),
            (("Ann", "started", None, None, None, None), ValueError, "^task is missing"),
            (("Ann", "started", "", None, None, None), ValueError, "^task must not be empty$"),
            (("Ann", "started", 5, None, None, None), TypeError, "^task must be a str, not int$"),
            (("", "started", "a", None, None, None), ValueError, "^agent_name must not be empty$"),
            ((5, "started", "a", None, None, None), TypeError, "^agent_name must be a str, not int$"),
            (("Ann", "completed", None, "5", None, None), TypeError, "^duration_ms must be int or float, not str$"),
            (("Ann", "completed", None, None, True, None), TypeError, "^cost_usd must be int or float, not bool$"),
            (("Ann", "completed", None, None, None, 1.0), TypeError, "^num_turns must be int, not float$"),
            (("Ann", "completed", None, float("inf"), None, None), ValueError, r"^task_update\['dur.* finite"),
        ],
    )  # fmt: skip
    def test_wrong_values(self, given: Any, kind: type[Exception], text: str) -> None:
        name, status, *values = given
        update: Any = dict(zip(("task", "duration_ms", "cost_usd", "num_turns"), values, strict=True))
        with pytest.raises(kind, match=text):
            task_update("Agent", status, {**update, "agent_name": name})

    def test_unknown_keyword(self) -> None:
        update: Any = {"tasks": "a"}
        with pytest.raises(
            TypeError, match=r"^send_task_update\(\) got an unexpected keyword argument 'tasks'$"
        ):
            task_update("Agent", "started", update)


class TestToolCallReport:
    @pytest.mark.parametrize(
        ("changes", "absent"),
        [
            ({}, ["error", "message_id"]),
            ({"error": "broke", "message_id": "m1", "success": False}, []),
            ({"input": None}, ["error", "message_id"]),
            ({"output": None, "duration_ms": None, "seq_order": None},
             ["error", "message_id", "output", "duration_ms", "seq_order"]),
            ({"output": "", "duration_ms": 0}, ["error", "message_id"]),
        ],
    )  # fmt: skip
    def test_frame(self, changes: dict[str, object], absent: list[str]) -> None:
        report = {
            CAMEL.get(key, key): value for key, value in {**REPORT, **changes}.items() if key not in absent
        }
        frame = says(tool_call_report({**REPORT, **changes}))
        assert frame == {"type": "tool_call_report", "report": report}

    def test_values_are_cleaned(self) -> None:
        frame = tool_call_report({**REPORT, "tool_name": "a\0", "input": ("\ud800",)})
        assert says(frame)["report"]["toolName"] == "a"
        assert says(frame)["report"]["input"] == ["\ufffd"]

    @pytest.mark.parametrize(
        ("changes", "kind", "text"),
        [
            ({"session_id": ""}, ValueError, "^session_id must not be empty$"),
            ({"turn_id": None}, TypeError, "^turn_id must be a str, not NoneType$"),
            ({"tool_name": 5}, TypeError, "^tool_name must be a str, not int$"),
            ({"error": ValueError("no")}, TypeError, "^error must be a str, not ValueError$"),
            ({"message_id": 5}, TypeError, "^message_id must be a str, not int$"),
            ({"seq_order": 1.0}, TypeError, "^seq_order must be int, not float$"),
            ({"seq_order": True}, TypeError, "^seq_order must be int, not bool$"),
            ({"duration_ms": "5"}, TypeError, "^duration_ms must be int or float, not str$"),
            ({"success": 1}, TypeError, "^success must be True or False, not int$"),
            ({"success": None}, TypeError, "^success must be True or False, not NoneType$"),
            ({"input": {"a": {1, 2}}}, TypeError, r"^input\['a'\] must be a JSON value, not set"),
            ({"output": [float("nan")]}, ValueError, r"^output\[0\] must be a finite number, not nan"),
        ],
    )
    def test_wrong_values(self, changes: dict[str, object], kind: type[Exception], text: str) -> None:
        with pytest.raises(kind, match=text):
            tool_call_report({**REPORT, **changes})
