"""Messages that answer no task, and a connection that swallows them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Queue

import pytest

from arinova_agent_sync import ArinovaAgent, Undelivered
from arinova_agent_sync.local import LocalConversation, LocalServer

SEND = "/api/v1/messages/send"


@dataclass
class Scene:
    """A server, and an agent whose connection swallows what it says from now on."""

    server: LocalServer
    agent: ArinovaAgent
    conversation: LocalConversation
    undelivered: Queue[Undelivered]

    def texts(self) -> list[str]:
        return [row.content for row in self.conversation.messages if row.role == "agent"]

    def wait_for(self, *texts: str) -> None:
        deadline = time.monotonic() + 5
        while self.texts() != list(texts):
            assert time.monotonic() < deadline, self.texts()
            time.sleep(0.01)


@pytest.fixture
def scene(make_agent, generation: str) -> Iterator[Scene]:
    with LocalServer(generation=generation, duplicate_window=0) as server:
        agent = make_agent(server, ping_interval=0.2, ping_timeout=0.5, reconnect_interval=0.01)
        undelivered: Queue[Undelivered] = Queue()
        agent.on_undelivered(undelivered.put)
        agent.connect(5)
        yield Scene(server, agent, server.conversation(), undelivered)


both = pytest.mark.parametrize("generation", ["march", "august"])


@pytest.mark.slow
@both
def test_what_was_swallowed_is_sent_over_http(scene: Scene) -> None:
    scene.server.inject("half-open")
    scene.agent.send_message(scene.conversation.id, "a note")
    scene.wait_for("a note")
    assert scene.undelivered.empty()


@both
def test_what_had_arrived_is_not_sent_twice(scene: Scene) -> None:
    scene.agent.send_message(scene.conversation.id, "a note")
    scene.wait_for("a note")
    scene.server.inject("drop")
    scene.server.wait_for_agent(5, times=2)
    scene.agent.disconnect(10)  # which waits until it was looked for
    assert scene.texts() == ["a note"]
    assert scene.undelivered.empty()


@pytest.mark.slow
@both
def test_what_cannot_be_sent_is_handed_over(scene: Scene) -> None:
    with scene.server.inject("http-error", status=403, error="Not a member of this conversation", path=SEND):
        scene.server.inject("half-open")
        scene.agent.send_message(scene.conversation.id, "a note")
        result = scene.undelivered.get(timeout=5)
    assert result == Undelivered(None, scene.conversation.id, "a note", certain=True)


@pytest.mark.slow
@both
def test_what_nobody_knows_of_at_the_end_is_handed_over(scene: Scene) -> None:
    scene.server.inject("half-open")
    scene.agent.send_message(scene.conversation.id, "a note")
    scene.agent.disconnect(1.0)
    result = scene.undelivered.get(timeout=5)
    assert result == Undelivered(None, scene.conversation.id, "a note", certain=False)
    assert scene.agent.stats().undelivered == 1


@both
def test_a_disconnect_waits_for_the_receipt(scene: Scene) -> None:
    scene.agent.send_message(scene.conversation.id, "a note")
    scene.agent.disconnect()
    assert scene.texts() == ["a note"]
    assert scene.undelivered.empty()
