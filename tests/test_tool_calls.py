"""What a task tells of its model: with its ids, and in the form that the server takes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from arinova_agent_sync import ArinovaAgent, tool_calls
from arinova_agent_sync.errors import TaskCancelled
from arinova_agent_sync.task import Task
from arinova_agent_sync.testing import run_task


class Context:
    """Keeps the reports."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self.older: list[dict[str, Any] | None] = []

    def report(self, frame: bytes, older: bytes | None = None) -> None:
        self.reports.append(json.loads(frame))
        self.older.append(None if older is None else json.loads(older))


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Context:
    clock = itertools.count(10, 0.25)
    monkeypatch.setattr(tool_calls.time, "monotonic", lambda: next(clock))
    return Context()


@pytest.fixture
def task(context: Context) -> Task:
    return Task({"taskId": "t1", "conversationId": "c1"}, context)  # type: ignore[arg-type]


def test_a_call_is_timed_and_reported(task: Task, context: Context) -> None:
    with task.tool_call("search", {"query": "cats"}) as call:
        call.output = ["a cat"]
    with task.tool_call("clock") as call:
        call.error = "no clock here"
    assert [each["type"] for each in context.reports] == ["tool_call_report"] * 2
    ids = {"sessionId": "c1", "turnId": "t1", "messageId": "t1", "durationMs": 250.0}
    assert [each["report"] for each in context.reports] == [
        {
            **ids,
            "seqOrder": 0,
            "toolName": "search",
            "input": {"query": "cats"},
            "output": ["a cat"],
            "success": True,
        },
        {
            **ids,
            "seqOrder": 1,
            "toolName": "clock",
            "input": None,
            "success": False,
            "error": "no clock here",
        },
    ]
    data = {"sessionId": "c1", "toolName": "search", "durationMs": 250, "success": True}
    assert context.older[0] == {"type": "agent_telemetry", "event": "tool_call", "data": data}


@pytest.mark.parametrize("error", [KeyError("missing"), TaskCancelled("stopped"), ValueError()])
def test_what_is_raised_is_reported_and_passes_on(task: Task, context: Context, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, task.tool_call("search"):
        raise error
    assert caught.value is error
    report = context.reports[0]["report"]
    assert (report["success"], report["error"]) == (False, str(error) or "ValueError")


def test_a_call_can_be_reported_afterwards(task: Task, context: Context) -> None:
    task.report_tool_call("search", 1, output=2, duration_ms=3.5, success=False, error="late")
    report = context.reports[0]["report"]
    assert [report[key] for key in ("input", "output", "durationMs", "success", "error")] == [
        1,
        2,
        3.5,
        False,
        "late",
    ]


def test_usage_goes_with_the_conversation(task: Task, context: Context) -> None:
    task.send_usage("a-model", "a-provider", input=10, output=20, cache_read=3, cache_write=4, total=37)
    task.send_usage(input=None, output=1)
    usage = {"input": 10, "output": 20, "cacheRead": 3, "cacheWrite": 4, "total": 37}
    assert [each["data"] for each in context.reports] == [
        {"sessionId": "c1", "model": "a-model", "provider": "a-provider", "usage": usage},
        {"sessionId": "c1", "usage": {"output": 1}},
    ]
    assert {each["event"] for each in context.reports} == {"llm_output"}


def test_a_wakeup_is_a_session_of_its_own(context: Context) -> None:
    Task({"taskId": "t2"}, context).send_usage(input=1)  # type: ignore[arg-type]
    assert context.reports[0]["data"]["sessionId"] == "t2"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda task: task.tool_call(""), ValueError, "tool_name"),
        (lambda task: task.tool_call(1), TypeError, "tool_name"),
        (lambda task: task.report_tool_call("a", object()), TypeError, "input"),
        (
            lambda task: task.report_tool_call("a", session_id="x"),
            TypeError,
            "unexpected keyword argument 'session_id'",
        ),
        (lambda task: task.report_tool_call("a", success=1), TypeError, "success"),
        (lambda task: task.send_usage(1), TypeError, "model"),
        (lambda task: task.send_usage(input="10"), TypeError, "input"),
        (lambda task: task.send_usage(tokens=10), TypeError, "unexpected keyword argument 'tokens'"),
    ],
)
def test_wrong_values_are_refused(
    task: Task, context: Context, call: Callable[[Task], object], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        call(task)
    assert context.reports == []


def test_an_output_that_json_cannot_hold_is_refused_at_the_end(task: Task, context: Context) -> None:
    with pytest.raises(TypeError, match="output"), task.tool_call("search") as call:
        call.output = b"bytes"
    assert context.reports == []


def test_what_is_raised_passes_on_whatever_the_output_is(task: Task, context: Context) -> None:
    def search() -> None:
        with task.tool_call("search") as call:
            call.output = b"half of it"
            raise KeyError("a\0b\ud800")

    with pytest.raises(KeyError):
        search()
    report = context.reports[0]["report"]
    assert (report["success"], report["error"], "output" in report) == (False, "'a\\x00b\\ud800'", False)


def test_an_empty_error_is_none(task: Task, context: Context) -> None:
    with task.tool_call("search") as call:
        call.error = ""
    assert context.reports[0]["report"]["success"] is True


def test_an_input_that_json_cannot_hold_is_refused_at_once(task: Task, context: Context) -> None:
    with pytest.raises(TypeError, match="input"):
        task.tool_call("search", b"bytes")
    assert context.reports == []


def test_run_task_takes_them() -> None:
    def handle(task: Task) -> str:
        with task.tool_call("search") as call:
            call.output = 1
        task.send_usage(input=1)
        return "done"

    assert run_task(handle, "hi").text == "done"


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        ({"input": "5"}, TypeError, "^input must be an int, not str$"),
        ({"cache_read": -1}, ValueError, "^cache_read must be from 0 to 2147483647, not -1$"),
        ({"total": True}, TypeError, "^total must be an int, not bool$"),
        ({"model": 5}, TypeError, "^model must be a str, not int$"),
        ({"provider": b"x"}, TypeError, "^provider must be a str, not bytes$"),
        ({"tokens": 5}, TypeError, "unexpected keyword argument 'tokens'$"),
    ],
)
def test_usage_that_is_none(
    task: Task, context: Context, given: Any, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        task.send_usage(**given)
    assert context.reports == []


def test_a_transcript_shows_what_was_reported() -> None:
    agent = ArinovaAgent(server_url="http://127.0.0.1:9", bot_token="ari_none")

    @agent.on_task
    def handle(task: Task) -> str:
        with task.tool_call("search", {"query": "cats"}) as call:
            call.output = ["a cat"]
        task.send_usage("m", input=3)
        return "ok"

    transcript = run_task(agent, "hi")
    assert [report["type"] for report in transcript.reports] == ["tool_call_report", "agent_telemetry"]
    assert transcript.reports[0]["report"]["output"] == ["a cat"]  # type: ignore[index]


def test_a_report_that_is_too_large_is_refused_where_it_is_made(task: Task, context: Context) -> None:
    with pytest.raises(ValueError, match=r"^input and output of a tool's call must be at most 8,388,608"):
        task.report_tool_call("read", output="x" * 9_000_000)
    assert context.reports == []
