"""Action calls: a request on the socket, a result that comes back on the same connection or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..action_results import ActionCallResult, ActionOptions
from ..argument_checks import check_keywords, seconds
from ..errors import ActionError, ConnectionLost, TaskCancelled
from ..protocol import frames
from ..protocol.json_values import checked_object, clean_text
from ..protocol.pieces import Passing
from .connection import Connection, PendingCall
from .state import State
from .writer import Writer

if TYPE_CHECKING:
    from .running_task import RunningTask


class ActionCalls:
    """The calls of one agent."""

    def __init__(self, state: State, writer: Writer) -> None:
        self._state = state
        self._writer = writer

    def call(
        self,
        action: str,
        arguments: Mapping[str, object],
        options: ActionOptions,
        running: RunningTask | None = None,
    ) -> ActionCallResult:
        """Send a call and wait for its result."""
        check_keywords("call_action", options, ActionOptions)
        timeout = options.get("timeout")
        if timeout is None:
            timeout = self._state.settings.action_timeout
        timeout = seconds("timeout", timeout)
        call = PendingCall(
            _text(options, "call_id") or f"call_{uuid.uuid4().hex}", clean_text("action", action)
        )
        payload = _payload(call, arguments, options)
        frames.check_size(payload, self._state.settings.max_outgoing_bytes)
        connection = self._send(call, payload, running)
        try:
            self._writer.flush()
            return call.result(timeout)
        finally:
            with self._state.lock:
                connection.calls.pop(call.call_id, None)
                if running is not None:
                    running.calls -= {call}

    def progress(self, payload: bytes) -> None:
        """Report how far an action is that this agent runs."""
        frames.check_size(payload, self._state.settings.max_outgoing_bytes)
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

    def _send(self, call: PendingCall, payload: bytes, running: RunningTask | None) -> Connection:
        state = self._state
        with state.lock:
            connection = state.connection
            if running is not None and running.is_cancelled:
                raise TaskCancelled(f"task {running.task_id} was cancelled")
            if connection is None or state.link is None:
                raise ActionError("action_call requires an active WebSocket connection")
            if call.call_id in connection.calls:
                raise ValueError(f"call_id {call.call_id!r} is in flight already")
            connection.calls[call.call_id] = call
            if running is not None:
                running.calls |= {call}
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
