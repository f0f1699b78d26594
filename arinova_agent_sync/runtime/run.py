"""One task in the agent's hands, from its arrival to the end of its handler."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Literal

from ..errors import TaskCancelled
from ..models import ActionCallResult, ActionOptions, text
from ..protocol.answer import Answer
from ..protocol.jsonvalues import clean
from ..task import Task

if TYPE_CHECKING:
    from ..api import ArinovaClient
    from ..interrupts.scope import Scope
    from .actions import PendingCall
    from .dispatch import Dispatch

Outcome = Literal["completed", "failed", "cancelled", "refused"]


_SMALL = 256  # characters: longer pieces are rare enough to be counted one by one


class TaskRun:
    """The door of one task: what its handler does becomes frames here.

    What stands below ``ended`` is changed under the state lock.
    """

    __slots__ = (
        "__weakref__",
        "_cancelled",
        "_dispatch",
        "_payload",
        "_state",
        "answer",
        "calls",
        "detached",
        "ended",
        "functions",
        "handed_over",
        "handling",
        "last_chunk",
        "patience",
        "scope",
        "slow_write",
        "started",
        "thread",
    )

    def __init__(
        self, dispatch: Dispatch, task_id: str, payload: Mapping[str, object], connection: int
    ) -> None:
        self._dispatch = dispatch
        self._state = dispatch.state
        self._payload = payload
        self._cancelled: threading.Event | None = None
        self.answer = Answer(task_id, text(payload, "conversationId") or None, connection)
        self.ended: Outcome | None = None
        self.started = False
        self.handling = False  # its handler is on a worker
        self.detached = False
        self.scope: Scope | None = None  # what a cancel ends; made when the handler starts
        self.thread: int | None = None  # the worker's, while its handler is on it
        self.last_chunk = float("-inf")
        self.slow_write = False  # the last write took long
        self.handed_over = float("-inf")  # until when the pinger writes
        self.patience = 0  # how many fresh pieces a run may have for another to be just appended
        self.functions: Sequence[Callable[[], object]] = ()  # to be called when the user stops the task
        self.calls: AbstractSet[PendingCall] = frozenset()

    @property
    def task_id(self) -> str:
        """The task's id."""
        return self.answer.task_id

    def task(self) -> Task:
        """Return what a handler is given. It is not kept: it refers to this run, and a ring would be left to the
        garbage collector, with every task's texts in it."""
        return Task(self._payload, self)

    @property
    def is_cancelled(self) -> bool:
        """Whether the task was cancelled."""
        return self.ended == "cancelled"

    @property
    def cancelled(self) -> threading.Event:
        """The same as an event, which is made when it is asked for: few handlers ask."""
        with self._state.lock:
            if self._cancelled is None:
                self._cancelled = threading.Event()
                if self.is_cancelled:
                    self._cancelled.set()
            return self._cancelled

    def set_cancelled(self) -> None:
        """Wake who waits for the cancel. Called under the state lock, once the task has ended."""
        if self._cancelled is not None:
            self._cancelled.set()

    @property
    def agent_name(self) -> str | None:
        """The agent's name, if the server told it."""
        return self._dispatch.agent_name

    @property
    def api(self) -> ArinovaClient:
        """The agent's HTTP client."""
        return self._dispatch.api

    def shut(self) -> None:
        """Let no more text in: the task ends. Called under the state lock."""
        self.patience = 0
        self.answer.close_run()

    def chunk(self, text: str) -> None:
        """Stream a piece of text."""
        # The hot path: where a run of this task waits already, somebody is on the way to write it, and cleans
        # the whole of it at once. See Run for why this needs no lock.
        answer = self.answer
        run = answer.run
        if run is not None and len(run.fresh) < self.patience and text and len(text) < _SMALL:
            run.fresh.append(text)
            if answer.run is not run and not self._dispatch.writer.requeue(self, run):
                self.refuse()
            return
        text = clean(text)
        open_still = self._dispatch.writer.chunk(self, text) if text else self.ended is None
        if not open_still:
            self.refuse()

    def complete(self, content: str | None, mentions: Sequence[str]) -> None:
        """End the task with a text, None for what was streamed."""
        if not self._dispatch.complete(self, None if content is None else clean(content), mentions):
            self.refuse()

    def error(self, message: str, keep_partial: bool) -> None:
        """End the task with an error, or with what was streamed and the error's text behind it."""
        message = clean(message)
        if keep_partial and self._dispatch.has_said(self):
            ended = self._dispatch.complete(self, None, (), tail=f"\n\n{message}")
        else:
            ended = self._dispatch.fail(self, message)
        if not ended:
            self.refuse()

    def detach(self) -> None:
        """Let the task live on after its handler."""
        self._dispatch.detach(self)

    def on_cancel(self, function: Callable[[], object]) -> None:
        """Call the function when the task is cancelled, or now if it was."""
        self._dispatch.on_cancel(self, function)

    def call_action(
        self, action: str, arguments: Mapping[str, object], options: ActionOptions
    ) -> ActionCallResult:
        """Run an action on the platform on behalf of the task."""
        return self._dispatch.call_action(self, action, arguments, options)

    def close_scope(self) -> None:
        """End what a task that has ended left open, once its handler is over. Called without the state lock."""
        if self.scope is not None and not self.handling:
            self.scope.close()

    def refuse(self) -> None:
        """Meet a send after the end: raise in the handler of a cancelled task, else do nothing."""
        if self.is_cancelled and self.thread == threading.get_ident() and not self._dispatch.over:
            raise TaskCancelled(f"task {self.task_id} was cancelled")
