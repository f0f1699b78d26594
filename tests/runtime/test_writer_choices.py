"""Which way a chunk goes: straight to the wire, behind what waits, or onto a pile that leaves later."""

from __future__ import annotations

import pytest

from arinova_agent_sync.protocol import frames
from arinova_agent_sync.protocol.answer import LARGEST_CHUNK
from arinova_agent_sync.protocol.pieces import Passing, Terminal
from arinova_agent_sync.runtime import writer as module
from arinova_agent_sync.runtime.running_task import RunningTask

from .writer_bench import Bench, arrived

TURN_OF_ANOTHER = object()


@pytest.fixture
def bench() -> Bench:
    """A writer whose task said "one " a second ago, at a moment from which small numbers are exact."""
    bench = Bench()
    bench.now, bench.task.last_chunk = 0.0, -1.0
    return bench


def takes(bench: Bench, seconds: float) -> None:
    """Have each write take so long."""

    def pass_time() -> None:
        bench.now += seconds

    bench.links[0].meanwhile = pass_time


def due(bench: Bench) -> float | None:
    """Return in how many seconds the pinger has something to do."""
    at = bench.state.timers.next()
    return None if at is None else at - bench.now


def test_a_chunk_at_a_models_pace_leaves_at_once(bench: Bench) -> None:
    assert bench.writer.chunk(bench.task, "two ")
    assert bench.said == ["one ", "two "]
    assert due(bench) is None
    assert bench.task.last_chunk == bench.now


@pytest.mark.parametrize(("pause", "leaves"), [(module._PILE_UP, True), (module._PILE_UP * 0.9, False)])
def test_chunks_that_come_closer_leave_together(bench: Bench, pause: float, leaves: bool) -> None:
    bench.writer.chunk(bench.task, "two ")
    bench.now += pause
    assert bench.writer.chunk(bench.task, "three ")
    assert bench.said[2:] == (["three "] if leaves else [])
    assert due(bench) == (None if leaves else pytest.approx(module._LATE))
    bench.writer.flush()
    assert bench.said == ["one ", "two ", "three "]


@pytest.mark.parametrize(("takes_long", "slow"), [(0.000_99, False), (0.001, False), (0.001_1, True)])
def test_a_write_that_took_long_hands_the_next_chunks_to_the_pinger(
    bench: Bench, takes_long: float, slow: bool
) -> None:
    takes(bench, takes_long)
    bench.writer.chunk(bench.task, "two ")
    assert bench.task.slow_write is slow
    takes(bench, 0.0)
    bench.now += module._AT_ONCE * 0.75  # further apart than a pile, and said at once all the same
    bench.writer.chunk(bench.task, "three ")
    assert bench.said[2:] == ([] if slow else ["three "])
    if slow:
        assert due(bench) == pytest.approx(module._LATE)
        bench.now += module._HANDED_OVER / 2
        bench.writer.chunk(bench.task, "four ")
        assert bench.said[2:] == []
        bench.now += module._HANDED_OVER
        bench.writer.chunk(bench.task, "five ")
        assert bench.said[2:] == ["three ", "four ", "five "]


def test_who_has_no_more_to_say_at_once_writes_for_itself_after_a_slow_write(bench: Bench) -> None:
    takes(bench, 0.005)
    bench.writer.chunk(bench.task, "two ")
    bench.task.last_chunk, bench.now = 0.0, module._AT_ONCE
    bench.writer.chunk(bench.task, "three ")
    assert bench.said == ["one ", "two ", "three "]


def test_a_chunk_leaves_behind_what_waits(bench: Bench) -> None:
    other = RunningTask(arrived("t2", "c2"))
    with bench.state.lock:
        bench.state.outbox.add_terminal(Terminal(other.answer, frames.agent_error("t2", "no"), "no"))
    assert bench.writer.chunk(bench.task, "two ")
    assert bench.said == ["one ", "agent_error", "two "]


def test_what_comes_during_a_write_leaves_with_it(bench: Bench) -> None:
    def add() -> None:
        bench.links[0].meanwhile = lambda: None
        with bench.state.lock:
            bench.state.outbox.add_ahead(Passing(frames.agent_heartbeat("t1")))

    bench.links[0].meanwhile = add
    assert bench.writer.chunk(bench.task, "two ")
    assert bench.said == ["one ", "two ", "agent_heartbeat"]


def test_a_long_chunk_leaves_in_parts(bench: Bench) -> None:
    assert bench.writer.chunk(bench.task, "x" * (LARGEST_CHUNK + 5))
    assert [len(text) for text in bench.said] == [4, LARGEST_CHUNK, 5]


def test_nothing_is_said_of_a_task_that_has_ended(bench: Bench) -> None:
    bench.task.ended = "cancelled"
    assert not bench.writer.chunk(bench.task, "two ")
    bench.now = bench.task.last_chunk
    assert not bench.writer.chunk(bench.task, "two ")
    assert bench.said == ["one "]
    assert not bench.state.outbox


