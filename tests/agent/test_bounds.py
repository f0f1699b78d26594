"""Frames that the server would not take, and tasks that would take too much memory while they wait."""

from __future__ import annotations

import threading

import pytest

HUGE = "x" * 17_000_000


def test_an_error_of_17_mb_is_shortened_and_the_next_message_answered(server, make_agent):
    agent = make_agent(server)

    @agent.on_task
    def handle(task):
        if task.content == "fail":
            raise ValueError(HUGE)
        return "fine"

    agent.connect(5)
    failed = server.conversation().say("fail")
    assert failed.wait(10) == "error"
    assert failed.text.startswith("xxx")
    assert failed.text.endswith("… (17,000,000 characters)")
    assert len(failed.text) < 100_000
    assert server.conversation().say("go on").wait(10) == "completed"
    assert agent.stats().connections == 1


def test_send_error_is_shortened_too(server, make_agent):
    agent = make_agent(server)
    agent.on_task(lambda task: task.send_error(HUGE, keep_partial=True))
    agent.connect(5)
    reply = server.conversation().say("fail")
    assert reply.wait(10) == "error"
    assert len(reply.text) < 100_000


@pytest.mark.parametrize(
    "send",
    [
        lambda agent: agent.send_telemetry("my_event", {"text": HUGE}),
        lambda agent: agent.send_hud({"text": HUGE}),
        lambda agent: agent.send_message("c1", HUGE),
        lambda agent: agent.call_action("a", {"text": HUGE}),
        lambda agent: agent.report_action_progress("c", "a", {"text": HUGE}),
        lambda agent: agent.report_tool_call(
            session_id="s",
            turn_id="t",
            seq_order=0,
            tool_name="n",
            input=None,
            success=True,
            output=HUGE,
        ),
    ],
    ids=["telemetry", "hud", "message", "action", "progress", "tool call"],
)
def test_what_is_the_users_to_shorten_is_refused_at_the_call(server, make_agent, send):
    agent = make_agent(server)
    agent.on_task(lambda task: "fine")
    agent.connect(5)
    with pytest.raises(ValueError, match=r"8,388,608 \(max_outgoing_bytes\)"):
        send(agent)
    assert server.conversation().say("hi").wait(5) == "completed"
    assert agent.stats().connections == 1


def test_an_answer_of_20_mb_arrives_whole(server, make_agent):
    agent = make_agent(server)
    text = "\x01" * 3_000_000  # six bytes each as JSON
    agent.on_task(lambda task: text)
    agent.connect(5)
    reply = server.conversation().say("hi")
    assert reply.wait(20) == "completed"
    assert reply.text == text
    assert agent.stats().connections == 1


def test_waiting_tasks_are_bounded_in_bytes(server, make_agent):
    agent = make_agent(server, max_workers=1, _max_queued_bytes=200_000)
    running, go_on = threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        running.set()
        assert go_on.wait(10)
        return "fine"

    agent.connect(5)
    server.conversation().say("run")
    assert running.wait(5)
    # Each text comes twice, as the content and in the history: 60 KB a task.
    replies = [server.conversation().say("y" * 30_000) for _ in range(5)]
    first = server.wait_for_frame("agent_error", 5, error="queue_overflow")
    server.wait_for_frame("agent_error", 5, after=first, error="queue_overflow")
    go_on.set()
    assert sorted(reply.wait(5) for reply in replies) == ["completed"] * 3 + ["error"] * 2
