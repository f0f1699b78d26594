"""An agent's own runtime around one task, without a connection.

Tasks come, run, end and are cancelled by the code that does it in an agent: dispatch, workers, callbacks. Only the
writer is another one. It keeps what would leave, and makes of it what the server would.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from ..net.deadline import Deadline
from ..protocol.life import Life
from ..protocol.session import TaskArrived, string
from ..runtime.callbacks import Listeners
from ..runtime.connection import Connection
from ..runtime.remote_handlers import RemoteHandlers
from ..runtime.state import State
from ..runtime.task_runner import TaskRunner
from ..settings import Settings
from .fakes import (
    ActionAnswer,
    FakeActions,
    OfflineCredentials,
    RecordingWriter,
    WatchedCallbacks,
    WatchedWorkers,
)
from .record import Record
from .transcript import Transcript

if TYPE_CHECKING:
    from ..api import ArinovaClient
    from ..handlers import HandlerTable, TaskHandler
    from ..runtime.websocket import WebSocket
    from ..task import Task
    from .task_files import TaskFiles

_GRACE = 1.0  # seconds that threads may take to end


class Harness:
    """Play one task.

    Args:
        settings: the agent's.
        listeners: who listens to the agent's lifecycle events.
        handlers: which handler answers the task, and where it runs.
        made_at: the module and the line that made the agent, if a module did.
        payload: the task.
        agent_name: what the server calls the agent.
        actions: what each action answers.
        client: makes the HTTP client that hangs on the task.
        files: attachments and uploads.
        cancel_after: chunks after which the user presses stop; None for never.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        listeners: Listeners,
        handlers: HandlerTable,
        made_at: tuple[str, int, int] | None,
        payload: Mapping[str, object],
        agent_name: str,
        actions: Mapping[str, ActionAnswer],
        client: Callable[[], ArinovaClient],
        files: TaskFiles,
        cancel_after: int | None,
    ) -> None:
        self._payload = payload
        self._handlers = handlers
        self._files = files
        self._cancel_after = cancel_after
        self._started: object = None  # what calling the handler returned, if it is not over by that
        self._thread: int | None = None
        self.state = state = State(settings)
        state.life = Life.RUNNING
        state.agent_name = agent_name
        state.agent_id = "agent"  # as a server tells it that keeps the whole of a report
        state.outbox.go_online()
        # Who wants to write asks whether there is a link; nobody here uses it.
        state.link = cast("WebSocket", object())
        state.connection = Connection(1, state.link, settings.ping_timeout)
        self.record = Record(state.clock())
        self._workers = WatchedWorkers(state)
        self._callbacks = WatchedCallbacks(listeners, self._workers, self.record)
        self._writer = RecordingWriter(state, self.record, self._chunk_was_sent)
        fake_actions = FakeActions(state, self._writer, actions, self.record)
        self._writer.called = fake_actions.called
        credentials = OfflineCredentials(settings, client)
        self._failure: BaseException | None = None  # of an executor
        self._remote = RemoteHandlers(
            state,
            table=handlers,
            made_at=made_at,
            credentials=credentials,
            workers=self._workers,
            give_up=self._give_up,
            over=self._note_change,
        )
        self._remote.runner = self._runner = TaskRunner(
            state,
            writer=self._writer,
            workers=self._workers,
            callbacks=self._callbacks,
            actions=fake_actions,
            credentials=credentials,
            table=handlers,
            handler_for=self._watched,
            remote=self._remote,
        )

    @property
    def task_id(self) -> str:
        """The task's id."""
        return str(self._payload["taskId"])

    def play(self, timeout: float) -> bool:
        """Run the task; return whether it and its handler ended within so many seconds.

        Raises ExecutorError if the handler's executor cannot run it.
        """
        self._remote.open()
        self.state.changes.wait_for(lambda: self._failure is not None or self._remote.is_ready, timeout)
        if self._failure is not None:
            raise self._failure
        self.record.began = self.state.clock()
        conversation_id = string(self._payload, "conversationId")
        self._runner.arrived(TaskArrived(self.task_id, self._payload, 0, conversation_id, 1))
        self._writer.flush()
        if self._cancel_after == 0 and self.is_remote:
            self.cancel()
        return self.state.changes.wait_for(self._is_over, timeout)

    def cancel(self) -> None:
        """Press the stop button."""
        self._runner.lifecycle.cancel(self.task_id)
        self._writer.flush()

    def close(self) -> None:
        """End the threads, the handler's too if it lets itself be ended."""
        self.cancel()
        deadline = Deadline(_GRACE)
        self._remote.close(deadline, _GRACE)
        self._workers.close(deadline, _GRACE)
        self._callbacks.close()
        self._callbacks.join(deadline)
        self._started = None

    @property
    def is_remote(self) -> bool:
        """Whether the handler runs elsewhere than on a thread of this process."""
        return bool(self._remote.stats())

    @property
    def handler_runs(self) -> bool:
        """Whether the handler runs on a thread and has not returned."""
        with self.state.lock:
            return self._workers.busy

    @property
    def thread(self) -> int | None:
        """The handler's thread while it runs."""
        return self._thread if self.handler_runs else None

    @property
    def started(self) -> object:
        """The coroutine or generator that the handler is, if it is one."""
        return self._started

    @property
    def threads(self) -> set[int]:
        """The threads that ran the handler or a callback."""
        return {*self._workers.threads_used, *self._callbacks.threads_used}

    def transcript(self, warnings: tuple[str, ...]) -> Transcript:
        """Return what came of the task."""
        with self.state.lock:
            return self.record.transcript(self._files, warnings)

    def _is_over(self) -> bool:
        over = self.record.status is not None and not self._workers.busy
        return over and not any(task.handling for task in self.state.tasks.values())

    def _watched(self, task: Task) -> TaskHandler | None:
        handler = self._handlers.find(task)
        if handler is None:
            return None

        def watched(task: Task) -> object:
            self._thread = threading.get_ident()
            if self._cancel_after == 0:
                self.cancel()
            self._started = started = handler(task)
            return started

        return cast("TaskHandler", watched)

    def _chunk_was_sent(self, number: int) -> None:
        if number == self._cancel_after:
            self.cancel()

    def _give_up(self, failure: BaseException) -> None:
        with self.state.lock:
            self._failure = failure
            self.state.changes.notify_all()

    def _note_change(self) -> None:
        with self.state.lock:
            self.state.changes.notify_all()