def test_while_another_thread_writes_a_chunk_waits(bench: Bench) -> None:
    bench.writer._turn = TURN_OF_ANOTHER
    assert bench.writer.chunk(bench.task, "two ")
    assert bench.said == ["one "]
    assert due(bench) is None  # whoever writes looks once more before it goes
    assert bench.task.answer.patience == module._PILE
    bench.writer._turn = None
    bench.writer.flush()
    assert bench.said == ["one ", "two "]


def test_without_a_connection_a_chunk_waits(bench: Bench) -> None:
    link = bench.links[0]
    with bench.state.lock:
        bench.state.take_link_down(bench.state.link)  # type: ignore[arg-type]
    assert bench.writer.chunk(bench.task, "two ")
    assert bench.task.answer.patience == 0
    assert (link.said, bench.state.outbox.size) == (["one "], 4)


def test_a_pile_leaves_once_it_is_large(bench: Bench) -> None:
    bench.writer.chunk(bench.task, "two ")
    for _ in range(module._PILE - 1):
        bench.writer.chunk(bench.task, "ha")
    assert bench.said == ["one ", "two "]
    bench.writer.chunk(bench.task, "!!")
    assert bench.said == ["one ", "two ", *["ha"] * (module._PILE - 1), "!!"]


def test_a_pile_leaves_once_it_is_long(bench: Bench) -> None:
    bench.writer.chunk(bench.task, "two ")
    bench.writer.chunk(bench.task, "x" * (module._PILE_BYTES - 1))
    assert bench.said == ["one ", "two "]
    bench.writer.chunk(bench.task, "y")
    assert [len(text) for text in bench.said] == [4, 4, module._PILE_BYTES - 1, 1]


def test_a_pile_that_took_long_to_write_counts_as_a_slow_write(bench: Bench) -> None:
    bench.writer.chunk(bench.task, "two ")
    takes(bench, 0.002)
    bench.writer.chunk(bench.task, "x" * module._PILE_BYTES)
    assert bench.task.slow_write
    assert bench.task.last_chunk == bench.now


def others_write_on(bench: Bench, frames: int) -> None:
    """Have another frame come with each write, so many in all; each write takes a millisecond."""
    left = iter(range(frames))

    def meanwhile() -> None:
        bench.now += 0.001
        if next(left, None) is not None:
            with bench.state.lock:
                bench.state.outbox.add_frame(b'{"type":"other"}')

    bench.links[-1].meanwhile = meanwhile


def test_a_handler_writes_what_others_add_only_for_a_while(bench: Bench) -> None:
    others_write_on(bench, 100)
    with bench.state.lock:
        bench.state.outbox.add_frame(b'{"type":"mine"}')
    bench.writer.flush()
    assert bench.said[:2] == ["one ", "mine"]
    assert 4 <= bench.said.count("other") <= 6
    assert bench.writer._turn is None
    assert bench.state.timers.take(bench.now) == "flush"  # the pinger goes on


def test_a_chunk_is_not_kept_by_what_others_add(bench: Bench) -> None:
    bench.now += 1.0
    others_write_on(bench, 100)
    assert bench.writer.chunk(bench.task, "two ")
    assert bench.said[:2] == ["one ", "two "]
    assert bench.said.count("other") <= 7


def test_the_pinger_writes_until_it_has_something_else_to_do(bench: Bench) -> None:
    others_write_on(bench, 100)
    with bench.state.lock:
        bench.state.outbox.add_frame(b'{"type":"mine"}')
        bench.state.schedule("ping", bench.now + 0.05)
    bench.writer.flush(until_due=True)
    assert 45 <= bench.said.count("other") <= 51


def test_a_slow_write_does_not_wake_the_pinger_for_nothing(bench: Bench) -> None:
    takes(bench, 2 * module._LONGEST_TURN)
    with bench.state.lock:
        bench.state.outbox.add_frame(b'{"type":"mine"}')
    bench.writer.flush()
    assert bench.said == ["one ", "mine"]
    assert due(bench) is None


def test_whoever_writes_when_the_end_begins_writes_on(bench: Bench) -> None:
    others_write_on(bench, 100)
    write = bench.links[0].meanwhile

    def begin_to_end() -> None:
        bench.state.ending = True
        write()

    bench.links[0].meanwhile = begin_to_end
    with bench.state.lock:
        bench.state.outbox.add_frame(b'{"type":"mine"}')
    bench.writer.flush()
    assert bench.said.count("other") == 100


def test_at_the_end_everything_is_written(bench: Bench) -> None:
    others_write_on(bench, 100)
    with bench.state.lock:
        bench.state.outbox.add_frame(b'{"type":"mine"}')
    bench.writer.ask_for_receipts(1.0)
    assert bench.said.count("other") == 100
