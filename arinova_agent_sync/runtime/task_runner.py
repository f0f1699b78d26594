"""A handler on a worker: made ready when its task arrives, called, and answered for when it raises."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from functools import partial

from .. import handlers
from ..credentials import Credentials
from ..errors import TaskCancelled
from ..handlers import TaskHandler
from ..log import logger
from ..protocol.frames import text
from ..protocol.json_values import clean
from ..protocol.session import TaskArrived
from ..settings import Settings
from ..task import Task
from .action_calls import ActionCalls
from .callbacks import Callbacks
from .running_task import RunningTask
from .state import State
from .task_context import ThreadTaskContext
from .task_lifecycle import TaskLifecycle, shortened
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
        handler_for: returns the handler of a task, None if there is none.

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
        handler_for: Callable[[Task], TaskHandler | None],
    ) -> None:
        self._settings: Settings = state.settings
        self._writer = writer
        self._callbacks = callbacks
        self._actions = actions
        self._credentials = credentials
        self._handler_for = handler_for
        self.lifecycle = TaskLifecycle(
            state, writer=writer, workers=workers, callbacks=callbacks, run=self._run
        )

    def arrived(self, event: TaskArrived, connection: int) -> None:
        """Take a task in that came on the connection of that number."""
        payload = event.payload
        running = RunningTask(event.task_id, text(payload, "conversationId") or None, connection, event.size)
        context = ThreadTaskContext(
            running,
            lifecycle=self.lifecycle,
            writer=self._writer,
            actions=self._actions,
            credentials=self._credentials,
        )
        task = Task(payload, context)
        handler = self._handler_for(task)
        if handler is not None:
            running.handle = partial(handlers.answer, handler, task)
        self.lifecycle.admit(running)

    def _run(self, running: RunningTask) -> None:
        """Run a task, and those that take its place: this worker is free for one of them."""
        tasks = [running]
        while tasks:
            running, *others = tasks
            self.lifecycle.start(others)
            handle, running.handle = running.handle, None
            if self.lifecycle.is_open(running) and handle is not None:
                contextvars.copy_context().run(self._handle, running, handle)
            del handle  # or its task would live until the next one comes
            tasks = self.lifecycle.handled(running)

    def _handle(self, running: RunningTask, handle: Callable[[], object]) -> None:
        if running.scope is not None:
            running.scope.enter()
        try:
            handle()
            if running.ended is None and not running.detached:
                self._finish(running)
        except TaskCancelled as error:
            if not running.is_cancelled:
                self._failed(running, error)
        except BaseException as error:  # noqa: BLE001 - a worker outlives whatever a handler raises
            self._failed(running, error)

    def _finish(self, running: RunningTask) -> None:
        streamed = self.lifecycle.has_streamed(running)
        self.lifecycle.complete(running, None, ())
        if not streamed:
            logger.warning(
                "task %s was dismissed: its handler sent nothing and returned nothing "
                "(call task.dismiss() if that is meant, or task.detach() to answer later)",
                running.task_id,
            )

    def _failed(self, running: RunningTask, error: BaseException) -> None:
        shown = self._error_text(error)
        if self._settings.keep_partial and self.lifecycle.has_streamed(running):
            self.lifecycle.complete(running, None, (), tail=f"\n\n{shown}")
        else:
            self.lifecycle.fail(running, shown)
        logger.error("task %s: its handler raised", running.task_id, exc_info=error)
        self._callbacks.fire("error", error)

    def _error_text(self, error: BaseException) -> str:
        wanted = self._settings.error_text
        try:
            shown = str(wanted if isinstance(wanted, str) else wanted(error))
        except BaseException as failure:  # the task must end whatever the user's function raises
            logger.error("error_text failed", exc_info=failure)
            shown = str(failure)
        return shortened(clean(shown)) or type(error).__name__
