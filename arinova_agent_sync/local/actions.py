"""How the server of August 2026 answers action calls: with Python functions, each call on its own thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
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
    """Keep the function of one action, and the progress that is told before it runs."""

    function: ActionFunction
    progress: Sequence[ActionStatus] = field(default=())


def perform(action: Action | None, frame: Frame, send: Callable[[Frame], object]) -> None:
    """Answer one action call.

    Args:
        action: what answers it, None if there is no such action.
        frame: the agent's ``action_call``.
        send: takes the frames that answer it.
    """
    arguments = frame.get("arguments")
    call = ActionCall(
        str(frame.get("id")),
        str(frame.get("action")),
        arguments if isinstance(arguments, dict) else {},
        frame,
    )
    if action is None:
        error = {"code": "UNKNOWN_ACTION", "message": f"there is no action {call.action!r}"}
        send(_result(call, ActionReply("error", error=error)))
        return
    for status in action.progress:
        send(_result(call, ActionReply(status)))
    try:
        reply = action.function(call)
    except Exception as error:
        logger.warning("The function of action %r raised", call.action, exc_info=True)
        reply = ActionReply("error", error={"code": "INTERNAL_ERROR", "message": str(error)})
    if not isinstance(reply, ActionReply):
        reply = ActionReply(result=reply)
    send(_result(call, reply))


def _result(call: ActionCall, reply: ActionReply) -> Frame:
    return {
        "type": "action_result",
        "id": call.id,
        "action": call.action,
        "status": reply.status,
        "result": reply.result,
        "error": reply.error,
        "confirmation": reply.confirmation,
    }
