"""How long the agent waits between connections, and what makes it start over."""

from __future__ import annotations

import queue
import threading

import pytest

from arinova_agent_sync.protocol import reconnect


class Waits:
    """The waits that an agent wanted; each takes a hundredth of a second instead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._attempts: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.spreads: list[float] = []
        monkeypatch.setattr(reconnect, "delay", self._delay)

    def _delay(self, attempt: int, base: float, longest: float, random: float) -> float:
        assert (base, longest) == (7.0, 60.0)
        self.spreads.append(random)
        self._attempts.put(attempt)
        return 0.01

    def next(self) -> int:
        """Return how many failed attempts the next wait is for."""
        return self._attempts.get(timeout=5)


@pytest.fixture
def waits(monkeypatch):
    return Waits(monkeypatch)


@pytest.fixture
def make_agent(make_agent):
    return lambda server, **options: make_agent(server, reconnect_interval=7.0, **options)


def drop(server, times: int) -> None:
    server.inject("drop")
    server.wait_for_agent(5, times=times)


def test_connections_that_prove_nothing_make_the_wait_longer(server, make_agent, waits):
    agent = make_agent(server)
    agent.connect(5)
    for number in range(4):
        drop(server, number + 2)
        assert waits.next() == number


def test_the_waits_are_spread(server, make_agent, waits):
    make_agent(server).connect(5)
    for number in range(4):
        drop(server, number + 2)
        waits.next()
    assert len(set(waits.spreads)) == 4
    assert all(0 <= spread <= 1 for spread in waits.spreads)


def test_a_pong_proves_a_connection(server, make_agent, waits):
    agent = make_agent(server, ping_interval=0.02, ping_timeout=5.0)
    agent.connect(5)
    ping = None
    for number in range(3):
        ping = server.wait_for_frame("ping", 5, after=ping)
        server.wait_for_frame("ping", 5, after=ping)  # by now the first was answered
        drop(server, number + 2)
        assert waits.next() == 0


@pytest.mark.slow
def test_time_proves_a_connection(server, make_agent, waits):
    agent = make_agent(server, _stable_after=0.05)
    agent.connect(5)
    for number in range(3):
        agent._engine.state.changes.wait_for(lambda: False, 0.15)
        drop(server, number + 2)
        assert waits.next() == 0


def test_refusals_have_a_row_of_their_own_which_a_success_ends(server, make_agent, waits):
    agent = make_agent(server, auth_attempts=4)
    failed = threading.Event()
    agent.on_auth_failed(failed.set)
    agent.connect(5)
    for times in range(2, 5):
        server.inject("refuse-auth", error="busy", count=3)
        server.inject("drop")
        server.wait_for_agent(5, times=times)
        assert [waits.next() for _ in range(4)] == [times - 2, 0, 1, 2]
    assert not failed.is_set()
