"""Answers that ended on another connection than their task came on, or may be lost with the one they took."""

from __future__ import annotations

import asyncio
import threading
from queue import Queue

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from arinova_agent_sync import Undelivered
from arinova_agent_sync.local import LocalServer


class Desk:
    """The two HTTP routes that a rescue uses, with a status of the test's choosing."""

    def __init__(self, status: str, delay: float = 0.0) -> None:
        self.status = status
        self.delay = delay  # seconds
        self.sent: list[dict[str, object]] = []
        self.looked, self.posted = threading.Event(), threading.Event()
        self.routes = [
            Route("/api/v1/messages/send", self.send, methods=["POST"]),
            Route("/api/v1/messages/{conversation_id}", self.around),
        ]

    async def around(self, request: Request) -> JSONResponse:
        self.looked.set()
        await asyncio.sleep(self.delay)
        message = {"id": request.query_params["around"], "status": self.status, "content": "late answer"}
        return JSONResponse({"messages": [message], "hasMore": False})

    async def send(self, request: Request) -> JSONResponse:
        self.sent.append(await request.json())
        self.posted.set()
        return JSONResponse({"messageId": "m1", "seq": 1})


def begin(make_agent, desk: Desk, **options: object):
    """Begin a task; return its server, agent and conversation, and the event that lets it answer."""
    server = LocalServer(duplicate_window=0, routes=desk.routes).start()
    agent = make_agent(server, **options)
    started, go_on = threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        started.set()
        assert go_on.wait(5)
        return "late answer"

    agent.connect(5)
    conversation = server.conversation()
    conversation.say("hi")
    assert started.wait(5)
    return server, agent, conversation, go_on


def answer_late(make_agent, desk: Desk, undelivered=print, **options: object):
    """Run a task whose answer ends on the second connection; return its agent and conversation."""
    server, agent, conversation, go_on = begin(make_agent, desk, **options)
    agent.on_undelivered(undelivered)
    server.inject("drop")
    server.wait_for_agent(5, times=2)
    go_on.set()
    server.wait_for_frame("agent_complete", 5)
    return server, agent, conversation


@pytest.mark.slow
def test_an_answer_whose_task_was_given_up_is_sent_as_a_message(make_agent):
    desk = Desk("error")
    server, agent, conversation = answer_late(make_agent, desk)
    with server:
        assert desk.posted.wait(5)
        agent.disconnect()
    assert desk.sent == [{"conversationId": conversation.id, "content": "late answer"}]


@pytest.mark.slow
@pytest.mark.parametrize("late", [False, True])
def test_an_answer_that_the_late_token_of_an_earlier_connection_may_have_ended(make_agent, late):
    desk = Desk("error")
    with LocalServer(duplicate_window=0, routes=desk.routes) as server:
        if late:
            server.inject("late-auth", seconds=3.0, count=1)
        agent = make_agent(server, connect_timeout=0.3, ping_interval=0.1)
        agent.on_task(lambda task: "late answer")
        agent.connect(5)
        assert server.conversation().say("hi").wait(5) == "completed"
        assert desk.posted.wait(5 if late else 0.5) is late
        agent.disconnect()


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_an_answer_whose_task_lives_or_was_stopped_is_not_sent_again(make_agent, status):
    desk = Desk(status)
    server, agent, _ = answer_late(make_agent, desk)
    with server:
        assert desk.looked.wait(5)
        agent.disconnect()
    assert desk.sent == []


@pytest.mark.slow
def test_disconnect_waits_for_an_answer_that_is_being_rescued(make_agent):
    desk = Desk("error", delay=0.8)
    server, agent, _ = answer_late(make_agent, desk)
    with server:
        assert desk.looked.wait(5)
        agent.disconnect()
        assert [message["content"] for message in desk.sent] == ["late answer"]


def test_rescuing_can_be_turned_off(make_agent):
    desk = Desk("error")
    server, agent, _ = answer_late(make_agent, desk, rescue_results=False)
    with server:
        agent.disconnect()
    assert not desk.looked.is_set()


