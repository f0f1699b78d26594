"""How the server of August 2026 answers action calls: with Python functions, each call on its own thread."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .records import Frame

ActionStatus = Literal[
    "success", "error", "requires_confirmation", "cancelled", "processing", "received", "validating"
]

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
