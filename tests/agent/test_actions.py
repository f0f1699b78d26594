"""Action calls: results, progress, failures.

The March 2026 server ignores the calls, so the tests answer them themselves.
"""

from __future__ import annotations

import threading

import pytest

from arinova_agent_sync import ActionError, ActionTimeout, TaskCancelled
from arinova_agent_sync.local import LocalServer


@pytest.fixture
def online(server, make_agent):
    agent = make_agent(server)
    agent.connect(5)
    return agent


def result(call_id: str, status: str, **fields: object) -> dict[str, object]:
    return {"type": "action_result", "id": call_id, "action": "note.create", "status": status, **fields}


def called(online, **options: object):
    """Start a call in a thread; return its box of outcomes and the thread."""
    box: list[object] = []

    def call() -> None:
        try:
            box.append(online.call_action("note.create", {"title": "x"}, **options))
        except BaseException as error:
            box.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    return box, thread


def test_the_exact_frame(server, online):
    box, thread = called(
        online,
        call_id="call_1",
        task_id="t",
        conversation_id="c",
        message_id="m",
        parent_call_id="p",
        reason="because",
        metadata={"k": 1},
        dry_run=True,
    )
    frame = server.wait_for_frame("action_call", 5).frame
    assert frame == {
        "type": "action_call",
        "id": "call_1",
        "action": "note.create",
        "arguments": {"title": "x"},
        "taskId": "t",
        "conversationId": "c",
        "messageId": "m",
        "parentCallId": "p",
        "reason": "because",
        "metadata": {"k": 1},
        "dryRun": True,
    }
    server.send_frame(result("call_1", "success", result={"id": "n1"}))
    thread.join(5)
    assert box[0].result == {"id": "n1"}


def test_a_call_gets_an_id(server, online):
    box, thread = called(online)
    frame = server.wait_for_frame("action_call", 5)
    assert frame["id"].startswith("call_")
    assert len(frame["id"]) == len("call_") + 32
    assert set(frame.frame) == {"type", "id", "action", "arguments"}
    server.send_frame(result(frame["id"], "success"))
    thread.join(5)
    assert box[0].status == "success"


def test_progress_does_not_settle_a_call(server, online):
    box, thread = called(online, call_id="call_1")
    server.wait_for_frame("action_call", 5)
    for status in ("received", "validating", "processing"):
        server.send_frame(result("call_1", status))
    server.send_frame(
        result("call_1", "error", error={"code": "denied", "message": "no", "details": {"a": 1}})
    )
    thread.join(5)
    settled = box[0]
    assert (settled.status, settled.error.code, settled.error.message) == ("error", "denied", "no")
    assert settled.error.details == {"a": 1}


def test_a_confirmation(server, online):
    box, thread = called(online, call_id="call_1")
    server.wait_for_frame("action_call", 5)
    confirmation = {"confirmationId": "k1", "title": "Sure?", "summary": "s", "expiresAt": "soon"}
    server.send_frame(result("call_1", "requires_confirmation", confirmation=confirmation))
    thread.join(5)
    assert box[0].confirmation.confirmation_id == "k1"


def test_a_call_that_is_not_settled_times_out(online):
    with pytest.raises(ActionTimeout, match=r"action_call note.create \(call_1\) timed out"):
        online.call_action("note.create", {}, call_id="call_1", timeout=0.05)


def test_a_lost_connection_fails_the_call(server, online):
    box, thread = called(online, call_id="call_1")
    server.wait_for_frame("action_call", 5)
    server.inject("drop")
    thread.join(5)
    assert isinstance(box[0], ActionError)
    assert str(box[0]) == "action_call call_1 cancelled by connection lost"


def test_disconnect_fails_the_call(server, online):
    box, thread = called(online, call_id="call_1")
    server.wait_for_frame("action_call", 5)
    online.disconnect()
    thread.join(5)
    assert str(box[0]) == "action_call call_1 cancelled by disconnect"


def test_an_id_in_flight_is_refused(server, online):
    _, thread = called(online, call_id="call_1")
    server.wait_for_frame("action_call", 5)
    with pytest.raises(ValueError, match="in flight"):
        online.call_action("note.create", {}, call_id="call_1")
    server.send_frame(result("call_1", "success"))
    thread.join(5)


def test_a_task_fills_in_where_it_belongs(make_agent):
    with LocalServer(generation="august") as server:
        agent = make_agent(server)

        @agent.on_task
        def handle(task):
            return str(task.call_action("note.create", {"title": "x"}).result["number"])

        server.on_action("note.create", lambda arguments: {"number": 7})
        agent.connect(5)
        conversation = server.conversation()
        reply = conversation.say("hi")
        assert (reply.wait(5), reply.text) == ("completed", "7")
        frame = server.wait_for_frame("action_call", 5)
        assert (frame["taskId"], frame["messageId"]) == (reply.message_id, reply.message_id)
        assert frame["conversationId"] == conversation.id


def test_the_call_of_a_cancelled_task_returns_at_once(server, make_agent):
    agent, raised = make_agent(server), threading.Event()

    @agent.on_task
    def handle(task):
        try:
            task.call_action("note.create", {}, timeout=30)
        except TaskCancelled:
            raised.set()
            raise

    agent.connect(5)
    reply = server.conversation().say("hi")
    server.wait_for_frame("action_call", 5)
    reply.cancel()
    assert raised.wait(5)


def test_a_stray_result_is_ignored(server, online):
    server.send_frame(result("unknown", "success"))
    online.on_task(lambda task: "fine")
    assert server.conversation().say("hi").wait(5) == "completed"


def test_an_unknown_option_is_refused(online):
    with pytest.raises(TypeError, match="call_action"):
        online.call_action("note.create", {}, call_idd="call_1")
