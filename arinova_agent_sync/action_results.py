"""What an action call takes and what it gives back, typed and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import msgspec

from .protocol.frames import text

Payload = Mapping[str, object]


class TaskActionOptions(TypedDict, total=False):
    """What may come with an action call of a task; None stands for absent."""

    call_id: str | None
    parent_call_id: str | None
    reason: str | None
    metadata: Mapping[str, object] | None
    dry_run: bool | None
    timeout: float | None


class ActionOptions(TaskActionOptions, total=False):
    """What may come with any action call."""

    task_id: str | None
    conversation_id: str | None
    message_id: str | None


class ActionFailure(msgspec.Struct, frozen=True):
    """Why an action failed."""

    code: str
    message: str
    details: object = None


class ActionConfirmation(msgspec.Struct, frozen=True):
    """What a person must confirm before the action runs."""

    confirmation_id: str
    title: str = ""
    summary: str = ""
    expires_at: str | None = None


class ActionCallResult(msgspec.Struct, frozen=True):
    """How the server settled an action call.

    Attributes:
        status: "success", "error", "requires_confirmation" or "cancelled".
        result: the action's result, if it succeeded.
        error: why it failed, if it did.
        confirmation: what must be confirmed, if that is so.
        raw: the whole frame as the server sent it.
    """

    call_id: str
    action: str
    status: str
    result: Mapping[str, object] | None = None
    error: ActionFailure | None = None
    confirmation: ActionConfirmation | None = None
    trace_id: str | None = None
    action_version: str | None = None
    dry_run: bool | None = None
    raw: Mapping[str, object] = {}


def action_result(payload: Payload, action: str) -> ActionCallResult:
    """Return the result in an action_result frame; the action's name stands in for a missing one."""
    result, dry_run = payload.get("result"), payload.get("dryRun")
    return ActionCallResult(
        text(payload, "id") or "",
        text(payload, "action") or action,
        text(payload, "status") or "error",
        result if isinstance(result, dict) else None,
        _failure(payload.get("error")),
        _confirmation(payload.get("confirmation")),
        text(payload, "traceId"),
        text(payload, "actionVersion"),
        dry_run if isinstance(dry_run, bool) else None,
        payload,
    )


def _failure(value: object) -> ActionFailure | None:
    if isinstance(value, str):
        return ActionFailure("", value)
    if not isinstance(value, dict):
        return None
    return ActionFailure(text(value, "code") or "", text(value, "message") or "", value.get("details"))


def _confirmation(value: object) -> ActionConfirmation | None:
    if not isinstance(value, dict):
        return None
    return ActionConfirmation(
        text(value, "confirmationId") or "",
        text(value, "title") or "",
        text(value, "summary") or "",
        text(value, "expiresAt"),
    )
