"""Tasks from their arrival to their end: admitted, run on a worker, ended once, cancelled."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from .. import handlers
from ..account import Account
from ..errors import TaskCancelled
from ..handlers import TaskHandler
from ..models import ActionCallResult, ActionOptions
from ..protocol import frames
from ..protocol.answer import LARGEST_CHUNK
from ..protocol.jsonvalues import clean
from ..protocol.outbox import Passing, Terminal
from ..protocol.scheduler import Duplicate, Overflow, Start, Wait
from ..protocol.session import TaskArrived, TaskMalformed
from ..task import Task
from .actions import Actions
from .callbacks import Callbacks
from .run import Outcome, TaskRun
from .state import Life, State
from .workers import Workers
from .writer import Writer

if TYPE_CHECKING:
    from ..api import ArinovaClient
    from ..interrupts.scope import Scope

SHUTTING_DOWN = "The agent is shutting down."
NO_THREAD = "The agent cannot run more tasks at the moment."
CANCELLED = "cancelled"
_LARGEST_CONTENT = 8 * LARGEST_CHUNK  # characters: beyond it the text goes out as chunks alone

logger = logging.getLogger("arinova_agent_sync")


class Dispatch:
    """What happens to tasks. Called by the reader, the workers, the pinger and users' threads."""

    def __init__(
        self,
        state: State,
        writer: Writer,
        workers: Workers,
        callbacks: Callbacks,
        actions: Actions,
        account: Account,
        handler_for: Callable[[Task], TaskHandler | None],
    ) -> None:
        self.writer = writer
        self.state = state
        self._workers = workers
        self._callbacks = callbacks
        self._actions = actions
        self._account = account
        self._handler_for = handler_for

    @property
    def agent_name(self) -> str | None:
        """The agent's name, if the server told it."""
        return self.state.agent_name

    @property
    def api(self) -> ArinovaClient:
        """The agent's HTTP client."""
        return self._account.api

    @property
    def over(self) -> bool:
        """Whether the agent has stopped."""
        return self.state.over

    # From the server

    def arrived(self, event: TaskArrived, connection: int) -> None:
        """Start, queue or refuse a task."""
        run = TaskRun(self, event.task_id, event.payload, connection)
        has_handler = self._handler_for(run.task()) is not None
        with self.state.lock:
            admission = self._admit(run, has_handler)
            if isinstance(admission, Duplicate):
                self.state.counters.tasks_ignored += 1
            blocked_by = self.state.scheduler.blockers() if isinstance(admission, Wait) else []
        if isinstance(admission, str):
            level = logging.INFO if admission == SHUTTING_DOWN else logging.WARNING
            logger.log(level, "task %s was not run: %s", event.task_id, admission)
        elif isinstance(admission, Start):
            self._start([run])
        elif blocked_by:
            logger.warning(
                "task %s waits: too many handlers of cancelled tasks still run, those of %s",
                event.task_id,
                ", ".join(blocked_by),
            )

    def _admit(self, run: TaskRun, has_handler: bool) -> Start | Wait | Duplicate | str:
        state, task_id = self.state, run.task_id
        if state.stopping or not has_handler:
            if state.scheduler.knows(task_id):
                return Duplicate()
            return self._refuse(task_id, SHUTTING_DOWN if state.stopping else "no_task_handler")
        admission = state.scheduler.arrived(task_id, run.answer.conversation_id)
        if isinstance(admission, Duplicate):
            return admission
        if isinstance(admission, Overflow):
            return self._refuse(task_id, "queue_overflow")
        state.counters.tasks_received += 1
        state.runs[task_id] = run
        state.schedule("heartbeat", state.clock() + state.settings.heartbeat_interval)
        if isinstance(admission, Wait):
            notice = frames.task_queued(task_id, run.answer.conversation_id, *admission)
            state.outbox.add_passing(Passing(notice))
            state.flush_soon()
        else:
            run.started = run.handling = True
        return admission

    def malformed(self, event: TaskMalformed) -> None:
        """Answer a task that cannot be run."""
        with self.state.lock:
            self._refuse(event.task_id, event.error)
        logger.warning("task %s was not run: %s", event.task_id, event.error)

    def stopped(self, task_id: str) -> None:
        """Cancel a task whose user pressed stop."""
        with self.state.lock:
            run = self.state.runs.get(task_id)
        if run is not None:
            self._cancel(run)

    # From handlers

    def complete(self, run: TaskRun, content: str | None, mentions: Sequence[str], tail: str = "") -> bool:
        """End a task with a text, or with what was streamed and a tail; False if it had ended."""
        with self.state.lock:
            if run.ended is not None:
                return False
            answer = run.answer
            run.shut()
            said = answer.text
            text = said + tail if content is None else content
            contradicts = not text.startswith(said)
            if not contradicts and len(text) > len(said) and (said or len(text) > _LARGEST_CONTENT):
                self.state.outbox.add_chunk(answer, text[len(said) :])
                said = text
            content = "" if len(text) > _LARGEST_CONTENT and said else text
            payload = frames.agent_complete(run.task_id, content, mentions)
            kept = said if contradicts else text
            rescue = self.state.settings.rescue_results and answer.conversation_id is not None
            terminal = Terminal(answer, payload, kept, rescue and bool(kept.strip()))
            runs = self._end(run, "completed", terminal)
        if contradicts:
            logger.warning(
                "task %s: send_complete() was given a text that does not begin with what was streamed; "
                "the server keeps what was streamed",
                run.task_id,
            )
        self.writer.flush()
        self._start(runs)
        run.close_scope()
        return True

    def has_said(self, run: TaskRun) -> bool:
        """Tell whether a task has streamed anything."""
        with self.state.lock:
            return run.answer.has_said

    def fail(self, run: TaskRun, message: str) -> bool:
        """End a task with an error, which takes the place of what was streamed; False if it had ended."""
        with self.state.lock:
            if run.ended is not None:
                return False
            run.answer.muted = True
            runs = self._end(
                run, "failed", Terminal(run.answer, frames.agent_error(run.task_id, message), message)
            )
        self.writer.flush()
        self._start(runs)
        run.close_scope()
        return True

    def detach(self, run: TaskRun) -> None:
        """Let a task live on after its handler."""
        with self.state.lock:
            run.detached = True

    def on_cancel(self, run: TaskRun, function: Callable[[], object]) -> None:
        """Call a function when the task is cancelled, or now if it was."""
        with self.state.lock:
            late = run.ended == "cancelled"
            if run.ended is None:
                run.functions = (*run.functions, function)
        if late:
            self._callbacks.call("on_cancel", function)

    def call_action(
        self, run: TaskRun, action: str, arguments: Mapping[str, object], options: ActionOptions
    ) -> ActionCallResult:
        """Run an action on behalf of a task."""
        options = {
            **options,
            "task_id": run.task_id,
            "conversation_id": run.answer.conversation_id,
            "message_id": run.task_id,
        }
        return self._actions.call(action, arguments, options, run)

    # On a worker

    def _start(self, runs: Sequence[TaskRun]) -> None:
        waiting = deque(runs)
        while waiting:
            run = waiting.popleft()
            if not self._workers.submit(partial(self._work, run)):
                waiting += self._give_up(run)

    def _give_up(self, run: TaskRun) -> list[TaskRun]:
        """Fail a task that no thread could be started for; return those that take its place."""
        with self.state.lock:
            run.handling = False
            if run.ended is not None:
                return self._release(run)
            payload = frames.agent_error(run.task_id, NO_THREAD)
            runs = self._end(run, "failed", Terminal(run.answer, payload, NO_THREAD))
            self.state.flush_soon()
        logger.error("task %s was not run: no thread could be started for its handler", run.task_id)
        return runs

    def _work(self, run: TaskRun) -> None:
        """Run a task, and those that take its place: this worker is free for one of them."""
        from ..interrupts.scope import Scope  # here: a program that runs no task loads nothing of it

        runs = [run]
        while runs:
            run, *others = runs
            self._start(others)
            with self.state.lock:
                open_still = run.ended is None
                run.scope = Scope(run.task_id)
                run.thread = threading.get_ident()
            if open_still:
                contextvars.copy_context().run(self._handle, run, run.scope)
            with self.state.lock:
                run.handling = False
                run.thread = None
                over = run.ended is not None
                runs = self._release(run) if over else []
            if over:
                run.close_scope()

    def _handle(self, run: TaskRun, scope: Scope) -> None:
        scope.enter()
        task = run.task()
        handler = self._handler_for(task)
        try:
            if handler is not None:
                handlers.answer(handler, task)
            if run.ended is None and not run.detached:
                self._finish(run)
        except TaskCancelled as error:
            if not run.is_cancelled:
                self._handler_failed(run, error)
        except BaseException as error:  # noqa: BLE001 - a worker outlives whatever a handler raises
            self._handler_failed(run, error)

    def _finish(self, run: TaskRun) -> None:
        if not self.has_said(run):
            logger.warning(
                "task %s was dismissed: its handler sent nothing and returned nothing "
                "(call task.dismiss() if that is meant, or task.detach() to answer later)",
                run.task_id,
            )
        self.complete(run, None, ())

    def _handler_failed(self, run: TaskRun, error: BaseException) -> None:
        logger.error("task %s: its handler raised", run.task_id, exc_info=error)
        self.fail(run, self._error_text(error))
        self._callbacks.fire("error", error)

    def _error_text(self, error: BaseException) -> str:
        wanted = self.state.settings.error_text
        try:
            text = str(wanted if isinstance(wanted, str) else wanted(error))
        except BaseException as failure:  # the task must end whatever the user's function raises
            logger.exception("error_text failed")
            text = str(failure)
        return clean(text) or type(error).__name__

    # At the end

    def refuse_waiting(self) -> None:
        """Answer the tasks that were not started; none of them will be."""
        with self.state.lock:
            for run in [run for run in self.state.runs.values() if not run.started]:
                self.state.scheduler.cancelled(run.task_id)
                payload = frames.agent_error(run.task_id, SHUTTING_DOWN)
                self._end(run, "refused", Terminal(run.answer, payload, None))
            self.state.flush_soon()

    def cancel_all(self) -> None:
        """Cancel every task that has not ended."""
        with self.state.lock:
            runs = list(self.state.runs.values())
        for run in runs:
            self._cancel(run)

    def unfinished(self) -> list[str]:
        """Name the tasks whose handlers still run."""
        with self.state.lock:
            return [run.task_id for run in self.state.runs.values() if run.handling]

    def _cancel(self, run: TaskRun) -> None:
        with self.state.lock:
            if run.ended is not None:
                return
            run.answer.muted = True
            self.state.scheduler.cancelled(run.task_id)
            payload = frames.agent_error(run.task_id, CANCELLED, CANCELLED)
            runs = self._end(run, "cancelled", Terminal(run.answer, payload, None))
            run.set_cancelled()
            functions, run.functions = run.functions, ()
            calls = list(run.calls)
            runs += self._next()
            self.state.flush_soon()
        if run.scope is not None:
            run.scope.cancel()
            run.close_scope()
        for call in calls:
            call.cancel()
        for function in functions:
            self._callbacks.call("on_cancel", function)
        self._start(runs)

    # Under the state lock

    def _refuse(self, task_id: str | None, error: str) -> str:
        self.state.counters.tasks_refused += 1
        self.state.outbox.add_frame(frames.agent_error(task_id, error))
        self.state.flush_soon()
        return error

    def _end(self, run: TaskRun, outcome: Outcome, terminal: Terminal) -> list[TaskRun]:
        run.ended = outcome
        run.shut()
        self.state.counters.count_ended(outcome)
        self.state.outbox.add_terminal(terminal)
        return [] if run.handling else self._release(run)

    def _release(self, run: TaskRun) -> list[TaskRun]:
        state = self.state
        state.scheduler.finished(run.task_id)
        state.scheduler.leftover_ended(run.task_id)
        state.runs.pop(run.task_id, None)
        if state.life is Life.DRAINING:
            state.due.notify()
        return self._next()

    def _next(self) -> list[TaskRun]:
        runs: list[TaskRun] = []
        while (task_id := self.state.scheduler.next()) is not None:
            run = self.state.runs[task_id]
            run.started = run.handling = True
            runs.append(run)
        return runs
