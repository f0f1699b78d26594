"""The messages between gateway and worker: once, in order, and merged where they come fast."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arinova_agent_sync import WorkerLost
from arinova_agent_sync.executors.event_order import Order, merged
from arinova_agent_sync.executors.protocol import (
    JobCompleted,
    JobEnded,
    JobEvent,
    JobText,
    packed,
    unpack,
)


def events_of(pieces: list[str]) -> list[JobEvent]:
    texts = [JobText("j", 1, number, piece) for number, piece in enumerate(pieces, 1)]
    return [*texts, JobCompleted("j", 1, len(texts) + 1, None, ()), JobEnded("j", 1, len(texts) + 2)]


def applied(events: list[JobEvent], attempt: int = 1) -> list[JobEvent]:
    order = Order(attempt)
    return [event for event in events if order.accepts(event)]


def texts_of(events: list[JobEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, JobText))


@given(st.lists(st.text(max_size=3)), st.lists(st.integers(0, 20)))
def test_any_batches_give_the_same_text(pieces: list[str], cuts: list[int]) -> None:
    events = events_of(pieces)
    batches, rest = [], events
    for cut in cuts:
        batches.append(rest[:cut])
        rest = rest[cut:]
    sent = [event for batch in [*batches, rest] for event in merged(batch)]
    assert texts_of(applied(sent)) == "".join(pieces)
    assert applied(sent)[-2:] == events[-2:]


@given(st.lists(st.text(max_size=3)), st.data())
def test_what_is_sent_twice_counts_once(pieces: list[str], data: st.DataObject) -> None:
    events = events_of(pieces)
    place = data.draw(st.integers(0, len(events) - 1))
    assert applied([*events[: place + 1], *events[max(0, place - 1) :]]) == events


def test_a_gap_is_an_error() -> None:
    order = Order(1)
    assert order.accepts(JobText("j", 1, 1, "a"))
    with pytest.raises(WorkerLost, match="a part of the answer was lost on its way: 2 events"):
        order.accepts(JobText("j", 1, 4, "d"))


def test_an_older_attempt_is_dropped() -> None:
    assert applied([JobText("j", 1, 1, "old"), JobText("j", 2, 1, "new")], attempt=2) == [
        JobText("j", 2, 1, "new")
    ]


def test_texts_of_two_jobs_are_not_mixed() -> None:
    a, b = JobText("a", 1, 1, "x"), JobText("b", 1, 1, "y")
    assert merged([a, b, JobText("a", 1, 2, "z")]) == [a, b, JobText("a", 1, 2, "z")]
    assert merged([a, JobText("a", 1, 2, "z")]) == [JobText("a", 1, 1, "xz", 2)]


@pytest.mark.parametrize(
    "value", [{}, {"a": [1, None, "ü"]}, {"huge": 1 << 90}, {"deep": {"x": {"y": [[]]}}}]
)
def test_a_payload_comes_through_as_it_is(value: dict[str, object]) -> None:
    assert unpack(packed(value)) == value