@pytest.mark.slow
def test_what_cannot_be_rescued_is_handed_over(make_agent):
    desk = Desk("error")

    async def fail(request: Request) -> JSONResponse:
        return JSONResponse({"error": "Not a member of this conversation"}, status_code=403)

    desk.routes[0] = Route("/api/v1/messages/send", fail, methods=["POST"])
    results: list[Undelivered] = []
    handed_over = threading.Event()

    def undelivered(result):
        results.append(result)
        handed_over.set()

    server, agent, conversation = answer_late(make_agent, desk, undelivered)
    with server:
        assert handed_over.wait(5)
        agent.disconnect()
    assert [(r.conversation_id, r.text) for r in results] == [(conversation.id, "late answer")]


def test_an_id_that_makes_no_path_is_handed_over(server, make_agent):
    agent, results, handed_over = make_agent(server), [], threading.Event()
    started, go_on = threading.Event(), threading.Event()

    @agent.on_undelivered
    def undelivered(result):
        results.append(result)
        handed_over.set()

    @agent.on_task
    def handle(task):
        started.set()
        assert go_on.wait(5)
        return "late answer"

    agent.connect(5)
    server.send_frame({"type": "task", "taskId": "t", "conversationId": "..", "content": "hi"})
    assert started.wait(5)
    server.inject("drop")
    server.wait_for_agent(5, times=2)
    go_on.set()
    assert handed_over.wait(5)
    assert [(r.task_id, r.conversation_id, r.text) for r in results] == [("t", "..", "late answer")]


def test_on_its_own_connection_an_answer_is_not_asked_about(make_agent):
    desk = Desk("error")
    with LocalServer(duplicate_window=0, routes=desk.routes) as server:
        agent = make_agent(server)
        agent.on_task(lambda task: "an answer in time")
        agent.connect(5)
        server.inject("drop")
        server.wait_for_agent(5, times=2)
        assert server.conversation().say("hi").wait(5) == "completed"
        agent.disconnect()
    assert not desk.looked.is_set()


def test_a_late_error_is_not_asked_about(make_agent):
    desk, started, go_on = Desk("error"), threading.Event(), threading.Event()
    with LocalServer(duplicate_window=0, routes=desk.routes) as server:
        agent = make_agent(server)

        @agent.on_task
        def handle(task):
            started.set()
            assert go_on.wait(5)
            raise LookupError("nothing found")

        agent.connect(5)
        server.conversation().say("hi")
        assert started.wait(5)
        server.inject("drop")
        server.wait_for_agent(5, times=2)
        go_on.set()
        server.wait_for_frame("agent_error", 5, error="nothing found")
        agent.disconnect()
    assert not desk.looked.is_set()


def answer_into_the_void(make_agent, desk: Desk, **options: object):
    """Run a task whose answer is taken by the kernel alone; return server and agent, connected anew."""
    server, agent, _, go_on = begin(make_agent, desk, ping_interval=0.2, ping_timeout=0.5, **options)
    server.inject("half-open")  # for good
    go_on.set()
    server.wait_for_agent(5, times=2)
    return server, agent


@pytest.mark.slow
def test_an_answer_that_a_dead_connection_swallowed_is_sent_again_and_asked_about(make_agent):
    desk = Desk("error")
    server, agent = answer_into_the_void(make_agent, desk)
    with server:
        server.wait_for_frame("agent_complete", 5, content="late answer")
        assert desk.posted.wait(5)
        agent.disconnect()
    assert [message["content"] for message in desk.sent] == ["late answer"]


@pytest.mark.slow
def test_a_swallowed_answer_that_arrived_after_all_is_not_sent_as_a_message(make_agent):
    desk = Desk("completed")
    server, agent = answer_into_the_void(make_agent, desk)
    with server:
        assert desk.looked.wait(5)
        agent.disconnect()
    assert desk.sent == []


