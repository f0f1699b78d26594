"""A handler on a worker: made ready when its task arrives, called, and answered for when it raises."""

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
        self._callbacks = callbacks
        self._actions = actions
        self._credentials = credentials
        self._table = table
        self._handler_for = handler_for
        self._remote = remote
        self._last_asked = LastAsked()
        self.lifecycle = TaskLifecycle(
            state, writer=writer, workers=workers, callbacks=callbacks, run=self._run
        )

    def arrived(self, event: TaskArrived, connection: int) -> None:
        """Take a task in that came on the connection of that number."""
        payload = event.payload
        conversation_id = payload.get("conversationId") or None
        if not isinstance(conversation_id, str):
            conversation_id = None
        running = RunningTask(event.task_id, conversation_id, connection, event.size)
        asked = self._last_asked
        context = ThreadTaskContext(
            running,
            lifecycle=self.lifecycle,
            writer=self._writer,
            actions=self._actions,
            credentials=self._credentials,
            asked_before=asked.written.get(conversation_id) if conversation_id else None,
        )
        task = Task(payload, context)
        if conversation_id:
            asked.note(conversation_id, task, payload, context)
        handler = self._handler_for(task)
        if handler is not None:
            if surroundings := self._table.surroundings:
                running.handle = partial(handlers.answer_within, surroundings, handler, task)
            else:
                running.handle = partial(handlers.answer, handler, task)
            if self._remote is not None and (self._table.executors or self._settings.executor is not None):
                running.remote = self._remote.run_of(task, payload, running, context)
        self.lifecycle.admit(running)

    def _run(self, running: RunningTask) -> None:
        """Run a task, and those that take its place: this worker is free for one of them."""
        tasks = [running]
        while tasks:
            running, *others = tasks
            if others:
                self.lifecycle.start(others)
            handle, running.handle = running.handle, None
            if self.lifecycle.is_open(running) and handle is not None:
                contextvars.copy_context().run(self._handle, running, handle)
            del handle  # or its task would live until the next one comes
            tasks = self.lifecycle.handled(running)

    def _handle(self, running: RunningTask, handle: Callable[[], object]) -> None:
        scope.entered.set(running.scope)
        try:
            handle()
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
