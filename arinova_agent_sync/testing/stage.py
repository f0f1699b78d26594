"""An agent's own runtime around one task, without a connection.

Tasks come, run, end and are cancelled by the code that does it in an agent: dispatch, workers, callbacks. Only the
writer is another one. It keeps what would leave, and makes of it what the server would.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Union, cast

from .. import models
from ..account import Account
from ..errors import TaskCancelled
from ..models import ActionCallResult, ActionOptions
from ..protocol import frames
from ..protocol.outbox import Chunks, Passing, Terminal
from ..protocol.session import TaskArrived
from ..runtime.actions import Actions
from ..runtime.callbacks import Callbacks
from ..runtime.deadline import Deadline
from ..runtime.dispatch import Dispatch
from ..runtime.listeners import Listeners
from ..runtime.run import TaskRun
from ..runtime.state import Connection, Life, State
from ..runtime.workers import Workers
from ..runtime.writer import Writer
from ..settings import Settings
from .transcript import ActionCall, Status, Timings, Transcript

if TYPE_CHECKING:
    from ..api import ArinovaClient
    from ..handlers import TaskHandler
    from ..runtime.link import Link
    from ..task import Task
    from .files import Files

ActionFunction = Callable[[ActionCall], Union[Mapping[str, object], ActionCallResult, BaseException, None]]
ActionAnswer = Union[Mapping[str, object], ActionCallResult, BaseException, ActionFunction, None]

_GRACE = 1.0  # seconds that threads may take to end

logger = logging.getLogger("arinova_agent_sync")


class Stage:
    """Play one task.

    Args:
        settings: the agent's.
        listeners: who listens to the agent's lifecycle events.
        handler_for: returns the handler of the task.
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
        handler_for: Callable[[Task], TaskHandler | None],
        payload: Mapping[str, object],
        agent_name: str,
        actions: Mapping[str, ActionAnswer],
        client: Callable[[], ArinovaClient],
        files: Files,
        cancel_after: int | None,
    ) -> None:
        self._payload = payload
        self._handler_for = handler_for
        self._files = files
        self._cancel_after = cancel_after
        self._started: object = None  # what calling the handler returned, if it is not over by that
        self._thread: int | None = None
        self.state = state = State(settings)
        state.life = Life.RUNNING
        state.agent_name = agent_name
        state.outbox.go_online()
        # Who wants to write asks whether there is a link; nobody here uses it.
        state.link = cast("Link", object())
        state.connection = Connection(1, state.link)
        self.record = _Record(state.clock())
        self._workers = _Workers(state)
        self._callbacks = _Callbacks(listeners, self.record)
        self._writer = _Writer(state, self.record, self._chunk_was_sent)
        stand_ins = _Actions(state, self._writer, actions, self.record)
        self._writer.called = stand_ins.called
        self._dispatch = Dispatch(
            state,
            self._writer,
            self._workers,
            self._callbacks,
            stand_ins,
            _OfflineAccount(settings, client),
            self._watched,
        )

    @property
    def task_id(self) -> str:
        """The task's id."""
        return str(self._payload["taskId"])

    def play(self, timeout: float) -> bool:
        """Run the task; return whether it and its handler ended within so many seconds."""
        self.record.began = self.state.clock()
        self._dispatch.arrived(TaskArrived(self.task_id, self._payload), 1)
        self._writer.flush()
        with self.state.lock:
            return self.state.changed.wait_for(self._is_over, timeout)

    def cancel(self) -> None:
        """Press the stop button."""
        self._dispatch.stopped(self.task_id)
        self._writer.flush()

    def close(self) -> None:
        """End the threads, the handler's too if it lets itself be ended."""
        self.cancel()
        deadline = Deadline(_GRACE)
        self._workers.close(deadline, _GRACE)
        self._callbacks.close()
        self._callbacks.join(deadline)
        self._started = None

    @property
    def handler_runs(self) -> bool:
        """Whether the handler has not returned."""
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
        return self.record.status is not None and not self._workers.busy

    def _watched(self, task: Task) -> TaskHandler | None:
        handler = self._handler_for(task)
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


