"""Fakes of the parts of an agent that would reach a server. Thread-safe, as the originals are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Union

from .. import action_results
from .._typing import assert_never
from ..action_results import ActionCallResult, ActionOptions
from ..credentials import Credentials
from ..errors import TaskCancelled
from ..protocol import frames
from ..protocol.pieces import Chunks, Gap, OutgoingMessage, Passing, PongReply, Terminal
from ..runtime.action_calls import ActionCalls
from ..runtime.callbacks import Callbacks, Listeners
from ..runtime.running_task import RunningTask
from ..runtime.state import State
from ..runtime.workers import Workers
from ..runtime.writer import Writer
from ..settings import Settings
from .record import Record
from .transcript import ActionCall

if TYPE_CHECKING:
    from ..api import ArinovaClient

ActionFunction = Callable[[ActionCall], Union[Mapping[str, object], ActionCallResult, BaseException, None]]
ActionAnswer = Union[Mapping[str, object], ActionCallResult, BaseException, ActionFunction, None]


class RecordingWriter(Writer):
    """Keep what would leave.

    Args:
        state: the agent's state.
        record: what has happened so far, changed under the state lock.
        sent: called with the number of each chunk, from 1, when it has been sent.
    """

    def __init__(self, state: State, record: Record, sent: Callable[[int], None]) -> None:
        super().__init__(state, report_losses=lambda: None)
        self._record = record
        self._sent = sent
        self.called: Callable[[bytes], None] = lambda _: None

    def chunk(self, running: RunningTask, text: str) -> bool:
        record, state = self._record, self._state
        with state.lock:
            if running.ended is not None:
                return False
            self._say(text)
            number = len(record.chunks)
            for chunk in running.answer.speak(text):
                record.chunk(chunk)
        self._sent(number)
        return True

    def flush(self, patience: float = 0.0, *, until_due: bool = False) -> None:  # noqa: ARG002 - nobody is waited for
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
                    else:
                        record.reports.append(frame)
                elif not isinstance(piece, (OutgoingMessage, Gap, PongReply)):
                    assert_never(piece)
            state.changes.notify_all()
        for payload in calls:
            self.called(payload)

    def _say(self, text: str) -> None:
        if self._record.first_chunk is None:
            self._record.first_chunk = self._state.clock()
        self._record.chunks.append(text)


class WatchedWorkers(Workers):
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
            self._state.changes.notify_all()


class WatchedCallbacks(Callbacks):
    """Note what the handler raised, beside calling who listens."""

    def __init__(self, listeners: Listeners, workers: Workers, record: Record) -> None:
        super().__init__(listeners, workers=workers, failed=lambda: None)
        self._record = record
        self.threads_used: list[int] = []

    def _call(self, event: str, function: Callable[[], object]) -> None:
        self.threads_used.append(threading.get_ident())
        super()._call(event, function)

    def fire(self, event: str, *values: object) -> None:
        if event == "error" and isinstance(values[0], BaseException):
            self._record.exception = values[0]
        super().fire(event, *values)


class FakeActions(ActionCalls):
    """Answer action calls from what the test gave."""

    def __init__(
        self, state: State, writer: Writer, answers: Mapping[str, ActionAnswer], record: Record
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
        running: RunningTask | None = None,
    ) -> ActionCallResult:
        result = super().call(action, arguments, options, running)
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
    error = action_results.ActionFailure("UNKNOWN_ACTION", text)
    return ActionCallResult(call.id, call.action, "error", error=error)


class OfflineCredentials(Credentials):
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
