"""What happens to tasks, chunks and answers while there is no connection."""

from __future__ import annotations

import threading

import pytest

from arinova_agent_sync import ActionError, ConnectionLost
from arinova_agent_sync.local import LocalServer


@pytest.fixture
def august():
    """A server on which tasks outlive a reconnect."""
    with LocalServer(generation="august", duplicate_window=0) as server:
        yield server


class Outage:
    """Drop the connection, and keep the agent away until it is healed."""

    def __init__(self, server: LocalServer, agent) -> None:
        self.server, self.agent = server, agent
        self.times = 1

    def __enter__(self) -> None:
        lost = threading.Event()
        self.agent.on("disconnected", lost.set)
        self.server.inject("refuse-auth", error="busy", retryable=True)
        self.server.inject("drop")
        assert lost.wait(5)
        self.agent.off("disconnected", lost.set)

    def __exit__(self, *exc_info: object) -> None:
        self.times += 1
        self.server.heal("refuse-auth")
        self.server.wait_for_agent(5, times=self.times)


def test_a_stream_goes_on_where_it_was(august, make_agent):
    agent = make_agent(august, auth_attempts=1000)
    outage = Outage(august, agent)
    steps = threading.Semaphore(0)
    said = threading.Semaphore(0)

    @agent.on_task
    def handle(task):
        for word in ("one ", "two ", "three ", "four"):
            assert steps.acquire(timeout=5)
            yield word
            said.release()

    agent.connect(5)
    reply = august.conversation().say("count")
    steps.release()
    reply.wait_for_text("one ", 5)
    with outage:
        for _ in range(2):
            steps.release()
            assert said.acquire(timeout=5)
        assert said.acquire(timeout=5)
        assert agent.stats().buffered_bytes > 0
    steps.release()
    assert (reply.wait(5), reply.text) == ("completed", "one two three four")
    chunks = [frame["chunk"] for frame in august.frames if frame.type == "agent_chunk"]
    assert chunks[0] == "one "
    assert chunks[1].startswith("two three ")  # what waited was merged


def test_an_answer_that_ended_in_the_outage_is_delivered(august, make_agent):
    agent = make_agent(august, auth_attempts=1000)
    outage = Outage(august, agent)
    go_on, done = threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        assert go_on.wait(5)
        task.send_chunk("late ")
        task.send_complete("late answer")
        done.set()

    agent.connect(5)
    reply = august.conversation().say("hi")
    august.wait_for_frame("task", 5, direction="out")
    with outage:
        go_on.set()
        assert done.wait(5)
    assert (reply.wait(5), reply.text) == ("completed", "late answer")


def test_queued_tasks_live_on(august, make_agent):
    agent = make_agent(august, auth_attempts=1000, concurrency_mode="agent-wide")
    outage = Outage(august, agent)
    go_on = threading.Event()

    @agent.on_task
    def handle(task):
        assert go_on.wait(5)
        return f"did {task.content}"

    agent.connect(5)
    replies = [august.conversation().say(text) for text in ("a", "b", "c")]
    august.wait_for_frame("task_queued", 5, taskId=replies[2].message_id)
    with outage:
        go_on.set()
    assert [(reply.wait(5), reply.text) for reply in replies] == [
        ("completed", f"did {text}") for text in "abc"
    ]


def test_text_past_the_bound_is_lost_with_a_gap(august, make_agent, caplog):
    agent = make_agent(august, auth_attempts=1000, max_buffered_bytes=200_000)
    outage = Outage(august, agent)
    go_on, done = threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        task.send_chunk("begin ")
        assert go_on.wait(5)
        for number in range(40):
            task.send_chunk(f"{number:02d}" * 5_000)
        done.set()

    agent.connect(5)
    reply = august.conversation().say("hi")
    reply.wait_for_text("begin", 5)
    with outage:
        go_on.set()
        assert done.wait(5)
    reply.wait(5)
    gap = august.wait_for_frame("agent_stream_gap", 5)
    assert gap["reason"] == "offline_chunk_buffer_expired"
    assert len([frame for frame in august.frames if frame.type == "agent_stream_gap"]) == 1
    assert reply.text.startswith("begin ")
    assert reply.text.endswith("39" * 5_000)
    assert len(reply.text) < 40 * 10_000
    assert "text was lost" in caplog.text
    assert agent.stats().frames_dropped > 0


def test_a_user_hears_of_a_drop_and_of_the_return(server, make_agent):
    agent = make_agent(server)
    causes: list[BaseException | None] = []
    errors: list[BaseException] = []
    lost, connected = threading.Event(), threading.Semaphore(0)
    agent.on_error(errors.append)
    agent.on_connected(lambda: connected.release())

    @agent.on_disconnected
    def disconnected(cause):
        causes.append(cause)
        lost.set()

    agent.connect(5)
    server.inject("drop")
    assert lost.wait(5)
    for _ in range(2):
        assert connected.acquire(timeout=5)
    agent.disconnect()
    assert isinstance(causes[0], ConnectionLost)
    assert causes[0].__cause__ is not None
    assert causes[1:] == [None]
    assert errors == []


def test_silence_ends_the_connection(server, make_agent):
    agent = make_agent(server, ping_interval=0.05, ping_timeout=0.15)
    agent.connect(5)
    server.inject("half-open")
    server.wait_for_agent(5, times=2)


@pytest.mark.slow
def test_any_byte_proves_the_peer_alive(server, make_agent):
    agent = make_agent(server, ping_interval=0.05, ping_timeout=1.0)
    agent.connect(5)
    server.inject("no-pongs")
    pings = 0
    last = None
    while pings < 25:  # longer than ping_timeout
        last = server.wait_for_frame("ping", 5, after=last)
        pings += 1
        server.send_frame({"type": "something_new"})
    assert agent.stats().connections == 1


