"""What a task calls in a worker: the way from a handler to the gateway. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from ..action_results import ActionCallResult, TaskActionOptions
from ..argument_checks import check_keywords
from ..errors import ActionError, ActionTimeout, ConnectionLost, TaskCancelled
from ..interrupts.scope import Scope
from ..log import logger
from ..protocol.frames import check_size
from ..protocol.json_values import checked_object, clean, clean_text, whole
from ..settings import LARGEST_FRAME
from .protocol import (
    JobAsked,
    JobCompleted,
    JobEnded,
    JobEvent,
    JobFailed,
    JobRaised,
    JobReported,
    JobStarted,
    JobText,
    SettleCall,
    StartJob,
    unpack,
)

if TYPE_CHECKING:
    from ..api import ArinovaClient
    from ..credentials import Credentials


class EventSink(Protocol):
    """What takes the events of a job."""

    def put(self, event: JobEvent, given_up: Callable[[], bool]) -> None:
        """Write an event, or have it written; block while too many wait and nobody has given the job up."""
        ...

    def wake(self) -> None:
        """Have who waits in ``put`` look again whether the job was given up."""
        ...


class RemoteTaskContext:
    """The context of a task whose handler runs in a worker.

    Args:
        job: what the gateway asked for.
        writer: takes the events.
        credentials: whose HTTP client the task uses; None if no handler is called.

    Attributes:
        interruptible: whether a signal may still raise TaskCancelled in the handler: that happens once.
    """

    def __init__(self, job: StartJob, writer: EventSink, credentials: Credentials | None) -> None:
        self.job = job
        self.payload: dict[str, object] = unpack(job.payload)
        self.interruptible = False
        self.scope = Scope(str(self.payload.get("taskId")))
        self._writer = writer
        self._credentials = credentials
        # Held while an event is put, so that numbers leave in order. Re-entrant: the garbage collector may close a
        # generator that sends something while another send is under way.
        self._sending = threading.RLock()
        self._lock = threading.Lock()  # guards functions and calls
        self._number = 0
        self._half = ""  # of a character whose other half has not come yet
        self._answered = False  # by the handler; the gateway may know better
        self._closed = False  # told that the handler is over
        self._detached = False
        self._thread: int | None = None  # the handler's, while it is on it
        self._over = threading.Event()  # answered or cancelled: who waits for a detached task need not
        self._cancelled = threading.Event()
        self._functions: list[Callable[[], object]] = []
        self._calls: dict[int, _AskedAction] = {}
        self._calls_made = 0

    @property
    def task_id(self) -> object:
        """The task's id."""
        return self.payload.get("taskId")

    @property
    def cancelled(self) -> threading.Event:
        """Whether the task was cancelled."""
        return self._cancelled

    @property
    def is_cancelled(self) -> bool:
        """The same in short, for the hot path."""
        return self._cancelled.is_set()

    @property
    def agent_name(self) -> str | None:
        """The agent's name, if the server told it."""
        return self.job.agent_name

    @property
    def has_ended(self) -> bool:
        """Whether the task was answered or cancelled, or somebody will finish it after its handler."""
        return self._answered or self._detached or self.is_cancelled

    @property
    def asked_before(self) -> str | None:
        """When the message was written that the agent was asked before in this conversation, if that is known."""
        return self.job.asked_before

    @property
    def api(self) -> ArinovaClient:
        """The agent's HTTP client."""
        assert self._credentials is not None  # there is one wherever a handler is called
        return self._credentials.api

    # From the handler

    def chunk(self, text: str) -> None:
        """Stream a piece of text."""
        if self._half or "\0" in text or not text.isascii():
            text, self._half = whole(self._half + text)
        if not (self._say(JobText, text) if text else not self._answered):
            self._meet_end()

    def complete(self, content: str | None, mentions: Sequence[str]) -> None:
        """End the task with a text, None for what was streamed."""
        if content is None:
            self._say_half()
        else:
            content = clean(content)
        if not self._say(JobCompleted, content, tuple(mentions), answers=True):
            self._meet_end()

    def error(self, message: str, keep_partial: bool) -> None:
        """End the task with an error, behind what was streamed if that is kept."""
        self._say_half()
        if not self._say(JobFailed, clean(message), keep_partial, answers=True):
            self._meet_end()

    def detach(self) -> None:
        """Let the task live on after its handler."""
        self._detached = True

    def on_cancel(self, function: Callable[[], object]) -> None:
        """Call the function when the task is cancelled, or now if it was."""
        with self._lock:
            late = self.is_cancelled
            if not late and not self._answered:
                self._functions.append(function)
        if late:
            _on_threads((function,))

    def call_action(
        self, action: str, arguments: Mapping[str, object], options: TaskActionOptions
    ) -> ActionCallResult:
        """Run an action on the platform on behalf of the task: the gateway does, which has the connection."""
        check_keywords("call_action", options, TaskActionOptions)
        given = checked_object({key: value for key, value in options.items() if value is not None}, "options")
        asked = clean_text("action", action), dict(checked_object(arguments, "arguments")), dict(given)
        with self._lock:
            number = self._calls_made = self._calls_made + 1
            call = self._calls[number] = _AskedAction(action)
        try:
            if not self.is_cancelled and self._put(JobAsked, number, *asked):
                call.settled.wait()
        finally:
            with self._lock:
                del self._calls[number]
        if self.is_cancelled:
            self.interruptible = False
            raise TaskCancelled(f"task {self.task_id} was cancelled")
        return call.outcome()

    def report(self, frame: bytes, older: bytes | None = None) -> None:
        """Send a report; ``older`` in its place to a server of March 2026, which does not know it."""
        check_size(frame, LARGEST_FRAME)
        self._put(JobReported, frame, older)

    # From the worker's main thread

    def begin(self) -> None:
        """Note that the handler is about to be called, on this thread."""
        self._thread = threading.get_ident()

    def started(self) -> None:
        """Tell that the job has begun: where nothing else says that its worker is alive."""
        self._put(JobStarted)

    def raised(self, shown: str, error: BaseException, traceback: str) -> None:
        """Tell what the handler raised, and what the user is to see of it."""
        self._say_half()
        self._answered = True
        self._put(JobRaised, shown, type(error).__qualname__, clean(str(error)), clean(traceback))

    def ended(self) -> None:
        """Wait for the end of a task that was detached, and tell that the handler is over."""
        self._thread = None
        if self._detached and not self._answered:
            self._over.wait()
        self._say_half()
        self._answered = True
        self._put(JobEnded, self.is_cancelled)
        self._closed = True
        self.scope.close()

    # From the thread that listens to the gateway

    def cancel(self) -> None:
        """Let nothing more leave, end what the handler waits for, and call the functions."""
        with self._lock:
            self._cancelled.set()
            functions, self._functions = tuple(self._functions), []
            calls = list(self._calls.values())
        self._over.set()
        self._writer.wake()
        for call in calls:
            call.settled.set()
        self.scope.cancel()
        _on_threads(functions)

    def end_calls(self) -> None:
        """Let actions that wait for a result raise ActionError: the gateway is gone, and will not give any."""
        with self._lock:
            calls = list(self._calls.values())
        for call in calls:
            call.settled.set()

    def settle(self, message: SettleCall) -> None:
        """Give an action's result to who waits for it."""
        with self._lock:
            call = self._calls.get(message.call)
        if call is not None:
            call.message = message
            call.settled.set()

    def _say_half(self) -> None:
        """Say what was held back of the text, whose other half will not come."""
        half, self._half = self._half, ""
        if half:
            self._say(JobText, clean(half))

    def _say(self, kind: Callable[..., JobEvent], *values: object, answers: bool = False) -> bool:
        """Send an event of a task that is not answered; False if it is."""
        with self._sending:
            if self._answered or self.is_cancelled:
                return False
            self._answered = answers
            self._put(kind, *values)
        if answers:
            self._over.set()
        return not self.is_cancelled

    def _put(self, kind: Callable[..., JobEvent], *values: object) -> bool:
        with self._sending:
            if self._closed:
                return False
            self._number += 1
            event = kind(self.job.job, self.job.attempt, self._number, *values)
            self._writer.put(event, self._cancelled.is_set)
        return True

    def _meet_end(self) -> None:
        """Answer a send after the end: raise in the handler of a cancelled task, else do nothing."""
        if self.is_cancelled and self._thread == threading.get_ident():
            self.interruptible = False  # a signal now would hit the handler's own clean-up
            raise TaskCancelled(f"task {self.task_id} was cancelled")


class _AskedAction:
    """One action call that waits for its result."""

    def __init__(self, action: str) -> None:
        self.settled = threading.Event()
        self.message: SettleCall | None = None
        self._action = action

    def outcome(self) -> ActionCallResult:
        """Return the result; raise the error that there was instead."""
        message = self.message
        if message is None:
            raise ActionError(f"action_call {self._action}: the agent that would run it is gone")
        if message.result is not None:
            return msgspec.json.decode(message.result, type=ActionCallResult)
        raise _RAISED.get(message.kind, ActionError)(message.text)


_RAISED: Mapping[str, type[Exception]] = {
    kind.__name__: kind for kind in (ActionError, ActionTimeout, ConnectionLost, TypeError, ValueError)
}


def _on_threads(functions: Sequence[Callable[[], object]]) -> None:
    for function in functions:
        threading.Thread(target=_call, args=(function,), name="arinova-cancel", daemon=True).start()


def _call(function: Callable[[], object]) -> None:
    try:
        function()
    except BaseException as error:
        logger.error("an on_cancel function failed", exc_info=error)
