"""A peer that breaks the connection whenever it is sent a certain frame: the agent drops it, and says so."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest

from arinova_agent_sync import ArinovaAgent, ConnectionLost
from tests.runtime.fault_server import Peer, frame, serving

POISON = "poison"
TELEMETRY = "agent_telemetry"
TASK = {"conversationId": "c1", "conversationType": "h2a", "content": "hi"}


class Allergic:
    """Play a server that gives one task, and leaves with a RST whenever it reads the poison, or is about to.

    Args:
        at_once: whether it leaves at the first bytes of the frame, while the rest is being written.
    """

    def __init__(self, *, at_once: bool) -> None:
        self.at_once = at_once
        self.heard: list[dict[str, object]] = []
        self.changed = threading.Condition()
        self.poisoned = 0
        self.gave_task = False

    def __call__(self, peer: Peer) -> None:
        peer.upgrade()
        peer.read_frame()
        peer.send(frame(b'{"type":"auth_ok","agentName":"a"}'))
        if not self.gave_task:
            self.gave_task = True
            peer.send(frame(json.dumps({"type": "task", "taskId": "t1", **TASK}).encode()))
        while True:
            if self.at_once:
                head = peer.read(10)
                if head[1] & 0x7F == 127:  # above 64 KiB
                    self._leave(peer)
                    return
                peer._received = head + peer._received
            opcode, payload = peer.read_frame()
            if opcode != 1:
                continue
            message = json.loads(payload)
            if message["type"] == "ping":
                peer.send(frame(b'{"type":"pong"}'))
            elif POISON in json.dumps(message):
                self._leave(peer)
                return
            else:
                with self.changed:
                    self.heard.append(message)
                    self.changed.notify_all()

    def _leave(self, peer: Peer) -> None:
        self.poisoned += 1
        peer.reset()

    def wait_for(self, kind: str) -> dict[str, object]:
        with self.changed:
            assert self.changed.wait_for(lambda: any(each["type"] == kind for each in self.heard), 10)
            return next(each for each in self.heard if each["type"] == kind)


@pytest.fixture
def agent_of() -> Iterator[Callable[[str], ArinovaAgent]]:
    made: list[ArinovaAgent] = []

    def make(url: str) -> ArinovaAgent:
        agent = ArinovaAgent(server_url=url, bot_token="ari_x", reconnect_interval=0.01, rescue_results=False)
        made.append(agent)
        return agent

    yield make
    for agent in made:
        agent.disconnect(timeout=2.0)


@pytest.mark.parametrize("at_once", [False, True])
def test_an_answer_that_breaks_connections(
    agent_of: Callable[[str], ArinovaAgent], caplog: pytest.LogCaptureFixture, at_once: bool
) -> None:
    allergic = Allergic(at_once=at_once)
    told: list[object] = []
    given = threading.Event()
    # Far more than the kernel takes, so that the write breaks off; or little, which it takes whole.
    text = POISON * (150_000 if at_once else 1)
    with serving(allergic) as server:
        agent = agent_of(server.url)
        agent.on_task(lambda task: text)
        agent.on("undelivered", lambda result: (told.append(result), given.set()))
        agent.connect(5)
        ended = allergic.wait_for("agent_error")
        assert given.wait(5)
        agent.send_telemetry("still_here", {"a": 1})
        allergic.wait_for(TELEMETRY)
        stats = agent.stats()
        agent.disconnect(2)
    assert ended["taskId"] == "t1"
    assert [result.text == text for result in told] == [True]  # type: ignore[attr-defined]
    assert 3 <= allergic.poisoned <= 4
    assert (stats.frames_dropped, stats.undelivered) == (1, 1)
    assert "task t1: its last frame" in caplog.text
    assert "connections broke, one after another, while it left" in caplog.text


def test_a_frame_of_no_task_that_breaks_connections(agent_of: Callable[[str], ArinovaAgent]) -> None:
    allergic = Allergic(at_once=True)
    errors: list[BaseException] = []
    told = threading.Event()
    with serving(allergic) as server:
        agent = agent_of(server.url)
        agent.on_task(lambda task: "fine")

        @agent.on_error
        def error(error: BaseException) -> None:
            errors.append(error)
            told.set()

        agent.connect(5)
        allergic.wait_for("agent_complete")
        agent.send_telemetry("event", {"text": "x" * 6_000_000})
        assert told.wait(10)
        agent.send_telemetry("still_here", {"a": 1})
        allergic.wait_for(TELEMETRY)
        stats = agent.stats()
        agent.disconnect(2)
    [error] = errors
    assert isinstance(error, ConnectionLost)
    assert "bytes was dropped: connections broke" in str(error)
    assert stats.frames_dropped == 1
    assert allergic.poisoned == 3
