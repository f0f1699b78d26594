"""A peer that reads slowly while handlers say more than it takes: pings and pongs do not wait behind all that."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import pytest

from arinova_agent_sync import ArinovaAgent, Task
from tests.runtime.fault_server import Peer, frame, serving

TASKS = 4
RATE = 1_000_000  # bytes a second that the peer reads
READING = 4.0  # seconds that it reads for
WS_PING, WS_PONG = 9, 10


class Sluggard:
    """Play a server that reads at a rate of its own, and notes when pings and pongs come."""

    def __init__(self) -> None:
        self.pings: list[float] = []
        self.pongs: list[float] = []
        self.asked: list[float] = []
        self.bytes = 0
        self.done = threading.Event()
        self.connections = 0

    def __call__(self, peer: Peer) -> None:
        self.connections += 1
        peer.upgrade()
        peer.read_frame()
        peer.send(frame(b'{"type":"auth_ok","agentName":"a"}'))
        for number in range(TASKS):
            task = {"type": "task", "taskId": f"t{number}", "conversationId": f"c{number}", "content": "go"}
            peer.send(frame(json.dumps(task).encode()))
        began = time.monotonic()
        while (now := time.monotonic()) < began + READING:
            if now > began + 0.5 * (len(self.asked) + 1):
                self.asked.append(now)
                peer.send(frame(b"are you there", WS_PING))
            opcode, payload = peer.read_frame()
            self.bytes += len(payload)
            if opcode == WS_PONG:
                self.pongs.append(time.monotonic())
            elif payload == b'{"type":"ping"}':
                self.pings.append(time.monotonic())
                peer.send(frame(b'{"type":"pong"}'))
            time.sleep(max(0.0, began + self.bytes / RATE - time.monotonic()))
        self.done.set()
        peer.until_gone()


@pytest.mark.slow
def test_signs_of_life_go_ahead_of_the_backlog() -> None:
    sluggard = Sluggard()
    lost: list[object] = []
    backlog: list[int] = []
    with serving(sluggard) as server:
        agent = ArinovaAgent(server_url=server.url, bot_token="ari_x", ping_interval=0.5, ping_timeout=2.0)

        @agent.on_task
        def handle(task: Task) -> Iterator[str]:
            while not sluggard.done.is_set():
                yield "x" * 20_000
                backlog.append(agent.stats().buffered_bytes)

        agent.on("disconnected", lost.append)
        agent.connect(5)
        try:
            assert sluggard.done.wait(READING + 10)
            assert not lost
        finally:
            agent.disconnect(timeout=0.5)
    assert sluggard.connections == 1
    assert max(backlog) > 512 * 1024
    # One each half second, within the time that it takes to read what was on its way.
    assert len(sluggard.pings) >= 5
    assert len(sluggard.pongs) >= 5
