"""Events leave in order; the first at once, those that come fast together."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from arinova_agent_sync.executors.event_writer import EventWriter
from arinova_agent_sync.executors.protocol import JobEnded, JobEvent, JobText


class Wire:
    """Keeps batches; blocks while it is closed."""

    def __init__(self) -> None:
        self.batches: list[list[JobEvent]] = []
        self.open = threading.Event()
        self.open.set()
        self.changed = threading.Condition()

    def write(self, events: Sequence[JobEvent]) -> None:
        with self.changed:
            self.batches.append(list(events))
            self.changed.notify_all()
        assert self.open.wait(10)

    def wait_for(self, condition) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, 5)

    @property
    def text(self) -> str:
        return "".join(event.text for batch in self.batches for event in batch if isinstance(event, JobText))


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def writer(wire) -> Iterator[EventWriter]:
    failures = []
    writer = EventWriter(wire.write, failures.append)
    yield writer
    wire.open.set()
    writer.close()
    assert failures == []


def never() -> bool:
    return False


def test_the_first_piece_leaves_on_the_thread_that_has_it(writer, wire):
    writer.put(JobText("j", 1, 1, "a"), never)
    assert wire.text == "a"


def test_what_comes_fast_leaves_together_and_in_order(writer, wire):
    for number in range(1, 501):
        writer.put(JobText("j", 1, number, "x"), never)
    writer.put(JobEnded("j", 1, 501), never)
    wire.wait_for(lambda: wire.batches[-1][-1] == JobEnded("j", 1, 501))
    assert len(wire.text) == 500
    assert len(wire.batches) < 100


def test_text_that_nothing_follows_leaves_soon(writer, wire):
    writer.put(JobText("j", 1, 1, "a"), never)
    writer.put(JobText("j", 1, 2, "b"), never)
    wire.wait_for(lambda: wire.text == "ab")


def test_who_has_too_much_waits_until_it_is_given_up(writer, wire):
    wire.open.clear()
    threading.Thread(target=writer.put, args=(JobText("j", 1, 1, "a"), never)).start()
    wire.wait_for(lambda: wire.batches)
    for number in range(2, 4_098):
        writer.put(JobText("j", 1, number, "a"), never)
    given_up, done = threading.Event(), threading.Event()

    def put() -> None:
        writer.put(JobText("j", 1, 4_098, "a"), given_up.is_set)
        done.set()

    threading.Thread(target=put).start()
    assert not done.wait(0.05)
    given_up.set()
    writer.wake()
    assert done.wait(5)


def test_a_write_that_fails_in_the_background_is_told():
    failed = threading.Event()
    broken = threading.Event()

    def write(_: Sequence[JobEvent]) -> None:
        if broken.is_set():
            raise OSError("gone")

    writer = EventWriter(write, lambda _: failed.set())
    writer.put(JobText("j", 1, 1, "a"), never)
    broken.set()
    writer.put(JobText("j", 1, 2, "b"), never)
    assert failed.wait(5)
    writer.close()
