"""How tasks that are not run are answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arinova_agent_sync.net.deadline import Deadline
from arinova_agent_sync.protocol.pieces import Terminal
from arinova_agent_sync.protocol.session import TaskMalformed
from arinova_agent_sync.runtime.callbacks import Callbacks, Listeners
from arinova_agent_sync.runtime.running_task import RunningTask
from arinova_agent_sync.runtime.task_lifecycle import TaskLifecycle
from arinova_agent_sync.runtime.workers import Workers

from .writer_bench import Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def lifecycle(bench: Bench) -> Iterator[TaskLifecycle]:
    workers = Workers()
    callbacks = Callbacks(Listeners(), workers=workers, failed=lambda: None)
    yield TaskLifecycle(
        bench.state, writer=bench.writer, workers=workers, callbacks=callbacks, run=lambda task: None
    )
    workers.close(Deadline(5.0))


def test_the_refusal_of_a_task_is_its_end(bench: Bench, lifecycle: TaskLifecycle) -> None:
    lifecycle.refuse_malformed(TaskMalformed("t9", "missing_content"))
    [terminal] = bench.state.outbox.entries
    assert isinstance(terminal, Terminal)
    assert terminal.answer.task_id == "t9"
    assert (terminal.text, terminal.answers) == (None, False)
    assert bench.state.timers.take(bench.now) == "flush"
    assert bench.state.counters.tasks_refused == 1


def test_what_has_no_id_is_answered_by_a_frame_of_no_task(bench: Bench, lifecycle: TaskLifecycle) -> None:
    lifecycle.refuse_malformed(TaskMalformed(None, "missing_task_id"))
    [frame] = bench.state.outbox.entries
    assert frame == b'{"type":"agent_error","error":"missing_task_id"}'
    assert bench.state.timers.take(bench.now) == "flush"


def test_a_task_that_is_known_is_ignored(bench: Bench, lifecycle: TaskLifecycle) -> None:
    for _ in range(3):
        task = RunningTask("t9", "c9", 1)
        task.handle = lambda: None
        lifecycle.admit(task)
    counters = bench.state.counters
    assert (counters.tasks_received, counters.tasks_ignored, counters.tasks_refused) == (1, 2, 0)
    assert bench.state.timers.next() == bench.now + bench.state.settings.heartbeat_interval


def test_without_a_handler_a_task_is_refused(
    bench: Bench, lifecycle: TaskLifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    lifecycle.admit(RunningTask("t9", "c9", 1))
    [terminal] = bench.state.outbox.entries
    assert isinstance(terminal, Terminal)
    assert b"no_task_handler" in terminal.payload
    assert (bench.state.counters.tasks_received, bench.state.counters.tasks_refused) == (0, 1)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "task t9 was not run: no_task_handler")
    ]