def test_pings_come_at_their_interval(server, make_agent):
    agent = make_agent(server, ping_interval=0.05)
    agent.connect(5)
    first = server.wait_for_frame("ping", 5)
    second = server.wait_for_frame("ping", 5, after=first)
    assert 0.04 < second.time - first.time < 2


def test_heartbeats_for_running_and_waiting_tasks(server, make_agent):
    agent = make_agent(server, concurrency_mode="agent-wide", _heartbeat_interval=0.05)
    go_on = threading.Event()

    @agent.on_task
    def handle(task):
        assert go_on.wait(5)
        return "done"

    agent.connect(5)
    replies = [server.conversation().say(text) for text in ("running", "waiting")]
    for reply in replies:
        server.wait_for_frame("agent_heartbeat", 5, taskId=reply.message_id)
    go_on.set()
    for reply in replies:
        assert reply.wait(5) == "completed"


@pytest.mark.slow
def test_a_write_that_stalls_drops_the_link_and_keeps_what_waited(august, make_agent):
    agent = make_agent(august, send_timeout=0.3, ping_interval=30.0)
    go_on = threading.Event()

    @agent.on_task
    def handle(task):
        assert go_on.wait(5)
        for number in range(100):
            task.send_chunk(f"{number:06d}" * 20_000)
        task.send_chunk("the end")

    agent.connect(5)
    reply = august.conversation().say("hi")
    august.wait_for_frame("task", 5, direction="out")
    august.inject("half-open")
    go_on.set()
    august.wait_for_agent(10, times=2)
    assert reply.wait(10) == "completed"
    assert reply.text.endswith("the end")


def test_messages_and_action_calls_need_a_connection(august, make_agent):
    agent = make_agent(august, auth_attempts=1000)
    agent.connect(5)
    with Outage(august, agent):
        with pytest.raises(ActionError, match="requires an active WebSocket connection"):
            agent.call_action("note.create", {})
        agent.send_telemetry("session_start", {"sessionId": "s1"})  # waits
    august.wait_for_frame("agent_telemetry", 5, event="session_start")


def test_without_a_connection_a_message_goes_over_http_once(august, make_agent):
    agent, conversation = make_agent(august), august.conversation()
    agent.send_message(conversation.id, "before connect()")
    agent.connect(5)
    agent.send_message(conversation.id, "on the socket")
    conversation.wait_for_message(5, content="on the socket")
    agent.disconnect()
    with august.inject("http-drop", done=True, count=1):  # it is taken, and the answer to it gets lost
        agent.send_message(conversation.id, "after disconnect()")
    texts = [message.content for message in conversation.messages]
    assert texts == ["before connect()", "on the socket", "after disconnect()"]
    assert august.wait_for_frame("agent_send", 5)["content"] == "on the socket"
    agent.api.close()


def test_undelivered_answers_are_handed_over(server, make_agent):
    agent = make_agent(server, reconnect_interval=60.0, max_buffered_bytes=1 << 20)
    go_on, lost = threading.Event(), threading.Event()
    results = []
    agent.on_disconnected(lost.set)
    agent.on_undelivered(results.append)

    @agent.on_task
    def handle(task):
        assert go_on.wait(5)
        yield "an answer "
        yield "for nobody"

    agent.connect(5)
    conversation = server.conversation()
    reply = conversation.say("hi")
    server.wait_for_frame("task", 5, direction="out")
    server.inject("drop")
    assert lost.wait(5)
    go_on.set()
    agent.disconnect()
    assert [(r.task_id, r.conversation_id, r.text) for r in results] == [
        (reply.message_id, conversation.id, "an answer for nobody")
    ]


def test_a_known_task_is_not_run_again(server, make_agent):
    agent = make_agent(server)
    ran: list[str] = []

    @agent.on_task
    def handle(task):
        ran.append(task.task_id)
        return "once"

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert reply.wait(5) == "completed"
    again = {"type": "task", "taskId": reply.message_id, "conversationId": "c", "content": "hi"}
    server.send_frame(again)
    server.inject("drop")
    server.wait_for_agent(5, times=2)
    server.send_frame(again)
    assert server.conversation().say("other").wait(5) == "completed"
    assert ran.count(reply.message_id) == 1
    assert agent.stats().tasks_ignored >= 1


def test_a_dismissal_that_cannot_leave_is_handed_over_but_no_cancelling(server, make_agent):
    agent = make_agent(server, reconnect_interval=60.0)
    go_on, release, lost = threading.Event(), threading.Event(), threading.Event()
    dismissed, results = threading.Event(), []
    agent.on_disconnected(lost.set)
    agent.on_undelivered(results.append)
    started = threading.Semaphore(0)

    @agent.on_task
    def handle(task):
        started.release()
        if task.content == "stay":
            release.wait(20)
            return
        assert go_on.wait(5)
        task.dismiss()
        dismissed.set()

    agent.connect(5)
    for text in ("stay", "dismiss"):
        server.conversation().say(text)
        assert started.acquire(timeout=5)
    server.inject("drop")
    assert lost.wait(5)
    go_on.set()
    assert dismissed.wait(5)
    agent.disconnect(0.3)
    stats = agent.stats()
    assert (stats.tasks_cancelled, stats.undelivered) == (1, 2)
    assert [(result.text, result.certain) for result in results] == [
        ("", True)
    ]  # its message goes on streaming
    release.set()
