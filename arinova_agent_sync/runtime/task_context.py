"""What a Task calls: the way from a handler to the server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ..action_results import ActionCallResult, ActionOptions, TaskActionOptions
from ..errors import TaskCancelled
from ..protocol.json_values import clean
from ..shown_errors import shortened
from .running_task import RunningTask

if TYPE_CHECKING:
    from ..api import ArinovaClient
    from ..credentials import Credentials
    from .action_calls import ActionCalls
    from .task_lifecycle import TaskLifecycle
    from .writer import Writer

_SMALL = 256  # characters: longer pieces are rare enough to be counted one by one


class Cancelled(Protocol):
    """Whether the user stopped the task."""

    def is_set(self) -> bool:
        """Tell whether the task was cancelled."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the task is cancelled or the seconds are over; tell which."""
        ...


class TaskContext(Protocol):
    """What a Task needs of what runs it."""

    @property
    def cancelled(self) -> Cancelled:
        """Whether the user stopped the task."""
        ...

    @property
    def is_cancelled(self) -> bool:
        """The same in short, for the hot path."""
        ...

    @property
    def agent_name(self) -> str | None:
        """The answering agent's name, if the server told it."""
        ...

    @property
    def has_ended(self) -> bool:
        """Whether the task was answered or cancelled, or somebody will finish it after its handler."""
        ...

    @property
    def asked_before(self) -> str | None:
        """When the message was written that the agent was asked before in this conversation, if that is known."""
        ...

    @property
    def api(self) -> ArinovaClient:
        """The agent's HTTP client."""
        ...

    def chunk(self, text: str) -> None:
        """Stream a piece of text."""
        ...

    def complete(self, content: str | None, mentions: Sequence[str]) -> None:
        """End the task with a text, None for what was streamed."""
        ...

    def error(self, message: str, keep_partial: bool) -> None:
        """End the task with an error, behind what was streamed if that is kept."""
        ...

    def detach(self) -> None:
        """Let the task live on after its handler."""
        ...

    def on_cancel(self, function: Callable[[], object]) -> None:
        """Call the function when the task is cancelled, or now if it was."""
        ...

    def call_action(
        self, action: str, arguments: Mapping[str, object], options: TaskActionOptions
    ) -> ActionCallResult:
        """Run an action on the platform on behalf of the task."""
        ...

    def report(self, frame: bytes, older: bytes | None = None) -> None:
        """Send a report; ``older`` in its place to a server of March 2026, which does not know it."""
        ...


class ThreadTaskContext:
    """The context of a task whose handler runs on a thread of this process.

    Args:
        running: the task's record.
        lifecycle: ends the task.
        writer: takes its chunks.
        actions: the agent's action calls.
        credentials: whose HTTP client the task uses.
    """

    __slots__ = ("_actions", "_answer", "_credentials", "_lifecycle", "_running", "_writer")

    def __init__(
        self,
        running: RunningTask,
        *,
        lifecycle: TaskLifecycle,
        writer: Writer,
        actions: ActionCalls,
        credentials: Credentials,
    ) -> None:
        self._running = running
        self._answer = running.answer
        self._lifecycle = lifecycle
        self._writer = writer
        self._actions = actions
        self._credentials = credentials

    @property
    def cancelled(self) -> threading.Event:
        """Whether the task was cancelled."""
        return self._lifecycle.cancelled_event(self._running)

    @property
    def is_cancelled(self) -> bool:
        """The same in short, for the hot path."""
        return self._running.ended == "cancelled"

    @property
    def has_ended(self) -> bool:
        """Whether the task was answered or cancelled, or somebody will finish it after its handler."""
        return self._running.ended is not None or self._running.detached

    @property
    def agent_name(self) -> str | None:
        """The agent's name, if the server told it."""
        return self._lifecycle.agent_name

    @property
    def asked_before(self) -> str | None:
        """When the message was written that the agent was asked before in this conversation, if that is known."""
        return self._running.arrived.asked_before

    @property
    def api(self) -> ArinovaClient:
        """The agent's HTTP client."""
        return self._credentials.api

    def chunk(self, text: str) -> None:
        """Stream a piece of text."""
        # The hot path: where text of this task waits already, somebody is on the way to write it, and cleans the
        # whole of it at once. See PendingText for why this needs no lock.
        answer = self._answer
        pending = answer.pending
        if pending is not None and len(pending.fresh) < answer.patience and text and len(text) < _SMALL:
            pending.fresh.append(text)
            if answer.pending is not pending and not self._writer.requeue(self._running, pending):
                self._meet_end()
            return
        running = self._running
        # Looked at here: a call would cost as much again.
        if answer.half or "\0" in text or not text.isascii():
            text = self._lifecycle.whole(running, text)
        if not (self._writer.chunk(running, text) if text else running.ended is None):
            self._meet_end()

    def complete(self, content: str | None, mentions: Sequence[str]) -> None:
        """End the task with a text, None for what was streamed."""
        if not self._lifecycle.complete(self._running, None if content is None else clean(content), mentions):
            self._meet_end()

    def error(self, message: str, keep_partial: bool) -> None:
        """End the task with an error, or with what was streamed and the error's text behind it."""
        message = shortened(clean(message))
        if keep_partial and self._lifecycle.has_streamed(self._running):
            ended = self._lifecycle.complete(self._running, None, (), tail=f"\n\n{message}")
        else:
            ended = self._lifecycle.fail(self._running, message)
        if not ended:
            self._meet_end()

    def detach(self) -> None:
        """Let the task live on after its handler."""
        self._lifecycle.detach(self._running)

    def on_cancel(self, function: Callable[[], object]) -> None:
        """Call the function when the task is cancelled, or now if it was."""
        self._lifecycle.on_cancel(self._running, function)

    def report(self, frame: bytes, older: bytes | None = None) -> None:
        """Send a report; ``older`` in its place to a server of March 2026, which does not know it."""
        self._lifecycle.report(frame, older)

    def call_action(
        self, action: str, arguments: Mapping[str, object], options: TaskActionOptions
    ) -> ActionCallResult:
        """Run an action on the platform on behalf of the task."""
        running = self._running
        whole: ActionOptions = {
            **options,
            "task_id": running.task_id,
            "conversation_id": running.answer.conversation_id,
            "message_id": running.task_id,
        }
        return self._actions.call(action, arguments, whole, running)

    def _meet_end(self) -> None:
        """Answer a send after the end: raise in the handler of a cancelled task, else do nothing."""
        running = self._running
        if running.is_cancelled and running.thread == threading.get_ident() and not self._lifecycle.over:
            raise TaskCancelled(f"task {running.task_id} was cancelled")
