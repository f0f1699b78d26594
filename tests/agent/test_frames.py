"""Frames beside tasks and answers: exact keys out, odd ones in."""

from __future__ import annotations

import datetime
import json
import threading
from decimal import Decimal

import pytest

from arinova_agent_sync import ArinovaAgent, ConnectionLost, FrameTooLargeError, ProtocolError
from arinova_agent_sync.local import LocalServer

from ..runtime.fault_server import Peer, frame, serving


@pytest.fixture
def online(server, make_agent):
    agent = make_agent(server)
    agent.on_task(lambda task: "fine")
    agent.connect(5)
    return agent


@pytest.mark.parametrize(
    ("move", "frame"),
    [
        (
            lambda agent: agent.send_message("c1", "hello"),
            {"type": "agent_send", "conversationId": "c1", "content": "hello"},
        ),
        (
            lambda agent: agent.send_message("c1", "hello", reply_to="m1"),
            {"type": "agent_send", "conversationId": "c1", "content": "hello", "replyTo": "m1"},
        ),
        (
            lambda agent: agent.send_telemetry("llm_output", {"sessionId": "s", "usage": {"input": 3}}),
            {
                "type": "agent_telemetry",
                "event": "llm_output",
                "data": {"sessionId": "s", "usage": {"input": 3}},
            },
        ),
        (
            lambda agent: agent.send_hud({"model": "m"}, "c1"),
            {"type": "hud_update", "data": {"model": "m"}, "conversationId": "c1"},
        ),
        (
            lambda agent: agent.send_hud({"model": "m"}),
            {"type": "hud_update", "data": {"model": "m"}},
        ),
        (
            lambda agent: agent.send_task_update("started", task="reading"),
            {"type": "task_update", "agentName": "Agent", "data": {"status": "started", "task": "reading"}},
        ),
        (
            lambda agent: agent.send_task_update("completed", duration_ms=5, cost_usd=0.5, num_turns=2),
            {
                "type": "task_update",
                "agentName": "Agent",
                "data": {"status": "completed", "durationMs": 5, "costUsd": 0.5, "numTurns": 2},
            },
        ),
        (
            lambda agent: agent.report_tool_call(
                session_id="s", turn_id="t", seq_order=0, tool_name="search", input={"q": 1}, success=True
            ),
            {
                "type": "tool_call_report",
                "report": {
                    "sessionId": "s",
                    "turnId": "t",
                    "seqOrder": 0,
                    "toolName": "search",
                    "input": {"q": 1},
                    "success": True,
                },
            },
        ),
        (
            lambda agent: agent.report_action_progress("call_1", "note.create", {"percent": 50}),
            {"type": "action_progress", "id": "call_1", "action": "note.create", "progress": {"percent": 50}},
        ),
    ],
)
def test_exact_frames(server, online, move, frame):
    move(online)
    assert server.wait_for_frame(frame["type"], 5).frame == frame


