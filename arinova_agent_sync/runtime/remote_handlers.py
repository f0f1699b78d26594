"""Handlers that run elsewhere than on this process's threads: executors opened, jobs handed over, reports taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

from ..action_results import ActionOptions
from ..credentials import Credentials
from ..errors import ExecutorError, RemoteHandlerError
from ..executors.protocol import Executor, ExecutorSession, ExecutorStats, Job
from ..handlers import HandlerTable, TaskHandler
from ..net.deadline import Deadline
from ..protocol.json_values import clean
from ..surroundings import Surrounding
from ..task import Task
from .running_task import RunningTask
from .state import State
from .workers import Workers

if TYPE_CHECKING:
    from .task_context import ThreadTaskContext
    from .task_lifecycle import TaskLifecycle


class HandlerEnds(Protocol):
    """What ends tasks as the returns and exceptions of their handlers want it."""

    lifecycle: TaskLifecycle

    def finish(self, running: RunningTask) -> None:
        """End a task whose handler has returned without a word more."""
        ...

    def failed(
        self, running: RunningTask, error: BaseException, shown: str | None = None, *, keep: bool = False
    ) -> None:
        """End a task whose handler raised."""
        ...


class ServedHandlers:
    """An agent as its executor sees it: the handlers that it is to run, and what it may ask."""

    def __init__(
        self,
        handlers: Mapping[str | None, TaskHandler],
        *,
        around: Sequence[Surrounding],
        credentials: Credentials,
        made_at: tuple[str, int, int] | None,
        state: State,
        deliver: Callable[[str, str, str], None],
        ready: Callable[[BaseException | None], None],
        in_background: Callable[[Callable[[], None]], None],
    ) -> None:
        settings = state.settings
        self.handlers = handlers
        self.server_url = settings.server_url
        self.proxy = settings.proxy
        self.ssl_context = settings.ssl_context
        self.error_text = settings.error_text
        self.around = around
        self.made_at = made_at
        self._deliver = deliver
        self._state = state
        self._ready = ready
        self._in_background = in_background
        self._credentials = credentials

    @property
    def token(self) -> str:
        """The token in use."""
        return self._credentials.token

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to the server now."""
        return self._state.link is not None

    def deliver(self, task_id: str, conversation_id: str, text: str) -> None:
        """See to it that the answer to a task of an earlier run of the agent's arrives."""
        self._deliver(task_id, conversation_id, text)

    def ready(self, failure: BaseException | None) -> None:
        """Take note that jobs can be submitted, or why they never can."""
        self._ready(failure)

    def in_background(self, work: Callable[[], None]) -> None:
        """Do something that may block, on a thread of the agent's."""
        self._in_background(work)


class RemoteHandlers:
    """The executors of one agent, from its start to its end.

    Args:
        state: the agent's state.
        table: which handler answers which task, and where it runs.
        made_at: the module and the line that made the agent.
        credentials: the token in use.
        workers: threads, for what blocks.
        give_up: ends the agent: an executor cannot run its handlers.
        over: called each time that a handler is over.
        deliver: sees to it that the answer to a task of an earlier run of the agent's arrives.
    """

    def __init__(
        self,
        state: State,
        *,
        table: HandlerTable,
        made_at: tuple[str, int, int] | None,
        credentials: Credentials,
        workers: Workers,
        give_up: Callable[[BaseException], None],
        over: Callable[[], None] = lambda: None,
        deliver: Callable[[str, str, str], None] = lambda *_: None,
    ) -> None:
        self._state = state
        self._table = table
        self._made_at = made_at
        self._credentials = credentials
        self._workers = workers
        self._give_up = give_up
        self._over = over
        self._deliver = deliver
        self._around: Sequence[Surrounding] = ()  # what executors run around handlers
        self._pending = 0  # executors that have not said whether they can; under the state lock
        self._sessions: dict[Executor, tuple[ExecutorSession, Mapping[str | None, TaskHandler]]] = {}
        self.runner: HandlerEnds | None = None  # set once it is there

    def open(self) -> None:
        """Have every executor get ready; raise what one of them cannot do."""
        self._around = self._table.surroundings
        for executor, handlers in self._table.by_executor(self._state.settings.executor).items():
            with self._state.lock:
                self._pending += 1
            served = ServedHandlers(
                handlers,
                around=self._around,
                state=self._state,
                deliver=self._deliver,
                credentials=self._credentials,
                made_at=self._made_at,
                ready=self._ready,
                in_background=self._in_background,
            )
            self._sessions[executor] = executor.open(served), handlers

    @property
    def is_ready(self) -> bool:
        """Whether every executor can run its handlers."""
        return not self._pending

    def wait_until_ready(self) -> bool:
        """Block until every executor is ready; return False if the agent stops first."""
        state = self._state
        state.changes.wait_for(lambda: state.stopping or not self._pending, None)
        return not state.stopping

    def run_of(self, task: Task, running: RunningTask, context: ThreadTaskContext) -> RemoteRun | None:
        """Return the run of a task whose handler runs elsewhere, None for one on a thread."""
        command, executor = self._table.place(task)
        executor = executor or self._state.settings.executor
        if executor is None or self.runner is None:
            return None
        session, handlers = self._sessions.get(executor, (None, {}))
        # Without a late allow-list, say, no handler is to run.
        is_known = command in handlers and self._around == self._table.surroundings
        payload = running.arrived.payload
        job = Job(running.task_id, command, payload, context.agent_name, context.asked_before)
        return RemoteRun(
            running,
            job,
            session=session if is_known else None,
            context=context,
            runner=self.runner,
            over=self._over,
            in_background=self._in_background,
        )

    def close(self, deadline: Deadline, grace: float) -> None:
        """End what executors still run for the agent; what does not end within the grace is killed."""
        for session, _ in self._sessions.values():
            session.close(deadline, grace)

    def stats(self) -> tuple[ExecutorStats, ...]:
        """Return the numbers of each executor."""
        return tuple(executor.stats() for executor in self._sessions)

    def _ready(self, failure: BaseException | None) -> None:
        with self._state.lock:
            self._pending -= 1
            self._state.changes.notify_all()
        if failure is not None:
            self._give_up(failure)

    def _in_background(self, work: Callable[[], None]) -> None:
        if not self._workers.submit(work):
            work()


