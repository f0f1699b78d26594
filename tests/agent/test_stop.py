"""disconnect(): drain, cancel, part, within one deadline."""

from __future__ import annotations

import threading
import time

import pytest

from arinova_agent_sync import AuthenticationError
from arinova_agent_sync.local import LocalServer

from ..conftest import descriptors


def test_running_handlers_finish_and_waiting_tasks_are_answered(server, make_agent):
    agent = make_agent(server, concurrency_mode="agent-wide")
    started, go_on = threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        started.set()
        assert go_on.wait(5)
        yield "finished"

    agent.connect(5)
    running, waiting = [server.conversation().say(text) for text in ("one", "two")]
    assert started.wait(5)
    server.wait_for_frame("task_queued", 5, taskId=waiting.message_id)
    stopper = threading.Thread(target=agent.disconnect)
    stopper.start()
    assert (waiting.wait(5), waiting.text) == ("error", "The agent is shutting down.")
    late = server.conversation().say("late")
    assert (late.wait(5), late.text) == ("error", "The agent is shutting down.")
    go_on.set()
    assert (running.wait(5), running.text) == ("completed", "finished")
    stopper.join(5)
    assert agent.stats().life == "stopped"


def test_detached_tasks_are_waited_for(server, make_agent):
    agent, tasks = make_agent(server), []
    arrived = threading.Event()

    @agent.on_task
    def handle(task):
        task.detach()
        tasks.append(task)
        arrived.set()

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert arrived.wait(5)
    stopper = threading.Thread(target=agent.disconnect)
    stopper.start()
    while agent.stats().life != "draining":
        time.sleep(0.001)
    stopper.join(0.2)
    assert stopper.is_alive()
    tasks[0].send_complete("in time")
    stopper.join(5)
    assert not stopper.is_alive()
    assert (reply.wait(5), reply.text) == ("completed", "in time")


@pytest.mark.slow
def test_a_handler_that_never_returns_is_left_behind_and_named(server, make_agent, caplog):
    agent, release, started = make_agent(server), threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        started.set()
        release.wait(20)
        task.send_chunk("nobody hears this")  # quiet after disconnect

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert started.wait(5)
    begin = time.monotonic()
    agent.disconnect(0.5)
    assert time.monotonic() - begin < 10
    assert reply.wait(5) == "error"
    frame = server.wait_for_frame("agent_error", 5, taskId=reply.message_id)
    assert frame["reason"] == "cancelled"
    assert f"the handler of task {reply.message_id}" in caplog.text
    release.set()


def test_a_generator_that_never_ends_is_ended(server, make_agent):
    agent, closed = make_agent(server), threading.Event()

    @agent.on_task
    def handle(task):
        try:
            while True:
                yield "on and on "
                time.sleep(0.001)
        finally:
            closed.set()

    agent.connect(5)
    reply = server.conversation().say("hi")
    reply.wait_for_text("on and on", 5)
    agent.disconnect(0.5)
    assert closed.wait(5)


def test_other_conversations_go_on_beside_a_handler_that_never_returns(server, make_agent):
    agent, release = make_agent(server), threading.Event()

    @agent.on_task
    def handle(task):
        if task.content == "hang":
            release.wait(20)
            return None
        return "served"

    agent.connect(5)
    server.conversation().say("hang")
    for _ in range(3):
        assert server.conversation().say("hi").wait(5) == "completed"
    agent.disconnect(0.3)
    release.set()


def test_the_close_frame_is_1000_and_comes_last(server, make_agent):
    agent = make_agent(server)
    agent.on_task(lambda task: "bye")
    agent.connect(5)
    server.conversation().say("hi").wait(5)
    agent.disconnect()
    server.wait_for_disconnect(5)
    last = [frame for frame in server.frames if frame.direction == "in"][-1]
    assert last.frame == (1000).to_bytes(2, "big")


def test_what_waits_leaves_before_the_end(make_agent):
    with LocalServer(duplicate_window=0) as server:
        agent = make_agent(server)
        text = "word " * 2_000
        started = threading.Event()

        @agent.on_task
        def handle(task):
            started.set()
            for start in range(0, len(text), 500):
                yield text[start : start + 500]

        agent.connect(5)
        with server.inject("slow-reads", bytes_per_second=2_000_000):
            reply = server.conversation().say("hi")
            assert started.wait(5)
            agent.disconnect(5)
        assert (reply.wait(5), reply.text == text) == ("completed", True)


@pytest.mark.slow
def test_disconnect_while_a_peer_stopped_reading_keeps_its_deadline(server, make_agent):
    agent = make_agent(server, send_timeout=30.0)
    started, stalled = threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        task.send_chunk("begin")
        started.set()
        assert stalled.wait(5)
        for _ in range(2_000):
            task.send_chunk("x" * 10_000)

    agent.connect(5)
    server.conversation().say("hi")
    assert started.wait(5)
    server.inject("half-open")
    stalled.set()
    begin = time.monotonic()
    agent.disconnect(1.0)
    assert time.monotonic() - begin < 5
    server.heal()


