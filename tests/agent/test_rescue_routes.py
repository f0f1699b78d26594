"""Answers that ended on another connection than their task came on, with the server's own HTTP routes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from arinova_agent_sync import ArinovaAgent, Task, Undelivered
from arinova_agent_sync.local import LocalConversation, LocalReply, LocalServer

ANSWER = "half an answer and the rest"
SEND = "/api/v1/messages/send"


@dataclass
class Scene:
    """A server, and a task whose agent has come back on another connection and still works on it."""

    server: LocalServer
    agent: ArinovaAgent
    conversation: LocalConversation
    reply: LocalReply
    finish: Callable[[], None]
    undelivered: list[Undelivered]

    def end(self) -> list[str]:
        """Let the task end, wait until the agent has done everything; return what agents have said."""
        self.finish()
        self.server.wait_for_frame("agent_complete", 5)
        self.agent.disconnect(timeout=10)
        return [row.content for row in self.conversation.messages if row.role == "agent"]


@pytest.fixture
def scene(make_agent, generation: str) -> Iterator[Scene]:
    with LocalServer(generation=generation, duplicate_window=0) as server:
        agent = make_agent(server)
        begun, go_on = threading.Event(), threading.Event()
        undelivered: list[Undelivered] = []
        agent.on_undelivered(undelivered.append)

        @agent.on_task
        def handle(task: Task):
            yield "half an answer"
            begun.set()
            assert go_on.wait(10)
            yield " and the rest"

        agent.connect(5)
        conversation = server.conversation()
        reply = conversation.say("hi")
        assert begun.wait(5)
        assert reply.wait_for_text("half an answer")
        server.inject("drop")
        server.wait_for_agent(5, times=2)
        yield Scene(server, agent, conversation, reply, go_on.set, undelivered)
        go_on.set()


@pytest.mark.parametrize("generation", ["march"])
class TestGivenUp:
    """The March 2026 server fails what its agent worked on when the connection ended."""

    @pytest.mark.slow
    def test_the_answer_becomes_a_message(self, scene: Scene) -> None:
        assert scene.reply.wait(5) == "error"
        assert scene.end() == ["Agent disconnected", ANSWER]
        row = scene.conversation.messages[-1]
        assert (row.status, row.id != scene.reply.message_id) == ("completed", True)
        assert scene.conversation.events[-1]["reason"] == "agent_send"
        assert scene.undelivered == []

    @pytest.mark.slow
    def test_a_server_that_fails_for_a_moment_is_asked_again(self, scene: Scene) -> None:
        scene.server.inject("http-error", status=503, count=2)
        assert scene.end() == ["Agent disconnected", ANSWER]
        assert scene.undelivered == []

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "parameters"),
        [
            ("http-error", {"status": 403, "error": "Not a member of this conversation"}),
            ("http-error", {"status": 500, "path": SEND}),
            ("http-drop", {"path": SEND}),
        ],
    )
    def test_what_the_server_does_not_take_is_handed_over(
        self, scene: Scene, name, parameters: dict[str, object]
    ) -> None:
        with scene.server.inject(name, **parameters):
            assert scene.end() == ["Agent disconnected"]
        [result] = scene.undelivered
        assert (result.task_id, result.conversation_id, result.text) == (
            scene.reply.message_id,
            scene.conversation.id,
            ANSWER,
        )

    @pytest.mark.slow
    def test_a_lost_receipt_is_worth_a_second_message(self, scene: Scene) -> None:
        # This server knows no idempotency keys: twice is better than never.
        scene.server.inject("http-drop", done=True, path=SEND, count=1)
        assert scene.end() == ["Agent disconnected", ANSWER, ANSWER]


@pytest.mark.parametrize("generation", ["august"])
class TestAlive:
    """The August 2026 server keeps tasks over a reconnect."""

    def test_the_terminal_is_enough(self, scene: Scene) -> None:
        assert scene.end() == [ANSWER]
        assert (scene.reply.status, scene.reply.text) == ("completed", ANSWER)
        assert scene.undelivered == []

    def test_what_the_user_has_stopped_is_not_sent(self, scene: Scene) -> None:
        scene.reply.cancel()
        scene.finish()
        scene.agent.disconnect(timeout=10)
        rows = [row for row in scene.conversation.messages if row.role == "agent"]
        assert [(row.status, row.content) for row in rows] == [("cancelled", "half an answer")]

    @pytest.mark.slow
    def test_a_server_that_was_restarted_gets_it_once(self, scene: Scene) -> None:
        scene.server.stop()
        scene.server.start()
        scene.server.wait_for_agent(5, times=3)
        # Even if the first receipt is lost: this server knows the message by its key.
        scene.server.inject("http-drop", done=True, path=SEND, count=1)
        assert scene.end() == ["Stream interrupted by server restart", ANSWER]
        assert scene.undelivered == []


@pytest.mark.slow
@pytest.mark.parametrize("generation", ["march", "august"])
def test_an_answer_that_a_dead_connection_swallowed_arrives(make_agent, generation: str) -> None:
    with LocalServer(generation=generation, duplicate_window=0) as server:
        agent = make_agent(server, ping_interval=0.2, ping_timeout=0.5)
        begun, go_on = threading.Event(), threading.Event()

        @agent.on_task
        def handle(task: Task):
            begun.set()
            assert go_on.wait(10)
            return ANSWER

        agent.connect(5)
        conversation = server.conversation()
        reply = conversation.say("hi")
        assert begun.wait(5)
        server.inject("half-open")
        go_on.set()
        server.wait_for_agent(5, times=2)
        server.wait_for_frame("agent_complete", 5)
        agent.disconnect(timeout=10)
        assert (reply.status, reply.text) == ("completed", ANSWER)
        assert [row.content for row in conversation.messages if row.role == "agent"] == [ANSWER]