class _Record:
    """What has happened so far. Changed under the state lock."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.first_chunk: float | None = None
        self.done: float | None = None
        self.chunks: list[str] = []
        self.kept = ""  # what the server has of the streamed text
        self.status: Status | None = None
        self.content = ""
        self.error: str | None = None
        self.exception: BaseException | None = None
        self.mentions: tuple[str, ...] = ()
        self.actions: list[ActionCall] = []

    def chunk(self, chunk: str) -> None:
        """Take a chunk as the March 2026 server does: one that begins with all of the text is the text anew."""
        self.kept = chunk if self.kept and chunk.startswith(self.kept) else self.kept + chunk

    def terminal(self, frame: Mapping[str, object], moment: float) -> None:
        """End the task as the server does: streamed text counts before content, an error before both."""
        self.done = moment
        text = str(frame.get("error" if frame["type"] == "agent_error" else "content") or "")
        if frame.get("reason") == "cancelled":
            self.status, self.content = "cancelled", self.kept
        elif frame["type"] == "agent_error":
            self.status, self.content, self.error = "error", text, text
        else:
            text = self.kept or text
            self.status, self.content = ("completed", text) if text.strip() else ("dismissed", "")
            mentions = frame.get("mentions")
            self.mentions = tuple(mentions) if isinstance(mentions, list) else ()

    def transcript(self, files: Files, warnings: tuple[str, ...]) -> Transcript:
        """Return all of it, for a task that has ended."""
        if self.status is None or self.done is None:
            raise AssertionError("the task has not ended")
        return Transcript(
            status=self.status,
            text=self.content,
            chunks=tuple(self.chunks),
            error=self.error,
            exception=self.exception,
            mentions=self.mentions,
            actions=tuple(self.actions),
            uploads=files.uploads,
            warnings=warnings,
            timings=Timings(
                None if self.first_chunk is None else self.first_chunk - self.began, self.done - self.began
            ),
        )


class _Writer(Writer):
    """Keep what would leave.

    Args:
        state: the agent's state.
        record: what has happened so far.
        sent: called with the number of each chunk, from 1, when it has been sent.
    """

    def __init__(self, state: State, record: _Record, sent: Callable[[int], None]) -> None:
        super().__init__(state, lambda _: None, lambda _: None)
        self._record = record
        self._sent = sent
        self.called: Callable[[bytes], None] = lambda _: None

    def chunk(self, run: TaskRun, text: str) -> bool:
        record, state = self._record, self._state
        with state.lock:
            if run.ended is not None:
                return False
            self._say(text)
            number = len(record.chunks)
            for chunk in run.answer.speak(text):
                record.chunk(chunk)
        self._sent(number)
        return True

    def flush(self, patience: float = 0.0) -> None:  # noqa: ARG002 - nobody is waited for
        calls: list[bytes] = []
        record, state = self._record, self._state
        with state.lock:
            for piece in state.outbox.take(1 << 40):
                if isinstance(piece, Chunks):  # the rest of an answer that was completed with more
                    for text in piece.texts:
                        record.chunk(text)
                    self._say("".join(piece.texts))
                elif isinstance(piece, Passing):
                    calls.append(piece.payload)
                elif isinstance(piece, (Terminal, bytes)):
                    frame = frames.decode(piece if isinstance(piece, bytes) else piece.payload) or {}
                    if frame.get("type") in ("agent_complete", "agent_error"):
                        record.terminal(frame, state.clock())
            state.changed.notify_all()
        for payload in calls:
            self.called(payload)

    def _say(self, text: str) -> None:
        if self._record.first_chunk is None:
            self._record.first_chunk = self._state.clock()
        self._record.chunks.append(text)


class _Workers(Workers):
    """Tell when the one handler is over."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self._state = state
        self.busy = False  # under the state lock
        self.threads_used: list[int] = []

    def submit(self, work: Callable[[], None]) -> bool:
        def watched() -> None:
            self.threads_used.append(threading.get_ident())
            try:
                work()
            finally:
                self._note(False)

        self._note(True)
        accepted = super().submit(watched)
        if not accepted:
            self._note(False)
        return accepted

    def _note(self, busy: bool) -> None:
        with self._state.lock:
            self.busy = busy
            self._state.changed.notify_all()


class _Callbacks(Callbacks):
    """Note what the handler raised, beside calling who listens."""

    def __init__(self, listeners: Listeners, record: _Record) -> None:
        super().__init__(listeners, lambda: None)
        self._record = record
        self.threads_used: list[int] = []

    def call(self, name: str, function: Callable[[], object]) -> None:
        def watched() -> None:
            self.threads_used.append(threading.get_ident())
            function()

        super().call(name, watched)

    def fire(self, event: str, *values: object) -> None:
        if event == "error" and isinstance(values[0], BaseException):
            self._record.exception = values[0]
        super().fire(event, *values)


class _Actions(Actions):
    """Answer action calls from what the test gave."""

    def __init__(
        self, state: State, writer: Writer, answers: Mapping[str, ActionAnswer], record: _Record
    ) -> None:
        super().__init__(state, writer)
        self._answers = answers
        self._record = record
        self._outcomes: dict[str, ActionCallResult | BaseException] = {}

    def call(
        self,
        action: str,
        arguments: Mapping[str, object],
        options: ActionOptions,
        run: TaskRun | None = None,
    ) -> ActionCallResult:
        result = super().call(action, arguments, options, run)
        outcome = self._outcomes.pop(result.call_id, result)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def called(self, payload: bytes) -> None:
        """Settle a call as the platform would. Runs the test's function, so without any lock."""
        frame = frames.decode(payload) or {}
        name, arguments = str(frame.get("action")), frame.get("arguments")
        call = ActionCall(str(frame["id"]), name, arguments if isinstance(arguments, dict) else {}, frame)
        with self._state.lock:
            self._record.actions.append(call)
            connection = self._state.connection
        answer = self._answers.get(name, _no_such_action) if self._answers else _no_such_action
        try:
            outcome = answer(call) if callable(answer) else answer
        except (Exception, TaskCancelled) as error:  # noqa: BLE001 - call_action raises it, whatever it is
            outcome = error
        result: dict[str, object] = {"id": call.id, "action": name, "status": "success"}
        if isinstance(outcome, (BaseException, ActionCallResult)):
            self._outcomes[call.id] = outcome
        else:
            result["result"] = None if outcome is None else dict(outcome)
        if connection is not None:
            self.settled(connection, call.id, result)


def _no_such_action(call: ActionCall) -> ActionCallResult:
    text = f"there is no action {call.action!r}; give run_task actions={{{call.action!r}: {{...}}}}"
    error = models.ActionFailure("UNKNOWN_ACTION", text)
    return ActionCallResult(call.id, call.action, "error", error=error)


class _OfflineAccount(Account):
    """Hand out a client that sends nothing."""

    def __init__(self, settings: Settings, client: Callable[[], ArinovaClient]) -> None:
        super().__init__(settings)
        self._client = client

    @property
    def api(self) -> ArinovaClient:
        with self._lock:
            if self._api is None:
                self._api = self._client()
            return self._api