@pytest.mark.slow
def test_the_deadline_holds_while_the_pinger_writes_to_a_slow_peer(server, make_agent):
    # Nobody waits for the end here, so nobody else would wake the pinger.
    agent = make_agent(server, send_timeout=30.0)
    agent.connect(5)
    server.inject("slow-reads", bytes_per_second=20_000)
    for _ in range(600):  # more than the kernel holds
        with agent._engine.state.lock:
            agent._engine.state.outbox.add_frame(b'{"type":"%s"}' % (b"x" * 10_000))
    with agent._engine.state.lock:
        agent._engine.state.flush_soon()
    stopped = threading.Event()
    agent._engine.shutdown.on_ended(stopped.set)
    time.sleep(0.2)  # it may begin later: then there is less to see, and nothing to fail
    begin = time.monotonic()
    agent._engine.shutdown.stop(1.0)
    assert stopped.wait(20)
    assert time.monotonic() - begin < 4
    server.heal()


@pytest.mark.parametrize("calls", [2, 5])
def test_disconnect_from_many_threads(server, make_agent, calls):
    agent = make_agent(server)
    agent.connect(5)
    threads = [threading.Thread(target=agent.disconnect) for _ in range(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


def test_a_second_disconnect_may_shorten_the_first(server, make_agent):
    agent, release, started = make_agent(server), threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        started.set()
        release.wait(20)

    agent.connect(5)
    server.conversation().say("hi")
    assert started.wait(5)
    patient = threading.Thread(target=agent.disconnect, args=(60,))
    patient.start()
    begin = time.monotonic()
    agent.disconnect(0.2)
    patient.join(20)
    assert time.monotonic() - begin < 15
    release.set()


@pytest.mark.slow
def test_a_second_disconnect_does_not_lengthen_the_first(server, make_agent):
    agent, release, started = make_agent(server), threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        started.set()
        release.wait(20)

    agent.connect(5)
    server.conversation().say("hi")
    assert started.wait(5)
    hurried = threading.Thread(target=agent.disconnect, args=(0.5,))
    hurried.start()
    while agent.stats().life != "draining":
        time.sleep(0.001)
    begin = time.monotonic()
    agent.disconnect(60)
    assert time.monotonic() - begin < 15
    hurried.join(5)
    release.set()


def test_after_the_end_a_handler_that_goes_on_sends_into_nothing(server, make_agent):
    agent, release, started = make_agent(server), threading.Event(), threading.Event()
    over, errors = threading.Event(), []

    @agent.on_task
    def handle(task):
        started.set()
        assert release.wait(20)
        try:
            task.send_chunk("late")
            task.send_complete("late")
        except BaseException as error:
            errors.append(error)
        over.set()

    agent.connect(5)
    server.conversation().say("hi")
    assert started.wait(5)
    agent.disconnect(0.1)
    release.set()
    assert over.wait(5)
    assert errors == []


@pytest.mark.slow
def test_a_handler_that_goes_on_after_its_answer_is_waited_for(server, make_agent):
    agent, release, over = make_agent(server), threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        task.send_complete("the answer")
        release.wait(20)
        over.set()

    agent.connect(5)
    assert server.conversation().say("hi").wait(5) == "completed"
    stopper = threading.Thread(target=agent.disconnect)
    stopper.start()
    stopper.join(0.8)
    assert stopper.is_alive()
    release.set()
    stopper.join(5)
    assert over.is_set()
    assert not stopper.is_alive()


def test_a_refusal_during_the_end_makes_it_no_failure(server, make_agent):
    agent, release, started = make_agent(server, auth_attempts=1_000), threading.Event(), threading.Event()
    lost = threading.Event()
    agent.on_disconnected(lost.set)

    @agent.on_task
    def handle(task):
        started.set()
        release.wait(20)

    agent.connect(5)
    server.conversation().say("hi")
    assert started.wait(5)
    with server.inject("refuse-auth", error="busy", retryable=True):
        server.inject("drop")
        assert lost.wait(5)
        stopper = threading.Thread(target=agent.disconnect)
        stopper.start()
        while agent.stats().life != "draining":
            time.sleep(0.001)
        refused = server.wait_for_frame("agent_auth", 5, after=server.frames[-1])
        server.wait_for_frame(
            "agent_auth", 5, after=refused
        )  # it goes on trying: an answer may be on its way
        release.set()
        stopper.join(5)
    assert agent.wait(5) is True
    assert agent.stats().life == "stopped"


@pytest.mark.parametrize("by_itself", [False, True])
def test_nothing_stays_open_although_the_agent_is_kept(server, make_agent, by_itself):
    before = descriptors()
    agent = make_agent(server, auth_attempts=1)

    @agent.on_task
    def handle(task):
        return str(len(list(agent.api.messages.history(task.conversation_id))))

    agent.connect(5)
    assert server.conversation().say("how many?").wait(5) == "completed"
    if by_itself:
        server.inject("refuse-auth")
        server.inject("drop")
        with pytest.raises(AuthenticationError):
            agent.wait(5)
    else:
        agent.disconnect()
    deadline = time.monotonic() + 2
    while (left := descriptors() - before) and time.monotonic() < deadline:
        time.sleep(0.01)  # the server hears of it a moment later
    assert not left


def test_open_tasks_are_those_without_an_end(server, make_agent):
    agent = make_agent(server)
    started, go_on = threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        started.set()
        assert go_on.wait(5)
        return "done"

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert started.wait(5)
    assert agent._engine.state.open_tasks() == 1
    go_on.set()
    assert reply.wait(5) == "completed"
    agent.disconnect()
