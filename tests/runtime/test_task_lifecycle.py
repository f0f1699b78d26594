"""How tasks that are not run are answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from arinova_agent_sync.net.deadline import Deadline
from arinova_agent_sync.protocol.pieces import Terminal
from arinova_agent_sync.protocol.session import TaskMalformed
from arinova_agent_sync.runtime.callbacks import Callbacks, Listeners
from arinova_agent_sync.runtime.running_task import RunningTask
from arinova_agent_sync.runtime.task_lifecycle import TaskLifecycle
from arinova_agent_sync.runtime.workers import Workers

from .writer_bench import Bench, arrived


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def handed_over() -> list[RunningTask]:
    """Return the tasks whose handlers were to run, in order."""
    return []


@pytest.fixture
def lifecycle(bench: Bench, handed_over: list[RunningTask]) -> Iterator[TaskLifecycle]:
    def hand_over(task: RunningTask) -> bool:
        handed_over.append(task)
        return task.task_id != "too many"

    workers = Workers()
    callbacks = Callbacks(Listeners(), workers=workers, failed=lambda: None)
    yield TaskLifecycle(bench.state, writer=bench.writer, callbacks=callbacks, hand_over=hand_over)
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
        lifecycle.admit(arrived("t9", "c9"), has_handler=True)
    counters = bench.state.counters
    assert (counters.tasks_received, counters.tasks_ignored, counters.tasks_refused) == (1, 2, 0)
    assert bench.state.timers.take(bench.now + bench.state.settings.rescue_ready_after) == "rescue"
    assert bench.state.timers.next() == bench.now + bench.state.settings.heartbeat_interval


def test_without_a_handler_a_task_is_refused(
    bench: Bench, lifecycle: TaskLifecycle, caplog: pytest.LogCaptureFixture
) -> None:
    lifecycle.admit(arrived("t9", "c9"), has_handler=False)
    [terminal] = bench.state.outbox.entries
    assert isinstance(terminal, Terminal)
    assert b"no_task_handler" in terminal.payload
    assert (bench.state.counters.tasks_received, bench.state.counters.tasks_refused) == (0, 1)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "task t9 was not run: no_task_handler")
    ]


def running(bench: Bench, lifecycle: TaskLifecycle) -> RunningTask:
    """Return a task whose handler runs."""
    lifecycle.admit(arrived("t9", "c9"), has_handler=True)
    task = bench.state.tasks["t9"]
    assert lifecycle.is_open(task)
    return task


def sent(bench: Bench) -> list[str]:
    """Return what left after the first chunk."""
    bench.writer.flush()
    return bench.said[1:]


def test_a_task_is_completed_once(bench: Bench, lifecycle: TaskLifecycle) -> None:
    task = running(bench, lifecycle)
    assert lifecycle.complete(task, "done", ())
    assert not lifecycle.complete(task, "again", ())
    assert not lifecycle.fail(task, "late")
    lifecycle.cancel("t9")
    assert sent(bench) == ["agent_complete"]
    assert (task.ended, bench.state.counters.tasks_completed) == ("completed", 1)


def test_a_task_fails_once(bench: Bench, lifecycle: TaskLifecycle) -> None:
    task = running(bench, lifecycle)
    assert lifecycle.fail(task, "broken")
    assert not lifecycle.fail(task, "again")
    assert not lifecycle.complete(task, "late", ())
    assert sent(bench) == ["agent_error"]
    assert (task.ended, bench.state.counters.tasks_failed) == ("failed", 1)


def test_what_a_task_left_open_ends_with_its_handler(bench: Bench, lifecycle: TaskLifecycle) -> None:
    task = running(bench, lifecycle)
    scope = task.scope
    assert scope is not None
    lifecycle.complete(task, "done", ())
    assert not scope.closed  # the handler goes on
    lifecycle.handled(task)
    assert scope.closed
    assert bench.state.tasks == {}


def test_a_detached_task_keeps_what_it_left_open_until_its_end(
    bench: Bench, lifecycle: TaskLifecycle
) -> None:
    task = running(bench, lifecycle)
    scope = task.scope
    assert scope is not None
    lifecycle.detach(task)
    lifecycle.handled(task)
    assert not scope.closed
    assert (task.detached, bench.state.scheduler.detached) == (True, 1)
    lifecycle.complete(task, "done", ())
    assert scope.closed
    assert bench.state.tasks == {}


def test_a_stop_cancels_what_a_task_waits_in(bench: Bench, lifecycle: TaskLifecycle) -> None:
    task = running(bench, lifecycle)
    scope, event, called = task.scope, lifecycle.cancelled_event(task), threading.Event()
    lifecycle.on_cancel(task, called.set)
    assert scope is not None
    assert not event.is_set()
    lifecycle.cancel("t9")
    lifecycle.cancel("t9")  # once more, which changes nothing
    assert event.is_set()
    assert scope.cancelled
    assert not scope.closed
    assert called.wait(5.0)
    assert sent(bench) == ["agent_error"]
    assert bench.state.counters.tasks_cancelled == 1
    assert lifecycle.unfinished() == ["t9"]
    lifecycle.handled(task)
    assert scope.closed
    assert lifecycle.unfinished() == []
    assert lifecycle.cancelled_event(task).is_set()


def test_who_asks_after_a_stop_is_told_at_once(bench: Bench, lifecycle: TaskLifecycle) -> None:
    task = running(bench, lifecycle)
    lifecycle.cancel("t9")
    called = threading.Event()
    lifecycle.on_cancel(task, called.set)
    assert called.wait(5.0)
    assert lifecycle.cancelled_event(task).is_set()


def test_a_stop_takes_the_place_of_what_was_streamed(bench: Bench, lifecycle: TaskLifecycle) -> None:
    task = running(bench, lifecycle)
    bench.writer.chunk(task, "half ")
    lifecycle.cancel("t9")
    assert not bench.writer.chunk(task, "more ")
    assert sent(bench) == ["half ", "agent_error"]


def test_a_task_that_ended_before_a_worker_was_there_is_not_run(
    bench: Bench, lifecycle: TaskLifecycle
) -> None:
    task = running(bench, lifecycle)
    lifecycle.cancel("t9")
    assert not lifecycle.is_open(task)


def test_at_the_end_what_was_streamed_stays(bench: Bench, lifecycle: TaskLifecycle) -> None:
    task = running(bench, lifecycle)
    bench.writer.chunk(task, "half ")
    lifecycle.stop_all()
    assert sent(bench) == ["half ", "agent_complete"]
    assert (task.ended, bench.state.counters.tasks_cancelled) == ("cancelled", 1)


def test_at_the_end_waiting_tasks_are_refused(bench: Bench, lifecycle: TaskLifecycle) -> None:
    running(bench, lifecycle)
    lifecycle.admit(arrived("t10", "c9"), has_handler=True)
    lifecycle.refuse_waiting()
    assert sent(bench) == ["task_queued", "agent_error"]
    assert bench.state.counters.tasks_refused == 1
    assert (list(bench.state.tasks), list(bench.state.waiting)) == (["t9"], [])
    assert bench.state.scheduler.waiting == 0


@pytest.mark.parametrize("stop", [lambda lifecycle: lifecycle.cancel("t10"), TaskLifecycle.stop_all])
def test_a_task_that_waits_is_cancelled(
    bench: Bench, lifecycle: TaskLifecycle, stop: Callable[[TaskLifecycle], None]
) -> None:
    running(bench, lifecycle)
    lifecycle.admit(arrived("t10", "c9"), has_handler=True)
    stop(lifecycle)
    assert bench.state.waiting == {}
    frames = bench.state.outbox.entries
    ends = [frame for frame in frames if isinstance(frame, Terminal) and frame.answer.task_id == "t10"]
    assert [end.payload for end in ends] == [
        b'{"type":"agent_error","taskId":"t10","error":"cancelled","reason":"cancelled"}'
    ]
    assert (ends[0].answer.conversation_id, ends[0].answer.connection) == ("c9", 1)
    assert bench.state.scheduler.knows("t10")


def test_the_next_task_of_a_conversation_starts_in_its_place(
    bench: Bench, lifecycle: TaskLifecycle, handed_over: list[RunningTask]
) -> None:
    task = running(bench, lifecycle)
    lifecycle.admit(arrived("t10", "c9"), has_handler=True)
    lifecycle.complete(task, "done", ())
    [following] = lifecycle.handled(task)
    assert (following.task_id, following.handling) == ("t10", True)
    assert bench.state.waiting == {}
    assert handed_over == [task]  # whoever has freed the slot goes on with the next one


def test_a_task_for_which_there_is_no_thread_fails(bench: Bench, lifecycle: TaskLifecycle) -> None:
    lifecycle.admit(arrived("too many", "c9"), has_handler=True)
    assert bench.state.tasks == {}
    assert sent(bench) == ["agent_error"]
    assert bench.state.counters.tasks_failed == 1
