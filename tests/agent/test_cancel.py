"""The stop button."""

from __future__ import annotations

import threading
import time

import pytest

from arinova_agent_sync import TaskCancelled
from arinova_agent_sync.local import LocalServer

from ..conftest import holding


@pytest.fixture
def stopped_handler(server, make_agent):
    """Run a handler until it is cancelled; return what it saw."""

    def run(handler):
        agent = make_agent(server)
        started, cancelled, over = threading.Event(), threading.Event(), threading.Event()
        seen = []

        @agent.on_task
        def handle(task):
            task.on_cancel(cancelled.set)
            started.set()
            try:
                handler(task, cancelled)
            except BaseException as error:
                seen.append(error)
                raise
            finally:
                over.set()

        agent.connect(5)
        reply = server.conversation().say("hi")
        assert started.wait(5)
        assert reply.cancel()
        assert over.wait(5)
        assert reply.wait(5) == "cancelled"
        frame = server.wait_for_frame("agent_error", 5, taskId=reply.message_id)
        assert (frame["error"], frame["reason"]) == ("cancelled", "cancelled")
        return seen, agent

    return run


@pytest.mark.parametrize(
    "move",
    [
        lambda task: task.send_chunk("late"),
        lambda task: task.send_chunk(""),
        lambda task: task.send_complete("late"),
        lambda task: task.send_error("late"),
        lambda task: task.dismiss(),
        lambda task: task.stream(["late"]),
        lambda task: task.raise_if_cancelled(),
    ],
    ids=["chunk", "empty chunk", "complete", "error", "dismiss", "stream", "raise_if_cancelled"],
)
def test_the_next_send_raises_in_the_handler(stopped_handler, move):
    def handler(task, cancelled):
        assert task.cancelled.wait(5)
        assert task.cancelled.is_set()
        assert cancelled.wait(5)
        move(task)

    seen, agent = stopped_handler(handler)
    assert isinstance(seen[0], TaskCancelled)
    assert not isinstance(seen[0], Exception)
    assert agent.stats().tasks_cancelled == 1
    assert agent.stats().tasks_failed == 0


def test_other_threads_send_into_nothing(stopped_handler):
    def handler(task, cancelled):
        assert cancelled.wait(5)
        errors = []

        def send():
            try:
                task.send_chunk("late")
                task.send_complete("late")
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=send)
        thread.start()
        thread.join(5)
        assert errors == []

    seen, _ = stopped_handler(handler)
    assert seen == []


def test_a_generator_is_closed_on_its_own_worker(server, make_agent):
    agent = make_agent(server)
    closed = threading.Event()
    where: list[str] = []

    @agent.on_task
    def handle(task):
        try:
            while True:
                yield "more and more "
        finally:
            where.append(threading.current_thread().name)
            closed.set()

    agent.connect(5)
    reply = server.conversation().say("hi")
    reply.wait_for_text("more", 5)
    reply.cancel()
    assert closed.wait(5)
    assert where[0].startswith("arinova-worker-")


def test_an_async_handler_is_cancelled_while_it_waits(server, make_agent):
    import asyncio

    agent = make_agent(server)
    started, ended = threading.Event(), threading.Event()

    @agent.on_task
    async def handle(task):
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert started.wait(5)
    reply.cancel()
    assert ended.wait(5)


def test_the_next_task_starts_while_the_cancelled_handler_still_blocks(server, make_agent):
    agent, release = make_agent(server, max_workers=1), threading.Event()
    started = threading.Event()

    @agent.on_task
    def handle(task):
        started.set()
        if task.content == "block":
            assert release.wait(10)
        return f"did {task.content}"

    agent.connect(5)
    conversation = server.conversation()
    blocked = conversation.say("block")
    assert started.wait(5)
    blocked.cancel()
    reply = conversation.say("next")
    assert (reply.wait(5), reply.text) == ("completed", "did next")
    frames = [f for f in server.frames if f.direction == "in" and f.type in ("agent_error", "agent_complete")]
    assert [frame["taskId"] for frame in frames] == [blocked.message_id, reply.message_id]
    assert agent.stats().leftovers == 1
    release.set()


@pytest.mark.slow
def test_fifty_cancelled_handlers_in_blocking_calls_do_not_starve_the_agent(server, make_agent):
    agent, release = make_agent(server, max_workers=16), threading.Event()
    running = threading.Semaphore(0)

    @agent.on_task
    def handle(task):
        if task.content == "block":
            running.release()
            release.wait(20)
            return None
        return "served"

    agent.connect(5)
    try:
        for _ in range(50):
            reply = server.conversation().say("block")
            assert running.acquire(timeout=5)
            reply.cancel()
        reply = server.conversation().say("hello")
        assert (reply.wait(5), reply.text) == ("completed", "served")
        assert agent.stats().leftovers == 50
        started = time.monotonic()
        agent.disconnect(1.0)
        assert time.monotonic() - started < 5
    finally:
        release.set()


