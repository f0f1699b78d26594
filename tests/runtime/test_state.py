"""What the state tells of itself."""

from __future__ import annotations

import pytest

from arinova_agent_sync.protocol.pieces import Terminal
from arinova_agent_sync.runtime.running_task import Outcome, RunningTask

from .writer_bench import Bench, arrived


@pytest.mark.parametrize(
    ("ended", "handling", "works"),
    [
        (None, False, True),
        (None, True, True),
        ("completed", True, True),
        ("completed", False, False),
        ("cancelled", True, False),  # it was told to stop
        ("cancelled", False, False),
    ],
)
def test_a_task_is_work(ended: Outcome | None, handling: bool, works: bool) -> None:
    state = Bench().state
    assert not state.has_work()
    task = RunningTask(arrived("t1", None))
    task.ended, task.handling = ended, handling
    state.tasks["t1"] = task
    assert state.has_work() is works


def test_a_task_that_waits_is_work() -> None:
    state = Bench().state
    state.waiting["t1"] = arrived("t1", None)
    assert state.has_work()
    assert state.open_tasks() == 1


def test_a_rescue_is_work() -> None:
    state = Bench().state
    state.rescues = 1
    assert state.has_work()


def test_what_is_unproven() -> None:
    bench = Bench()
    assert not bench.state.unproven
    with bench.state.lock:
        bench.state.outbox.add_terminal(Terminal(bench.task.answer, b'{"type":"agent_complete"}', "text"))
    assert bench.state.unproven
    bench.writer.flush()
    assert bench.state.unproven
    connection = bench.state.connection
    assert connection is not None
    connection.receipts.take_unproven()
    assert not bench.state.unproven
    bench.state.connection = None
    assert not bench.state.unproven


def test_a_timer_is_hastened_and_not_delayed() -> None:
    bench = Bench()
    with bench.state.lock:
        bench.state.schedule("flush", bench.now + 5.0)
        bench.state.schedule("flush", bench.now + 9.0)
    assert bench.state.timers.next() == bench.now + 5.0
    assert not bench.state.timer_due()
    with bench.state.lock:
        bench.state.flush_soon()
    assert bench.state.timer_due()


def test_a_link_that_is_not_in_use_takes_nothing_down() -> None:
    bench = Bench()
    first = bench.state.link
    bench.connect()
    with bench.state.lock:
        bench.state.take_link_down(first)  # type: ignore[arg-type]
    assert bench.state.link is not None
    bench.now += 1.0
    assert bench.writer.chunk(bench.task, "two ")
    assert bench.said == ["one ", "two "]
