"""What follows from each call in each life: the table of start and stop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arinova_agent_sync.protocol.life import Life, StopTimes, on_connect, on_disconnect, stop_times

SECONDS = st.floats(0.0, 3_600.0)


@pytest.mark.parametrize(
    ("life", "elsewhere", "own_thread"),
    [
        (Life.NEW, "start", "start"),
        (Life.RUNNING, "wait", "wait"),
        (Life.DRAINING, "wait for the end", "refuse"),
        (Life.STOPPED, "start", "start"),
        (Life.FAILED, "start", "start"),
    ],
    ids=lambda value: value.name if isinstance(value, Life) else None,
)
def test_connect(life: Life, elsewhere: str, own_thread: str) -> None:
    assert on_connect(life, own_thread=False) == elsewhere
    assert on_connect(life, own_thread=True) == own_thread


@pytest.mark.parametrize("life", [Life.NEW, Life.STOPPED, Life.FAILED], ids=lambda life: life.name)
def test_disconnect_where_there_is_nothing_to_stop(life: Life) -> None:
    assert on_disconnect(life, None, stop_times(0.0, 1.0)) is None
    assert on_disconnect(life, stop_times(0.0, 1.0), stop_times(0.0, 1.0)) is None


@pytest.mark.parametrize(
    ("known", "asked", "held"),
    [
        (StopTimes(8.0, 10.0), StopTimes(28.0, 30.0), StopTimes(8.0, 10.0)),  # more patient: nothing changes
        (StopTimes(28.0, 30.0), StopTimes(8.0, 10.0), StopTimes(8.0, 10.0)),
        (StopTimes(28.0, 30.0), StopTimes(5.0, 5.0), StopTimes(5.0, 5.0)),  # now
        (None, StopTimes(8.0, 10.0), StopTimes(8.0, 10.0)),
    ],
)
def test_disconnect_while_the_agent_drains(
    known: StopTimes | None, asked: StopTimes, held: StopTimes
) -> None:
    assert on_disconnect(Life.DRAINING, known, asked) == held


def test_the_first_disconnect_holds() -> None:
    assert on_disconnect(Life.RUNNING, None, StopTimes(8.0, 10.0)) == StopTimes(8.0, 10.0)


@pytest.mark.parametrize(
    ("timeout", "times"),
    [
        (30.0, StopTimes(128.0, 130.0)),  # two seconds are kept for what waits and the close frame
        (8.0, StopTimes(106.0, 108.0)),
        (1.0, StopTimes(100.75, 101.0)),  # a quarter of a short one
        (0.0, StopTimes(100.0, 100.0)),
    ],
)
def test_a_stop_keeps_a_share_for_its_end(timeout: float, times: StopTimes) -> None:
    assert stop_times(100.0, timeout) == times


@given(st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=6))
def test_of_many_calls_the_earliest_end_holds(calls: list[tuple[float, float]]) -> None:
    held: StopTimes | None = None
    asked = [stop_times(now, timeout) for now, timeout in sorted(calls)]
    for times in asked:
        held = on_disconnect(Life.RUNNING if held is None else Life.DRAINING, held, times)
    assert held is not None
    assert held.stop_by == min(times.stop_by for times in asked)
    assert held.drain_by <= held.stop_by


@pytest.mark.parametrize("life", list(Life), ids=lambda life: life.name)
def test_over(life: Life) -> None:
    assert life.over is (life in (Life.STOPPED, Life.FAILED))
