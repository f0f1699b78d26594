"""How long to wait before the next attempt."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arinova_agent_sync.protocol.reconnect import Again, GiveUp, Reconnect, delay
from arinova_agent_sync.protocol.session import Refused


@pytest.mark.parametrize(
    ("attempt", "seconds"),
    [(0, 5.0), (1, 10.0), (2, 20.0), (3, 40.0), (4, 60.0), (5, 60.0), (64, 60.0), (10**9, 60.0)],
)
def test_doubles_up_to_the_longest(attempt: int, seconds: float) -> None:
    assert delay(attempt, 5.0, 60.0, random=0.0) == seconds


@pytest.mark.parametrize(
    ("attempt", "random", "seconds"),
    [
        (0, 1.0, 6.0),
        (0, 0.5, 5.5),
        (3, 1.0, 48.0),
        (4, 1.0, 48.0),  # at the bound the spread goes downwards, or all agents would wait as long
        (9, 0.5, 54.0),
    ],
)
def test_spreads_by_up_to_a_fifth(attempt: int, random: float, seconds: float) -> None:
    assert delay(attempt, 5.0, 60.0, random) == pytest.approx(seconds)


def test_a_base_above_the_longest_waits_the_longest() -> None:
    assert delay(0, 600.0, 60.0, random=0.0) == 60.0


@settings(deadline=None)
@given(
    attempt=st.integers(0, 10_000),
    base=st.floats(0.001, 3_600.0),
    longest=st.floats(0.001, 3_600.0),
    random=st.floats(0.0, 1.0),
)
def test_stays_within_a_fifth_of_what_is_wanted(
    attempt: int, base: float, longest: float, random: float
) -> None:
    wanted = min(base * 2.0 ** min(attempt, 64), longest)
    assert 0.8 * wanted * 0.999 <= delay(attempt, base, longest, random) <= min(longest, 1.2 * wanted * 1.001)


@pytest.mark.parametrize(
    ("asked", "random", "seconds"),
    [
        (None, 0.0, 0.5),
        (4.0, 0.0, 4.0),
        (4.0, 1.0, 4.8),  # others were told the same
        (0.0, 0.0, 0.5),  # the usual wait is longer
        (60.0, 1.0, 60.0),
        (3_600.0, 0.0, 60.0),
    ],
)
def test_a_server_that_asks_for_time_gets_it(asked: float | None, random: float, seconds: float) -> None:
    reconnect = Reconnect(base=0.5, longest=60.0, auth_attempts=5)
    assert reconnect.ended(random, retry_after=asked).delay == pytest.approx(seconds)


def test_the_wait_grows_on_while_a_server_asks_for_time() -> None:
    reconnect = Reconnect(base=1.0, longest=60.0, auth_attempts=5)
    assert [reconnect.ended(0.0, retry_after=3.0).delay for _ in range(4)] == [3.0, 3.0, 4.0, 8.0]


def reconnect(auth_attempts: int = 3) -> Reconnect:
    return Reconnect(base=5.0, longest=60.0, auth_attempts=auth_attempts)


BUSY = Refused("busy", code=None, retryable=True)
WRONG = Refused("Invalid bot token", code=None, retryable=False)


def test_attempts_that_fail_wait_longer_each_time() -> None:
    attempts = reconnect()
    waits = []
    for _ in range(6):
        attempts.begin()
        waits.append(attempts.ended(random=0.0))
    assert waits == [Again(seconds) for seconds in (5.0, 10.0, 20.0, 40.0, 60.0, 60.0)]


def test_only_a_connection_that_proved_itself_brings_the_delay_back() -> None:
    attempts = reconnect()
    for seconds in (5.0, 10.0, 20.0):
        attempts.begin()
        attempts.authenticated()  # which proves nothing: the server may drop it at once
        assert attempts.ended(random=0.0) == Again(seconds)
    attempts.begin()
    attempts.prove()
    assert attempts.ended(random=0.0) == Again(5.0)
    attempts.begin()
    assert attempts.ended(random=0.0) == Again(10.0)


def test_a_first_refusal_for_good_ends_it() -> None:
    assert reconnect().refused(WRONG, random=0.0) == GiveUp(WRONG, 1)


def test_refusals_that_may_pass_are_tried_again_so_many_times() -> None:
    attempts = reconnect(auth_attempts=3)
    assert attempts.refused(BUSY, random=0.0) == Again(5.0)
    assert attempts.refused(BUSY, random=0.0) == Again(10.0)
    assert attempts.refused(BUSY, random=0.0) == GiveUp(BUSY, 3)


def test_after_a_success_a_refusal_for_good_is_tried_again_too() -> None:
    attempts = reconnect(auth_attempts=2)
    attempts.authenticated()
    assert attempts.authenticated_once
    assert attempts.refused(WRONG, random=0.0) == Again(5.0)
    attempts.authenticated()  # which begins the row anew
    assert attempts.refused(WRONG, random=0.0) == Again(5.0)
    assert attempts.refused(WRONG, random=0.0) == GiveUp(WRONG, 2)


def test_refusals_and_failures_have_rows_of_their_own() -> None:
    attempts = reconnect(auth_attempts=9)
    attempts.begin()
    assert attempts.ended(random=0.0) == Again(5.0)
    assert attempts.refused(BUSY, random=0.0) == Again(5.0)
    assert attempts.ended(random=0.0) == Again(10.0)
    assert attempts.refused(BUSY, random=0.0) == Again(10.0)
