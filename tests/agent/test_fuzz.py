"""Whatever a server sends and a program passes: the agent lives on, and only what is documented is raised."""

from __future__ import annotations

import inspect
import json
import queue
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arinova_agent_sync import ActionError, ArinovaAgent, Skill, Task


class Text(str):
    """A str of another class, such as templating and token libraries make."""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KINDS = ("task", "cancel_task", "pong", "action_result", "auth_ok", "voice_offer", "none of them")
KEYS = (
    "taskId",
    "conversationId",
    "content",
    "taskKind",
    "members",
    "history",
    "attachments",
    "availableSkills",
    "replyTo",
    "id",
    "status",
    "result",
    "error",
    "confirmation",
    "agentId",
    "agentName",
    "onboardingSeed",
)
IDS = st.sampled_from(("t1", "t2", "..", "", "\ud800", "x" * 300))
FRAMES = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(KEYS), IDS | JSON, max_size=6),
)
ODD = (
    st.sampled_from((b"x", object(), {1, 2}, float("nan"), float("inf"), 10**400, 5j, "", "\0", "\ud800"))
    | st.sampled_from((Text("text"), Text(""), "a", "started", "a b", -1, 0, True, [], ["a"], {"a": 1}))
    | JSON
)


def odd_arguments(function: Callable[..., object], **fixed: object) -> st.SearchStrategy[dict[str, Any]]:
    """Draw values for a function's parameters, and leave out some of those that may be."""
    required, optional = {}, {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name != "self" and name not in fixed:
            (required if parameter.default is parameter.empty else optional)[name] = ODD
    return st.fixed_dictionaries(required, optional=optional).map(lambda drawn: {**drawn, **fixed})


def no_time(value: object) -> bool:
    """Tell whether a value is none that an agent would wait for."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value is not None and not (number and value > 0)


@pytest.fixture
def agent(server, make_agent):
    agent = make_agent(server)
    agent.connect(5)
    return agent


def examples(count: int) -> settings:
    # The fixtures serve all examples of a test.
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@examples(60)
@given(frames=st.lists(FRAMES | JSON | st.text(max_size=20), min_size=1, max_size=10))
def test_whatever_a_server_sends_is_survived(server, agent, frames):
    def handle(task: Task) -> str:
        for name in dir(Task):
            if isinstance(getattr(Task, name), property):
                getattr(task, name)
        task.messages(limit=3)
        task.mentions_in("@a")
        repr(task)
        return "fine"

    agent.on_task(handle)
    before = agent.stats()
    for frame in frames:
        text = frame if isinstance(frame, str) else json.dumps(frame)
        server.send_frame(text.encode("utf-8", "replace").decode())
    assert server.conversation().say("hi").wait(5) == "completed"
    after = agent.stats()
    assert after.connections == before.connections
    assert after.tasks_failed == before.tasks_failed


@pytest.mark.slow
@examples(100)
@given(given=odd_arguments(ArinovaAgent.__init__))
def test_the_constructor(given):
    try:
        agent = ArinovaAgent(**given)
    except (TypeError, ValueError):
        return
    assert repr(agent)


REPORTS = (
    ArinovaAgent.send_message,
    ArinovaAgent.send_telemetry,
    ArinovaAgent.send_hud,
    ArinovaAgent.send_task_update,
    ArinovaAgent.report_tool_call,
    ArinovaAgent.report_action_progress,
)


@pytest.mark.parametrize("method", REPORTS, ids=lambda method: method.__name__)
def test_a_report_is_sent_whole_or_refused(server, agent, method):
    @examples(40)
    @given(calls=st.lists(odd_arguments(method), max_size=5))
    def check(calls: list[dict[str, Any]]) -> None:
        mark = server.frames[-1]
        sent = 0
        for arguments in calls:
            try:
                method(agent, **arguments)
                sent += 1
            except (TypeError, ValueError):
                pass
        agent.send_telemetry("the end", {})
        server.wait_for_frame("agent_telemetry", 5, after=mark, event="the end")
        frames = server.frames
        behind = frames[frames.index(mark) + 1 :]
        assert len([frame for frame in behind if frame.direction == "in"]) == sent + 1

    check()


@examples(100)
@given(arguments=odd_arguments(ArinovaAgent.call_action, timeout=0.001))
def test_an_action_is_called_or_refused(agent, arguments):
    try:
        agent.call_action(**arguments)
    except (TypeError, ValueError, ActionError):
        pass


@examples(100)
@given(
    name=st.sampled_from(("connect", "wait", "on_task", "on_command", "on", "off", "on_error")),
    data=st.data(),
)
def test_the_rest_of_an_agent(name, data):
    fresh = ArinovaAgent(server_url="http://127.0.0.1:9", bot_token="ari_x")
    if name in ("connect", "wait"):
        arguments = {"timeout": data.draw(ODD.filter(no_time))}
    else:
        arguments = data.draw(odd_arguments(getattr(ArinovaAgent, name)))
    try:
        getattr(fresh, name)(**arguments)
    except (TypeError, ValueError):
        pass
    assert fresh.stats().threads == 0


ENDS = (
    "send_chunk",
    "send_complete",
    "send_error",
    "stream",
    "messages",
    "mention",
    "mentions_in",
    "on_cancel",
)


@pytest.mark.parametrize("name", ENDS)
def test_a_task(server, agent, name):
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()

    @agent.on_task
    def handle(task):
        task.detach()
        tasks.put(task)

    @examples(40)
    @given(arguments=odd_arguments(getattr(Task, name)))
    def check(arguments: dict[str, Any]) -> None:
        reply = server.conversation().say("hi")
        task = tasks.get(timeout=5)
        try:
            getattr(task, name)(**arguments)
        except (TypeError, ValueError, LookupError):
            pass
        task.send_complete("fine")
        assert reply.wait(5) in ("completed", "deleted", "error")

    check()


def test_texts_of_other_classes_are_texts(server, make_agent):
    skills = [Skill(Text("draw"), Text("Draw"), Text("Draws"))]
    agent: ArinovaAgent = make_agent(server, bot_token=Text(server.bot_token), skills=skills)
    with agent:

        @agent.on_task
        def handle(task):
            task.send_chunk(Text("hello "))
            task.send_chunk(Text("you"))
            if task.content == "fail":
                task.send_error(Text("that failed"))
            task.send_complete(Text("hello you again"))

        reply = server.conversation().say("hi")
        assert (reply.wait(5), reply.text) == ("completed", "hello you again")
        reply = server.conversation().say("fail")
        assert (reply.wait(5), reply.text) == ("error", "that failed")
        agent.send_hud({Text("key"): Text("value")}, Text("c1"))
        assert server.wait_for_frame("hud_update", 5).frame == {
            "type": "hud_update",
            "data": {"key": "value"},
            "conversationId": "c1",
        }
