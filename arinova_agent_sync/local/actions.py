"""How the server of August 2026 answers agents' action calls, whichever way they came: with Python functions.

Thread-safe, under the hub's lock, which is not held while the functions run, each on a thread of its own. Only the
newest calls are kept.
"""

from __future__ import annotations

import inspect
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Literal

from .records import Frame, new_id

ActionStatus = Literal[
    "success", "error", "requires_confirmation", "cancelled", "processing", "received", "validating"
]

SETTLED = ("success", "error", "requires_confirmation", "cancelled")  # after these, an agent does not wait

_CLOSED = ("success", "error", "cancelled")
_KEPT = 1000  # calls

Send = Callable[[Frame], object]

logger = logging.getLogger("arinova_agent_sync.local")


@dataclass(frozen=True)
class ActionCall:
    """Show what an agent asked for.

    Attributes:
        id: the call's id.
        action: the action's name.
        arguments: what it was called with.
        frame: the whole frame, with ``taskId``, ``dryRun`` and the rest.
    """

    id: str
    action: str
    arguments: Mapping[str, Any]
    frame: Mapping[str, Any]


@dataclass(frozen=True)
class ActionReply:
    """Say how an action call went, in all cases but a plain success.

    Args:
        status: "success", "error", "requires_confirmation" and "cancelled" settle the call; an agent that
            gets any other one goes on waiting.
        result: what a success returns.
        error: ``{"code": ..., "message": ...}`` of an error.
        confirmation: ``{"confirmationId": ..., "title": ..., "summary": ..., "expiresAt": ...}``.
    """

    status: ActionStatus = "success"
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    confirmation: Mapping[str, Any] | None = None


ActionFunction = Callable[[ActionCall], "ActionReply | Mapping[str, Any] | None"]


@dataclass(frozen=True)
class Action:
    """Keep what stands behind the name of one action.

    Attributes:
        function: what answers its calls.
        progress: statuses that are told before it runs.
        manifest: what the manifest says of it, such as ``inputSchema``, besides its name.
    """

    function: ActionFunction
    progress: Sequence[ActionStatus] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)

    def described(self, name: str) -> dict[str, Any]:
        """Return the action's part of the manifest."""
        lines = (inspect.getdoc(self.function) or "").splitlines()
        about = {"description": lines[0]} if lines else {}
        return {"name": name, "version": "1", **about, **self.manifest}


def replies(action: Action | None, call: Frame) -> Iterator[Frame]:
    """Yield the frames that answer one action call, progress included; without an action, that there is none."""
    name, arguments = str(call.get("action")), call.get("arguments")
    if action is None:
        error = {"code": "UNKNOWN_ACTION", "message": f"there is no action {name!r}"}
        yield result_frame(call, ActionReply("error", error=error))
        return
    for status in action.progress:
        yield result_frame(call, ActionReply(status))
    given = arguments if isinstance(arguments, dict) else {}
    try:
        reply = action.function(ActionCall(str(call.get("id")), name, given, call))
    except Exception as error:
        logger.warning("The function of action %r raised", name, exc_info=True)
        reply = ActionReply("error", error={"code": "INTERNAL_ERROR", "message": str(error)})
    yield result_frame(call, reply if isinstance(reply, ActionReply) else ActionReply(result=reply))


def result_frame(call: Mapping[str, Any], reply: ActionReply) -> Frame:
    """Return the frame that tells how a call stands."""
    named = {"type": "action_result", "id": str(call.get("id")), "action": str(call.get("action"))}
    return {**named, **vars(reply)}


@dataclass(eq=False)
class Call:
    """Follow one call.

    Attributes:
        row_id: the server's id for it, a UUID.
        agent_id: whose it is.
        frame: what was asked.
        created_at: when.
        send: takes what is told of it; called under the lock, so it must not wait.
        reply: the last that was told.
    """

    row_id: str
    agent_id: str
    frame: Frame
    created_at: datetime
    send: Send
    reply: Frame

    @property
    def id(self) -> str:
        """The agent's id for it."""
        return str(self.frame.get("id"))

    @property
    def status(self) -> str:
        """Where it stands."""
        return str(self.reply["status"])

    @property
    def open(self) -> bool:
        """Whether more may come of it."""
        return self.status not in _CLOSED

    def confirmation_id(self) -> object:
        """Return by what a call that waits for a confirmation is confirmed, None for any other call."""
        confirmation = self.reply["confirmation"]
        waits = self.status == "requires_confirmation" and isinstance(confirmation, Mapping)
        return confirmation.get("confirmationId") if waits else None


class Calls:
    """Perform action calls, and remember them.

    Args:
        lock: the hub's.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._calls: dict[str, Call] = {}  # by row id, oldest first
        self._performers: set[threading.Thread] = set()
        self.actions: dict[str, Action] = {}

    def perform(
        self, agent_id: str, frame: Frame, send: Send, ended: Callable[[Call], object] | None = None
    ) -> None:
        """Answer an agent's new call: ``send`` gets every result in order, under the lock, progress included.

        ``ended`` is called when no more will come, unless a confirmation brings it on again.
        """
        call = Call(new_id(), agent_id, frame, datetime.now(timezone.utc), send, {})
        with self._lock:
            self._calls[call.row_id] = call
            if len(self._calls) > _KEPT:
                del self._calls[next(iter(self._calls))]
            self._start(call, ended)

    def confirm(self, call: Call, confirmation_id: str, send: Send, ended: Callable[[Call], object]) -> None:
        """Perform a call again whose function asked for a confirmation; its frame then names that."""
        with self._lock:
            call.frame, call.send = {**call.frame, "confirmationId": confirmation_id}, send
            self._start(call, ended)

    def cancel(self, call: Call) -> bool:
        """End a call; return False if it had ended. Its function may run on, to no effect."""
        with self._lock:
            was_open = call.open
            self._tell(call, result_frame(call.frame, ActionReply("cancelled")))
            return was_open

    def all(self) -> list[Call]:
        """Return the calls that are kept, oldest first."""
        with self._lock:
            return list(self._calls.values())

    def forget(self) -> None:
        """Drop all calls of which no more will come."""
        with self._lock:
            self._calls = {row_id: call for row_id, call in self._calls.items() if call.open}

    def join(self, timeout: float) -> list[str]:
        """Wait so many seconds for the functions that run; return the names of the threads that did not end."""
        deadline = time.monotonic() + timeout
        with self._lock:
            others = [thread for thread in self._performers if thread is not threading.current_thread()]
        for thread in others:
            thread.join(max(0.0, deadline - time.monotonic()))
        return [thread.name for thread in others if thread.is_alive()]

    def _start(self, call: Call, ended: Callable[[Call], object] | None) -> None:
        call.reply = result_frame(call.frame, ActionReply("processing"))
        action = self.actions.get(str(call.frame.get("action")))

        def run() -> None:
            try:
                for reply in replies(action, call.frame):
                    self._tell(call, reply)
                if ended is not None:
                    ended(call)
            finally:
                with self._lock:
                    self._performers.discard(thread)

        thread = threading.Thread(target=run, name="arinova-local-action", daemon=True)
        self._performers.add(thread)
        thread.start()

    def _tell(self, call: Call, answer: Mapping[str, Any]) -> None:
        with self._lock:
            if call.open:  # otherwise it was cancelled meanwhile
                call.reply = dict(answer)
                call.send(call.reply)