@pytest.mark.slow
def test_a_swallowed_answer_that_nobody_can_tell_about_is_handed_over_as_uncertain(make_agent):
    desk = Desk("error")

    async def fail(request: Request) -> JSONResponse:
        return JSONResponse({"error": "Not a member of this conversation"}, status_code=403)

    desk.routes[1] = Route("/api/v1/messages/{conversation_id}", fail)
    results: Queue[Undelivered] = Queue()
    server, agent = answer_into_the_void(make_agent, desk)
    agent.on_undelivered(results.put)
    with server:
        result = results.get(timeout=5)
        assert (result.text, result.certain) == ("late answer", False)
        agent.disconnect()
    assert agent.stats().undelivered == 1


@pytest.mark.slow
def test_a_swallowed_answer_is_sent_again_but_not_asked_about_if_rescuing_is_turned_off(make_agent):
    desk, results = Desk("error"), Queue()
    server, agent = answer_into_the_void(make_agent, desk, rescue_results=False)
    agent.on_undelivered(results.put)
    with server:
        server.wait_for_frame("agent_complete", 5, content="late answer")
        assert results.get(timeout=5).certain is False
        agent.disconnect()
    assert not desk.looked.is_set()


@pytest.mark.slow
@pytest.mark.parametrize("end", ["error", "dismissal", "wakeup"])
def test_whatever_end_a_dead_connection_swallowed_is_sent_again(make_agent, end: str) -> None:
    """Until it is proven: two connections in a row swallow it."""
    with LocalServer(duplicate_window=0) as server:
        agent = make_agent(server, ping_interval=0.2, ping_timeout=0.5)
        started, go_on, results = threading.Event(), threading.Event(), Queue()
        agent.on_undelivered(results.put)

        @agent.on_task
        def handle(task):
            started.set()
            assert go_on.wait(5)
            if end == "error":
                task.send_error("nothing found")
            elif end == "dismissal":
                task.dismiss()
            return "woken" if end == "wakeup" else None

        agent.connect(5)
        if end == "wakeup":
            server.send_frame({"type": "task", "taskId": "t", "taskKind": "cron_wakeup"})
        else:
            server.conversation().say("hi")
        assert started.wait(5)
        server.inject("half-open")
        go_on.set()
        server.wait_for_agent(5, times=2)
        server.wait_for_frame("agent_error" if end == "error" else "agent_complete", 5)
        agent.disconnect()
    # Nobody can be asked what became of the wakeup.
    assert [result.text for result in list(results.queue)] == (["woken"] if end == "wakeup" else [])


def test_an_answer_that_a_pong_has_proven_is_not_sent_again(make_agent):
    desk = Desk("error")
    with LocalServer(duplicate_window=0, routes=desk.routes) as server:
        agent = make_agent(server, ping_interval=0.05)
        agent.on_task(lambda task: "an answer in time")
        agent.connect(5)
        assert server.conversation().say("hi").wait(5) == "completed"
        pong = None
        for _ in range(3):  # one may have been under way, and of the last the agent may not know yet
            pong = server.wait_for_frame("pong", 5, after=pong, direction="out")
        server.inject("drop")
        server.wait_for_agent(5, times=2)
        agent.disconnect()
        assert len([frame for frame in server.frames if frame.type == "agent_complete"]) == 1
    assert not desk.looked.is_set()


def test_an_answer_that_may_be_lost_is_handed_over_when_the_agent_ends_without_a_connection(
    make_agent, package_log
):
    with LocalServer(duplicate_window=0) as server:
        agent, undelivered = make_agent(server, ping_interval=30.0, reconnect_interval=30.0), []
        agent.on_undelivered(undelivered.append)
        agent.on_task(lambda task: "an answer")
        agent.connect(5)
        reply = server.conversation().say("hi")
        assert reply.wait(5) == "completed"
        server.inject("drop")
        package_log.wait_for("connection 1:", 5)
        agent.disconnect()
    package_log.wait_for(f"task {reply.message_id}: its end may not have arrived", 5)
    assert [(result.task_id, result.text, result.certain) for result in undelivered] == [
        (reply.message_id, "an answer", False)
    ]
