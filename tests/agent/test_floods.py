"""Handlers that say far too much, servers that read far too little: bounded memory and delay, no silence."""

from __future__ import annotations

import threading
import time

import pytest

from arinova_agent_sync.local import LocalServer

HUGE = 50_000_000  # characters


@pytest.fixture
def august():
    """A server on which tasks outlive a reconnect."""
    with LocalServer(generation="august", duplicate_window=0) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("way", ["chunk", "returned"])
def test_fifty_megabytes_at_once(server, make_agent, way):
    agent = make_agent(server)
    text = "0123456789" * (HUGE // 10)

    @agent.on_task
    def handle(task):
        if way == "returned":
            return text
        task.send_chunk(text)
        return None

    agent.connect(5)
    reply = server.conversation().say("go")
    assert reply.wait(30) == "completed"
    assert reply.text == text


def test_a_million_empty_chunks_are_none(server, make_agent):
    agent = make_agent(server)

    @agent.on_task
    def handle(task):
        for _ in range(1_000_000):
            task.send_chunk("")
        return "done"

    agent.connect(5)
    reply = server.conversation().say("go")
    assert (reply.wait(30), reply.text) == ("completed", "done")
    assert agent.stats().chunks_sent <= 1


class Flood:
    """Answer tasks with 10,000 characters at a time; note the most that waited and the longest wait."""

    def __init__(self, agent, pieces: int) -> None:
        self.said, self.buffered, self.longest = 0, 0, 0.0
        self.go_on = threading.Event()
        self.texts = [f"{number:04d}" + "." * 9_996 for number in range(pieces)]
        agent.on_task(self.handle)
        self._agent = agent

    def handle(self, task) -> None:
        assert self.go_on.wait(5)
        for text in self.texts:
            began = time.monotonic()
            task.send_chunk(text)
            self.longest = max(self.longest, time.monotonic() - began)
            self.buffered = max(self.buffered, self._agent.stats().buffered_bytes)
            self.said += 1

    def wait_until_stuck(self) -> None:
        before = -1
        while self.said != before or not self.said:
            before = self.said
            time.sleep(0.3)


@pytest.mark.slow
def test_a_server_that_pauses_stops_the_handler(august, make_agent):
    agent = make_agent(august, send_timeout=30.0, max_buffered_bytes=100_000)
    flood = Flood(agent, 2_000)
    agent.connect(5)
    reply = august.conversation().say("go")
    august.wait_for_frame("task", 5, direction="out")
    with august.inject("half-open"):
        flood.go_on.set()
        flood.wait_until_stuck()
        assert flood.said < 2_000
    assert reply.wait(30) == "completed"
    assert reply.text == "".join(flood.texts)
    assert flood.buffered < 1_500_000
    assert agent.stats().connections == 1


@pytest.mark.slow
def test_a_server_that_reads_a_byte_a_second(august, make_agent):
    agent = make_agent(august, send_timeout=0.5, max_buffered_bytes=200_000, ping_interval=30.0)
    flood = Flood(agent, 2_000)
    flood.go_on.set()
    lost = threading.Event()
    agent.on_disconnected(lost.set)
    agent.connect(5)
    slow = august.inject("slow-reads", bytes_per_second=1)
    reply = august.conversation().say("go")
    assert lost.wait(20)
    slow.heal()
    assert reply.wait(30) == "completed"
    assert reply.text.endswith(flood.texts[-1])
    assert august.wait_for_frame("agent_stream_gap", 5)["taskId"] == reply.message_id
    assert flood.buffered < 1_500_000
    assert flood.longest < 10  # send_timeout, and what a busy machine adds


@pytest.mark.slow
def test_reports_wait_for_a_server_that_stopped_reading(make_agent):
    with LocalServer() as server:
        agent = make_agent(server, send_timeout=1.0, max_buffered_bytes=0)
        lost = threading.Event()
        agent.on_disconnected(lost.set)
        agent.connect(5)
        report, most = {"text": "x" * 10_000}, [0]

        def tell() -> None:
            for _ in range(100_000):
                agent.send_telemetry("progress", report)
                most.append(agent.stats().buffered_bytes)
                if lost.is_set():
                    break

        tellers = [threading.Thread(target=tell) for _ in range(2)]  # one writes, the other might go on
        with server.inject("half-open", new=True):
            for teller in tellers:
                teller.start()
            assert lost.wait(20)
            for teller in tellers:
                teller.join(5)
        assert max(most) < 1_000_000
