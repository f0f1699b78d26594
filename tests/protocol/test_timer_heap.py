"""What is due when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arinova_agent_sync.protocol.timer_heap import TimerHeap


def test_nothing_is_due_in_an_empty_heap() -> None:
    heap = TimerHeap()
    assert heap.next() is None
    assert heap.take(1e9) is None


def test_timers_come_in_order_once_they_are_due() -> None:
    heap = TimerHeap()
    heap.set("late", 3.0)
    heap.set("early", 1.0)
    assert heap.next() == 1.0
    assert heap.take(0.9) is None
    assert heap.take(1.0) == "early"
    assert heap.take(1.0) is None
    assert heap.take(5.0) == "late"
    assert heap.next() is None


def test_a_timer_set_again_comes_once_at_its_new_moment() -> None:
    heap = TimerHeap()
    for at in (1.0, 5.0, 3.0):
        heap.set("ping", at)
    assert heap.take(2.9) is None
    assert heap.take(9.0) == "ping"
    assert heap.take(9.0) is None


def test_hasten_makes_a_timer_earlier_and_never_later() -> None:
    heap = TimerHeap()
    assert heap.hasten("flush", 5.0)
    assert not heap.hasten("flush", 5.0)
    assert not heap.hasten("flush", 6.0)
    assert heap.next() == 5.0
    assert heap.hasten("flush", 2.0)
    assert heap.take(2.0) == "flush"
    assert heap.hasten("flush", 7.0)  # it came, so it may be set anew


def test_a_cancelled_timer_does_not_come() -> None:
    heap = TimerHeap()
    heap.set("ping", 1.0)
    heap.cancel("ping")
    heap.cancel("unknown")
    assert heap.next() is None
    heap.set("ping", 1.0)
    assert heap.take(1.0) == "ping"
    assert heap.take(1.0) is None


NAMES = st.sampled_from(["ping", "flush", "heartbeat"])
MOVES = st.one_of(
    st.tuples(st.just("set"), NAMES, st.integers(0, 20)),
    st.tuples(st.just("hasten"), NAMES, st.integers(0, 20)),
    st.tuples(st.just("cancel"), NAMES, st.just(0)),
    st.tuples(st.just("take"), st.just(""), st.integers(0, 20)),
)


@pytest.mark.slow
@given(st.lists(MOVES, max_size=40))
def test_it_does_what_a_dict_does(moves: list[tuple[str, str, int]]) -> None:
    heap, due = TimerHeap(), {}
    for move, name, at in moves:
        if move == "set":
            heap.set(name, at)
            due[name] = at
        elif move == "hasten":
            assert heap.hasten(name, at) is (name not in due or due[name] > at)
            due[name] = min(at, due.get(name, at))
        elif move == "cancel":
            heap.cancel(name)
            due.pop(name, None)
        else:
            taken = heap.take(at)
            first = min(due.values(), default=None)
            if first is None or first > at:
                assert taken is None
            else:
                assert taken is not None
                assert due.pop(taken) == first
        assert heap.next() == min(due.values(), default=None)
