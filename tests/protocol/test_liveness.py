"""Whether a silent peer is dead: pings every 30 s, silence for 60 s, so 30 s of patience with each ping."""

from __future__ import annotations

import pytest

from arinova_agent_sync.protocol.liveness import Liveness


@pytest.fixture
def liveness() -> Liveness:
    return Liveness(30.0)


def test_a_ping_without_an_answer_is_enough(liveness: Liveness) -> None:
    liveness.pinged(30.0, due=30.0)
    liveness.pinged(60.0, due=60.0)
    assert liveness.patience_left(60.0, due=90.0) == 0


def test_who_was_not_asked_is_asked_first(liveness: Liveness) -> None:
    assert liveness.patience_left(60.0, due=None) == 30
    liveness.pinged(60.0, due=60.0)
    assert liveness.patience_left(89.0, due=90.0) == 1
    assert liveness.patience_left(90.0, due=90.0) == 0


def test_an_answered_ping_asks_nothing(liveness: Liveness) -> None:
    liveness.pinged(30.0, due=30.0)
    liveness.ponged()
    assert liveness.patience_left(90.5, due=120.0) == 30


def test_a_ping_that_left_late_has_its_whole_time(liveness: Liveness) -> None:
    # This process did not run from 31 to 89: the ping of 60 left just before the judgement.
    liveness.pinged(89.0, due=60.0)
    assert liveness.patience_left(90.0, due=119.0) == 29


def test_who_did_not_run_judges_nobody(liveness: Liveness) -> None:
    # The machine stood still from 31 to 97, with a ping under way.
    liveness.pinged(30.0, due=30.0)
    assert liveness.patience_left(97.0, due=60.0) == 30
    liveness.pinged(97.0, due=60.0)
    assert liveness.patience_left(127.0, due=127.0) == 0


def test_so_does_the_first_to_run_again(liveness: Liveness) -> None:
    liveness.pinged(30.0, due=30.0)
    liveness.pinged(97.0, due=60.0)
    assert liveness.patience_left(97.0, due=127.0) == 30


def test_a_ping_that_waits_for_a_long_frame_asks_nothing_yet(liveness: Liveness) -> None:
    liveness.pinged(30.0, due=30.0)
    assert liveness.patience_left(60.0, due=60.0, waiting=True) == 30
    liveness.left(85.0)
    assert liveness.patience_left(90.0, due=90.0) == 25
    liveness.left(95.0)  # another one, which changes nothing
    assert liveness.patience_left(115.0, due=120.0) == 0


def test_pings_that_hang_in_a_write_are_excused_once(liveness: Liveness) -> None:
    liveness.pinged(30.0, due=30.0)
    assert liveness.patience_left(68.0, due=60.0) == 30
    assert liveness.patience_left(98.0, due=60.0) == 0