def test_no_heartbeats_for_a_cancelled_task_whose_handler_goes_on(server, make_agent):
    agent, release = make_agent(server, _heartbeat_interval=0.03), threading.Event()

    @agent.on_task
    def handle(task):
        release.wait(20)

    agent.connect(5)
    try:
        stopped, other = (server.conversation().say(text) for text in ("stop me", "go on"))
        server.wait_for_frame("agent_heartbeat", 5, taskId=stopped.message_id)
        stopped.cancel()
        end = server.wait_for_frame("agent_error", 5, taskId=stopped.message_id)
        beat = server.wait_for_frame("agent_heartbeat", 5, after=end, taskId=other.message_id)
        beat = server.wait_for_frame("agent_heartbeat", 5, after=beat, taskId=other.message_id)
        beats = server.frames[server.frames.index(end) : server.frames.index(beat)]
        assert {frame["taskId"] for frame in beats if frame.type == "agent_heartbeat"} == {other.message_id}
    finally:
        release.set()


def test_past_the_leftovers_new_tasks_wait_with_a_warning(server, make_agent, package_log):
    agent, release = make_agent(server, max_workers=1, _leftover_factor=2), threading.Event()
    running = threading.Semaphore(0)

    @agent.on_task
    def handle(task):
        if task.content == "block":
            running.release()
            release.wait(20)
        return "served"

    agent.connect(5)
    try:
        for _ in range(2):
            reply = server.conversation().say("block")
            assert running.acquire(timeout=5)
            reply.cancel()
        reply = server.conversation().say("hello")
        server.wait_for_frame("task_queued", 5, taskId=reply.message_id)
        package_log.wait_for("still run", 5)
    finally:
        release.set()
    assert (reply.wait(5), reply.text) == ("completed", "served")


def test_a_waiting_task_is_cancelled_before_it_starts(make_agent):
    # A stale stream lets the server send a second task into a conversation.
    with LocalServer(stale_after=1e-6, duplicate_window=0) as server:
        agent, release = make_agent(server), threading.Event()
        ran: list[str] = []

        @agent.on_task
        def handle(task):
            ran.append(task.content)
            assert release.wait(5)
            return "done"

        agent.connect(5)
        conversation = server.conversation()
        first, second = conversation.say("first"), conversation.say("second")
        server.wait_for_frame("task_queued", 5, taskId=second.message_id)
        second.cancel()
        server.wait_for_frame("agent_error", 5, taskId=second.message_id)
        release.set()
        assert first.wait(5) == "completed"
        agent.disconnect()
        assert ran == ["first"]


def test_cancelled_chunks_do_not_leave_any_more(server, make_agent):
    agent = make_agent(server)
    sent = threading.Event()

    @agent.on_task
    def handle(task):
        task.send_chunk("before")
        sent.set()
        assert task.cancelled.wait(5)
        task.send_chunk("after")

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert sent.wait(5)
    reply.wait_for_text("before", 5)
    reply.cancel()
    agent.disconnect()
    chunks = [frame["chunk"] for frame in server.frames if frame.type == "agent_chunk"]
    assert chunks == ["before"]


def test_on_cancel_after_the_cancel_is_called_at_once(server, make_agent):
    agent, called, started = make_agent(server), threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        started.set()
        assert task.cancelled.wait(5)
        task.on_cancel(called.set)

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert started.wait(5)
    reply.cancel()
    assert called.wait(5)


def test_on_cancel_may_block_without_delaying_the_agent(server, make_agent):
    agent, release = make_agent(server), threading.Event()
    started = threading.Event()

    @agent.on_task
    def handle(task):
        if task.content != "first":
            return "served"
        task.on_cancel(lambda: release.wait(10))
        started.set()
        task.cancelled.wait(5)
        return None

    agent.connect(5)
    conversation = server.conversation()
    first = conversation.say("first")
    assert started.wait(5)
    first.cancel()
    assert conversation.say("second").wait(5) == "completed"
    release.set()


def test_odd_cancels_are_survived(server, make_agent):
    agent = make_agent(server)
    agent.on_task(lambda task: "fine")
    agent.connect(5)
    for task_id in (None, 7, ["a"], {}, "unknown"):
        server.send_frame({"type": "cancel_task", "taskId": task_id})
    assert server.conversation().say("hi").wait(5) == "completed"


def test_what_waits_of_a_cancelled_task_does_not_leave(server, make_agent):
    agent, said, done = make_agent(server), threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        with holding(agent._engine.writer):  # everything waits now
            task.send_chunk("never to be seen")
            said.set()
            assert task.cancelled.wait(5)
        done.set()

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert said.wait(5)
    reply.cancel()
    assert done.wait(5)
    agent.send_telemetry("push", {})
    server.wait_for_frame("agent_error", 5, taskId=reply.message_id)
    assert "agent_chunk" not in [frame.type for frame in server.frames]


def test_who_raises_it_though_nobody_pressed_stop_has_failed(server, make_agent):
    agent = make_agent(server)

    @agent.on_task
    def handle(task):
        raise TaskCancelled("on a whim")

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == ("error", "on a whim")
    assert agent.stats().tasks_failed == 1