class RemoteRun:
    """One task in an executor's hands. What the executor tells becomes what a handler on a thread would have done.

    Args:
        running: the task's record.
        job: what the executor is given.
        session: the executor's; None if it knows nothing of the handler, or of what runs around it.
        context: what a handler of this task calls.
        runner: ends tasks as the handlers' returns and exceptions want it.
        over: called once the handler is over.
        in_background: calls a function on another thread.
    """

    def __init__(
        self,
        running: RunningTask,
        job: Job,
        *,
        session: ExecutorSession | None,
        context: ThreadTaskContext,
        runner: HandlerEnds,
        over: Callable[[], None],
        in_background: Callable[[Callable[[], None]], None],
    ) -> None:
        self._running = running
        self._job = job
        self._session = session
        self._context = context
        self._runner = runner
        self._over = over
        self._in_background = in_background
        self._job_id: str | None = None

    def start(self) -> None:
        """Hand the job over."""
        running, session = self._running, self._session
        if running.ended is not None:
            self.ended()
        elif session is None:
            error = ExecutorError(
                "this handler, or what runs around it, was set after connect(), and its executor does not know it"
            )
            # The end of each starts the next one: of many that wait, each would be called within the one before.
            self._in_background(partial(self.ended, error))
        else:
            self._job_id = session.submit(self._job, self)
            if running.ended == "cancelled":  # meanwhile: cancel() may not have found the id
                session.cancel(self._job_id)

    def cancel(self) -> None:
        """Interrupt the handler."""
        if self._session is not None and self._job_id is not None:
            self._session.cancel(self._job_id)

    # From the executor

    @property
    def is_open(self) -> bool:
        """Whether the task has not ended."""
        return self._running.ended is None

    def chunk(self, text: str) -> None:
        """Stream a piece of text."""
        self._context.chunk(text)

    def complete(self, content: str | None, mentions: Sequence[str]) -> None:
        """End the task with a text, None for what was streamed."""
        self._context.complete(content, mentions)

    def error(self, message: str, keep_partial: bool) -> None:
        """End the task with an error."""
        self._context.error(message, keep_partial)

    def raised(self, shown: str, error: RemoteHandlerError) -> None:
        """End the task whose handler raised."""
        if self._running.ended != "cancelled":
            self._runner.failed(self._running, error, clean(shown))

    def call_action(
        self, action: str, arguments: Mapping[str, object], options: Mapping[str, object]
    ) -> Mapping[str, object]:
        """Run an action on behalf of the task."""
        result = self._context.call_action(action, arguments, cast(ActionOptions, options))
        return cast(Mapping[str, object], msgspec.to_builtins(result))

    def report(self, frame: bytes, older: bytes | None) -> None:
        """Send a report of the handler's."""
        self._context.report(frame, older)

    def ended(self, error: BaseException | None = None) -> None:
        """Take note that the handler is over: end the task if it did not, and let the next one start."""
        running = self._running
        if running.ended is None:
            if error is None:
                self._runner.finish(running)
            else:
                self._runner.failed(running, error, keep=True)
        lifecycle = self._runner.lifecycle
        lifecycle.start(lifecycle.handled(running))
        self._over()
