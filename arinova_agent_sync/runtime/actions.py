"""Action calls: a request on the socket, a result that comes back on the same connection or not at all."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import models
from ..errors import ActionError, ActionTimeout, ConnectionLost, TaskCancelled
from ..models import ActionCallResult, ActionOptions
from ..protocol import frames
from ..protocol.json_values import checked_object, clean_text
from ..protocol.outbox import Passing
from ..settings import seconds
from .state import Connection, State
from .writer import Writer

if TYPE_CHECKING:
    from .run import TaskRun


class PendingCall:
    """One call in flight, and the thread that waits for it."""

    __slots__ = ("_done", "_outcome", "action", "call_id")

    def __init__(self, call_id: str, action: str) -> None:
        self.call_id = call_id
        self.action = action
        self._done = threading.Event()
        self._outcome: ActionCallResult | BaseException | None = None

    def settle(self, payload: Mapping[str, object]) -> None:
        """Hand the result over."""
        self._finish(models.action_result(payload, self.action))

    def fail(self, why: str) -> None:
        """Have the call raise: there will be no result."""
        self._finish(ActionError(f"action_call {self.call_id} cancelled by {why}"))

    def cancel(self) -> None:
        """Have the call raise: its task was cancelled."""
        self._finish(TaskCancelled(f"action_call {self.call_id} cancelled with its task"))

    def result(self, timeout: float) -> ActionCallResult:
        """Wait for the result; raise what took its place."""
        self._done.wait(timeout)
        outcome = self._outcome
        if isinstance(outcome, ActionCallResult):
            return outcome
        raise outcome or ActionTimeout(
            f"action_call {self.action} ({self.call_id}) timed out after {timeout:g} s; "
            "the platform may still run it"
        )

    def _finish(self, outcome: ActionCallResult | BaseException) -> None:
        if self._outcome is None:
            self._outcome = outcome
            self._done.set()


class Actions:
    """The calls of one agent."""

    def __init__(self, state: State, writer: Writer) -> None:
        self._state = state
        self._writer = writer

    def call(
        self,
        action: str,
        arguments: Mapping[str, object],
        options: ActionOptions,
        run: TaskRun | None = None,
    ) -> ActionCallResult:
        """Send a call and wait for its result."""
        timeout = options.get("timeout")
        if timeout is None:
            timeout = self._state.settings.action_timeout
        timeout = seconds("timeout", timeout)
        call = PendingCall(
            _text(options, "call_id") or f"call_{uuid.uuid4().hex}", clean_text("action", action)
        )
        payload = _payload(call, arguments, options)
        connection = self._send(call, payload, run)
        try:
            self._writer.flush()
            return call.result(timeout)
        finally:
            with self._state.lock:
                connection.calls.pop(call.call_id, None)
                if run is not None:
                    run.calls -= {call}

    def progress(self, payload: bytes) -> None:
        """Report how far an action is that this agent runs."""
        with self._state.lock:
            if self._state.link is None:
                raise ConnectionLost("there is no connection to report the progress on")
            self._state.outbox.add_passing(Passing(payload))
        self._writer.flush()

    def settled(self, connection: Connection, call_id: str, payload: Mapping[str, object]) -> None:
        """Hand a result to the thread that waits for it."""
        with self._state.lock:
            call = connection.calls.get(call_id)
        if call is not None:
            call.settle(payload)

    def lost(self, connection: Connection, why: str) -> None:
        """Fail the calls of a connection that ended."""
        with self._state.lock:
            calls, connection.calls = list(connection.calls.values()), {}
        for call in calls:
            call.fail(why)

    def _send(self, call: PendingCall, payload: bytes, run: TaskRun | None) -> Connection:
        state = self._state
        with state.lock:
            connection = state.connection
            if run is not None and run.is_cancelled:
                raise TaskCancelled(f"task {run.task_id} was cancelled")
            if connection is None or state.link is None:
                raise ActionError("action_call requires an active WebSocket connection")
            if call.call_id in connection.calls:
                raise ValueError(f"call_id {call.call_id!r} is in flight already")
            connection.calls[call.call_id] = call
            if run is not None:
                run.calls |= {call}
            state.outbox.add_passing(Passing(payload))
        return connection


def _payload(call: PendingCall, arguments: Mapping[str, object], options: ActionOptions) -> bytes:
    metadata, dry_run = options.get("metadata"), options.get("dry_run")
    if dry_run is not None and not isinstance(dry_run, bool):
        raise TypeError(f"dry_run must be True or False, not {type(dry_run).__name__}")
    return frames.action_call(
        call.call_id,
        call.action,
        checked_object(arguments, "arguments"),
        taskId=_text(options, "task_id"),
        conversationId=_text(options, "conversation_id"),
        messageId=_text(options, "message_id"),
        parentCallId=_text(options, "parent_call_id"),
        reason=_text(options, "reason"),
        metadata=None if metadata is None else checked_object(metadata, "metadata"),
        dryRun=dry_run,
    )


def _text(options: Mapping[str, object], name: str) -> str | None:
    value = options.get(name)
    return None if value is None else clean_text(name, value)