@pytest.mark.parametrize(
    ("move", "error", "named"),
    [
        (lambda agent: agent.send_message("", "hello"), ValueError, "conversation_id"),
        (lambda agent: agent.send_message("c1", "  "), ValueError, "content"),
        (lambda agent: agent.send_message("c1", b"x"), TypeError, "content"),
        (lambda agent: agent.send_message("c1", "x", reply_to=7), TypeError, "reply_to"),
        (lambda agent: agent.send_telemetry("e", {"a": float("nan")}), ValueError, r"data\['a'\]"),
        (lambda agent: agent.send_telemetry("e", {"a": b"x"}), TypeError, r"data\['a'\]"),
        (lambda agent: agent.send_telemetry("e", {"a": {1, 2}}), TypeError, r"data\['a'\]"),
        (lambda agent: agent.send_telemetry("e", {"a": Decimal(1)}), TypeError, r"data\['a'\]"),
        (lambda agent: agent.send_telemetry("e", {"a": datetime.date(2026, 1, 1)}), TypeError, "date"),
        (lambda agent: agent.send_telemetry("e", {1: "x"}), TypeError, "str keys, not 1"),
        (lambda agent: agent.send_telemetry("e", ["x"]), TypeError, "mapping"),
        (lambda agent: agent.send_telemetry("session_end", {"durationMs": "5"}), TypeError, "durationMs"),
        (lambda agent: agent.send_telemetry(""), ValueError, "event"),
        (lambda agent: agent.send_hud({}, 5), TypeError, "conversation_id"),
        (lambda agent: agent.send_task_update("paused"), ValueError, "status"),
        (lambda agent: agent.send_task_update("started"), ValueError, "task"),
        (lambda agent: agent.send_task_update("completed", num_turns="2"), TypeError, "num_turns"),
        (lambda agent: agent.on("unknown", print), ValueError, "unknown"),
        (lambda agent: agent.on("connected", 5), TypeError, "function"),
        (lambda agent: agent.on_error(lambda one, two: None), TypeError, "on_error"),
        (lambda agent: agent.on_task(5), TypeError, "on_task"),
        (lambda agent: agent.on_task(lambda: None), TypeError, "one argument"),
        (lambda agent: agent.on_command("two words", print), ValueError, "one word"),
        (lambda agent: agent.on_command("//draw", print), ValueError, "one word"),
        (lambda agent: agent.call_action("", {}), ValueError, "action"),
        (lambda agent: agent.call_action("a", []), TypeError, "arguments"),
        (lambda agent: agent.call_action("a", {"x": object()}), TypeError, r"arguments\['x'\]"),
        (lambda agent: agent.call_action("a", {}, timeout=0), ValueError, "timeout"),
        (lambda agent: agent.call_action("a", {}, dry_run="yes"), TypeError, "dry_run"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(server, online, move, error, named):
    before = len([frame for frame in server.frames if frame.direction == "in"])
    with pytest.raises(error, match=named):
        move(online)
    assert server.conversation().say("hi").wait(5) == "completed"
    after = [frame.type for frame in server.frames if frame.direction == "in"][before:]
    assert after == ["agent_complete"]


@pytest.mark.parametrize(
    ("task", "error"),
    [
        ({"conversationId": "c", "content": "x"}, "missing_task_id"),
        ({"taskId": 7, "content": "x"}, "missing_task_id"),
        ({"taskId": ["x"], "content": "x"}, "missing_task_id"),
        ({"taskId": "t1", "conversationId": "c"}, "missing_content"),
        ({"taskId": "t1", "content": 7}, "invalid_content"),
    ],
)
def test_malformed_tasks_are_answered(server, online, task, error):
    server.send_frame({"type": "task", **task})
    frame = server.wait_for_frame("agent_error", 5, error=error)
    assert frame.frame.get("taskId") == (task["taskId"] if isinstance(task.get("taskId"), str) else None)
    assert server.conversation().say("hi").wait(5) == "completed"


def test_without_a_handler_tasks_are_answered(server, make_agent):
    make_agent(server).connect(5)
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == ("error", "no_task_handler")


@pytest.mark.parametrize("kind", ["cron_wakeup", "trigger"])
def test_wakeups_have_no_conversation(make_agent, kind):
    with LocalServer(generation="august") as server:
        agent = make_agent(server)
        agent.on_task(lambda task: f"{task.task_kind} {task.conversation_id} {task.content!r}")
        agent.connect(5)
        reply = server.send_task(taskKind=kind, senderUserId="u")
        assert (reply.wait(5), reply.text) == ("completed", f"{kind} None ''")


GARBAGE = [
    "not json",
    "",
    "[]",
    "null",
    "7",
    '"text"',
    "{",
    "[" * 100_000,
    '{"type":' + "[" * 50_000 + "]" * 50_000 + "}",
    '{"type":NaN}',
    '{"type":null}',
    '{"type":{}}',
    '{"no":"type"}',
    '{"type":"task","taskId":"' + "x" * 100_000 + '","content":1}',
    '{"type":"auth_ok","agentId":[],"onboardingSeed":7}',
    '{"type":"pong","extra":' + "9" * 1000 + "}",
    '{"type":"action_result","id":{},"status":[]}',
    '{"type":"voice_offer","sdp":"x"}',
    '{"type":"task","taskId":"odd","content":"hi","members":7,"history":[1,{"role":2}],'
    '"attachments":{"a":1},"replyTo":[],"availableSkills":[null],"conversationId":[1]}',
]


def test_garbage_is_survived(server, online):
    for text in GARBAGE:
        server.send_frame(text)
    for kind in ("json", "binary"):
        server.inject("garbage", kind=kind)
    assert server.conversation().say("hi").wait(5) == "completed"
    assert online.stats().connections == 1
    assert online.stats().frames_ignored > 10


@pytest.mark.parametrize("kind", ["utf8", "masked", "reserved"])
def test_a_broken_protocol_is_told_and_reconnected(server, online, kind):
    errors, causes = [], []
    lost = threading.Event()
    online.on_error(errors.append)

    @online.on_disconnected
    def disconnected(cause):
        causes.append(cause)
        lost.set()

    server.inject("garbage", kind=kind)
    server.wait_for_agent(5, times=2)
    assert lost.wait(5)
    assert "broke the WebSocket protocol" in str(causes[0])
    # One message was lost with the connection whose text was not UTF-8.
    assert [type(error) for error in errors] == ([ProtocolError] if kind == "utf8" else [])
    assert online.stats().messages_dropped == len(errors)
    assert server.conversation().say("hi").wait(5) == "completed"


@pytest.mark.parametrize("fragments", [1, 10, 5_000])
def test_an_oversized_message_is_reported_and_the_next_task_served(server, make_agent, fragments):
    agent = make_agent(server, max_frame_bytes=100_000)
    agent.on_task(lambda task: "fine")
    errors = []
    reported = threading.Event()

    @agent.on_error
    def heard(error):
        errors.append(error)
        reported.set()

    agent.connect(5)
    server.inject("oversize", size=1_000_000, fragments=fragments)
    assert server.conversation().say("hi").wait(5) == "completed"
    assert reported.wait(5)
    assert isinstance(errors[0], FrameTooLargeError)
    assert (errors[0].size, errors[0].limit) == (1_000_000, 100_000)
    assert agent.stats().connections == 1


@pytest.mark.slow
def test_a_message_too_large_to_pass_by_is_reported_and_the_next_task_served(caplog):
    answered = threading.Event()
    errors: list[FrameTooLargeError] = []

    def log_in(peer: Peer) -> None:
        peer.upgrade()
        peer.read_frame()
        peer.send(frame(b'{"type":"auth_ok","agentName":"Agent"}'))

    def announce(peer: Peer) -> None:
        log_in(peer)
        peer.send(frame(b'{"type":', announce=1 << 62))
        peer.until_gone()

    def ask(peer: Peer) -> None:
        log_in(peer)
        peer.send(frame(b'{"type":"task","taskId":"t","content":"hi"}'))
        assert json.loads(peer.read_frame()[1])["content"] == "fine"
        answered.set()
        peer.until_gone()

    with serving(announce, ask) as server:
        agent = ArinovaAgent(server_url=server.url, bot_token="ari_x", reconnect_interval=0.01)
        agent.on_task(lambda task: "fine")
        agent.on_error(errors.append)
        agent.connect(5)
        assert answered.wait(5)
        agent.disconnect()
    assert [(error.size, error.limit) for error in errors] == [(1 << 62, 16 << 20)]
    assert "max_frame_bytes" in str(errors[0])
    assert "max_frame_bytes" in caplog.text


def test_reports_need_an_agent_that_runs(server, make_agent):
    agent = make_agent(server)
    agent.connect(5)
    agent.disconnect()
    for move in (
        lambda: agent.send_hud({}),
        lambda: agent.call_action("a", {}),
        lambda: agent.report_action_progress("c", "a", {}),
    ):
        with pytest.raises(ConnectionLost, match="connect"):
            move()


def test_no_token_and_no_text_in_the_log(server, make_agent, caplog):
    caplog.set_level("DEBUG", logger="arinova_agent_sync")
    agent = make_agent(server)
    agent.on_task(lambda task: "the secret answer")
    agent.connect(5)
    server.conversation().say("the secret question").wait(5)
    server.inject("drop")
    server.wait_for_agent(5, times=2)
    agent.disconnect()
    records = [record.getMessage() for record in caplog.records if record.name == "arinova_agent_sync"]
    log = "\n".join(records)
    assert "type=task" in log or "type='task'" in log
    assert "secret" not in log
    assert server.bot_token not in log


def test_text_messages_are_counted(server, online):
    assert online.stats().frames_received == 1  # auth_ok
    server.send_frame({"type": "voice_offer"})
    server.send_frame(b"binary")
    assert server.conversation().say("hi").wait(5) == "completed"
    stats = online.stats()
    assert (stats.frames_received, stats.frames_ignored) == (3, 1)
