from __future__ import annotations

import time

from arinova_agent_sync.net.deadline import Deadline


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_several_waits_share_one_budget() -> None:
    clock = Clock()
    deadline = Deadline(10, clock)
    assert deadline.at == 110
    assert deadline.left() == 10
    clock.now = 107
    assert deadline.left() == 3
    assert not deadline.expired
    clock.now = 110
    assert deadline.left() == 0
    assert deadline.expired
    clock.now = 200
    assert deadline.left() == 0


def test_the_shorter_limit_counts() -> None:
    deadline = Deadline(10, Clock())
    assert deadline.left(3) == 3
    assert deadline.left(30) == 10
    assert deadline.left(None) == 10


def test_without_a_limit() -> None:
    deadline = Deadline(None)
    assert deadline.at is None
    assert deadline.left() is None
    assert deadline.left(3) == 3
    assert not deadline.expired


def test_it_reads_the_monotonic_clock() -> None:
    before = time.monotonic()
    assert before + 5 <= (Deadline(5).at or 0) <= time.monotonic() + 5


def test_nothing_to_start_with() -> None:
    assert Deadline(0).expired
