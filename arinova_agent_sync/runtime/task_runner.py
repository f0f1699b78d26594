"""A handler on a worker: looked up when its task starts, called, and answered for when it raises."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from functools import partial

from .. import handlers
from ..credentials import Credentials
from ..errors import RemoteHandlerError, TaskCancelled
from ..handlers import HandlerTable, TaskHandler
from ..interrupts import scope
from ..log import logger
from ..protocol.session import TaskArrived
from ..settings import Settings
from ..shown_errors import shown_error
from ..task import Task
from .action_calls import ActionCalls
from .admission import NO_HANDLER
from .callbacks import Callbacks
from .last_asked import LastAsked
from .remote_handlers import RemoteHandlers
from .running_task import RunningTask
from .state import State
from .task_context import ThreadTaskContext
from .task_lifecycle import TaskLifecycle
from .workers import Workers
from .writer import Writer


class TaskRunner:
    """Run the handlers of tasks.

    Args:
        state: the agent's state.
        writer: takes what handlers stream.
        workers: the threads that they run on.
        callbacks: is told what a handler raised.
        actions: the agent's action calls.
        credentials: whose HTTP client tasks use.
        table: what runs around every handler.
        handler_for: returns the handler of a task, None if there is none.
        remote: those handlers that run elsewhere, if there are any.

    Attributes:
        lifecycle: admits, ends and cancels the tasks.
    """

    def __init__(
        self,
        state: State,
        *,
        writer: Writer,
        workers: Workers,
        callbacks: Callbacks,
        actions: ActionCalls,
        credentials: Credentials,
        table: HandlerTable,
        handler_for: Callable[[Task], TaskHandler | None],
        remote: RemoteHandlers | None = None,
    ) -> None:
        self._settings: Settings = state.settings
        self._writer = writer
        self._workers = workers
        self._callbacks = callbacks
        self._actions = actions
        self._credentials = credentials
        self._table = table
        self._handler_for = handler_for
        self._remote = remote
        self._last_asked = LastAsked()
        self.lifecycle = TaskLifecycle(state, writer=writer, callbacks=callbacks, hand_over=self._hand_over)

    def arrived(self, arrived: TaskArrived) -> None:
        """Take a task in."""
        self._last_asked.note(arrived, self._task_of)
        has_handler = self._table.serves_all or self._handler_for(self._task_of(arrived)) is not None
        self.lifecycle.admit(arrived, has_handler=has_handler)

    def _task_of(self, arrived: TaskArrived) -> Task:
        """Return what a handler would get of a task, for a look at it."""
        return Task(arrived.payload, self._context_of(RunningTask(arrived)))

    def _context_of(self, running: RunningTask) -> ThreadTaskContext:
        return ThreadTaskContext(
            running,
            lifecycle=self.lifecycle,
            writer=self._writer,
            actions=self._actions,
            credentials=self._credentials,
        )

    def _hand_over(self, running: RunningTask) -> bool:
        """Have a task's handler run; return False if no thread could be started for it."""
        return self._runs_elsewhere(running) or self._workers.submit(partial(self._run, running))

    def _runs_elsewhere(self, running: RunningTask) -> bool:
        """Hand a task to the executor of its handler; return False if that runs on a thread."""
        if self._remote is None or not (self._table.executors or self._settings.executor is not None):
            return False
        context = self._context_of(running)
        remote = self._remote.run_of(Task(running.arrived.payload, context), running, context)
        if remote is None:
            return False
        running.remote = remote  # before it starts: it looks whether a cancel came earlier
        remote.start()
        return True

    def _run(self, running: RunningTask) -> None:
        """Run a task, and those that take its place: this worker is free for one of them."""
        tasks = [running]
        while tasks:
            running, *others = tasks
            if others:
                self.lifecycle.start(others)
            if self.lifecycle.is_open(running):
                contextvars.copy_context().run(self._handle, running)
            tasks = self.lifecycle.handled(running)
            if self._workers.behind:
                self.lifecycle.start(tasks)  # behind those that came earlier
                return
            tasks = [task for task in tasks if not self._runs_elsewhere(task)]

    def _handle(self, running: RunningTask) -> None:
        scope.entered.set(running.scope)
        try:
            task = Task(running.arrived.payload, self._context_of(running))
            handler = self._handler_for(task)
            if handler is None:  # "/draw@Ann" came before the agent was called Bob
                self.lifecycle.fail(running, NO_HANDLER)
                logger.warning("task %s was not run: %s", running.task_id, NO_HANDLER)
            elif surroundings := self._table.surroundings:
                handlers.answer_within(surroundings, handler, task)
            else:
                handlers.answer(handler, task)
            if running.ended is None and not running.detached:
                self.finish(running)
        except TaskCancelled as error:
            if not running.is_cancelled:
                self.failed(running, error)
        except BaseException as error:  # noqa: BLE001 - a worker outlives whatever a handler raises
            self.failed(running, error)

    def finish(self, running: RunningTask) -> None:
        """End a task whose handler has returned without a word more."""
        streamed = self.lifecycle.has_streamed(running)
        self.lifecycle.complete(running, None, ())
        if not streamed:
            logger.warning(
                "task %s was dismissed: its handler sent nothing and returned nothing "
                "(call task.dismiss() if that is meant, or task.detach() to answer later)",
                running.task_id,
            )

    def failed(
        self, running: RunningTask, error: BaseException, shown: str | None = None, *, keep: bool = False
    ) -> None:
        """End a task whose handler raised.

        Args:
            running: the task.
            error: what it raised.
            shown: what the user is to see; by default what ``error_text`` makes of it.
            keep: whether what was streamed stays, whatever the agent's settings say.
        """
        if running.is_cancelled:
            # What the cancel interrupted raises in many ways: nobody waits for it any more.
            logger.debug("task %s: its handler raised after it was cancelled: %r", running.task_id, error)
            return
        shown = shown_error(error, self._settings.error_text) if shown is None else shown
        if (keep or self._settings.keep_partial) and self.lifecycle.has_streamed(running):
            self.lifecycle.complete(running, None, (), tail=f"\n\n{shown}")
        else:
            self.lifecycle.fail(running, shown)
        if isinstance(error, RemoteHandlerError):
            logger.error("task %s: its handler raised\n%s", running.task_id, error.traceback)
        else:
            logger.error("task %s: its handler raised", running.task_id, exc_info=error)
        self._callbacks.fire("error", error)
