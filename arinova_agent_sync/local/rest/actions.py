"""The platform's actions over HTTP, performed by the same functions as those that are called over the socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import msgspec

from ..calls import SETTLED, Call, Send
from ..records import Frame
from .desk import Desk
from .exchange import Answer, Body, Request, answer, as_uuid, refuse
from .router import Routes

routes = Routes()

_MANIFEST_VERSION = "2026-05-05"
_PAGE, _MAX_PAGE = 50, 100


class NewCall(Body):
    """POST /actions/call: the parts of the frame that have to be right."""

    id: str
    action: str
    arguments: dict[str, Any] | None = None
    conversation_id: str | None = None


@routes("GET /actions/agent-manifest", august=True, etag=True)
def agent_manifest(desk: Desk, request: Request) -> Answer:  # noqa: ARG001 - every agent may call every action
    return answer(_manifest(desk))


@routes("GET /actions/manifest", august=True)
def full_manifest(desk: Desk, request: Request) -> Answer:  # noqa: ARG001 - every agent may call every action
    return answer(_manifest(desk))


@routes("POST /actions/call", august=True)
async def call_action(desk: Desk, request: Request) -> Answer:
    body = request.json(NewCall)
    if body.conversation_id is not None:
        desk.conversation(request.agent, as_uuid(body.conversation_id) or "")
    frame: Frame = msgspec.json.decode(request.body)
    calls = desk.hub.calls
    return await _outcome(desk, lambda send, ended: calls.perform(request.agent_id, frame, send, ended))


@routes("GET /actions/pending", august=True)
def list_pending(desk: Desk, request: Request) -> Answer:
    limit = request.number("limit", _PAGE, most=_MAX_PAGE)
    since, cursor = _time(request.query.get("since")), request.query.get("cursor")
    found = [
        call for call in _own(desk, request) if call.open and (since is None or call.created_at >= since)
    ]
    if cursor is not None:
        last = next((call for call in _own(desk, request) if call.row_id == cursor), None)
        if last is None:
            refuse(400, "Invalid cursor")
        found = [call for call in found if call.created_at > last.created_at]
    page, more = found[:limit], len(found) > limit
    shown = [_shown(call) for call in page]
    return answer({"pending": shown, "hasMore": more, "nextCursor": page[-1].row_id if more else None})


@routes("GET /actions/history/{conversation_id}", august=True)
def history(desk: Desk, request: Request) -> Answer:
    place = desk.conversation(request.agent, request.uuid()).id
    found = [call for call in desk.hub.calls.all() if call.frame.get("conversationId") == place]
    return answer({"actions": [_shown(call) for call in found]})


@routes("POST /actions/confirm/{confirmation_id}", august=True)
async def confirm(desk: Desk, request: Request) -> Answer:
    call, calls = _waiting(desk, request), desk.hub.calls
    return await _outcome(desk, lambda send, ended: calls.confirm(call, request.parts[0], send, ended))


@routes("POST /actions/confirm/{confirmation_id}/reject", august=True)
def reject(desk: Desk, request: Request) -> Answer:
    return _cancel(desk, _waiting(desk, request))


@routes("POST /actions/{call_id}/cancel", august=True)
def cancel(desk: Desk, request: Request) -> Answer:
    return _cancel(desk, _newest(desk, request, lambda call: call.id == request.parts[0]))


@routes("POST /actions/by-id/{row_id}/cancel", august=True)
def cancel_row(desk: Desk, request: Request) -> Answer:
    return _cancel(desk, _newest(desk, request, lambda call: call.row_id == request.parts[0]))


async def _outcome(desk: Desk, begin: Callable[[Send, Callable[[Call], object]], None]) -> Answer:
    """Begin a call and wait for its end, or for what an agent does not wait longer for."""
    outcome: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()

    def settle(frame: Frame) -> None:
        if not outcome.done():
            outcome.set_result(frame)

    def told(frame: Frame) -> None:
        if frame["status"] in SETTLED:
            desk.hub.post(settle, frame)

    begin(told, lambda call: desk.hub.post(settle, call.reply))
    return answer(await outcome)


def _cancel(desk: Desk, call: Call) -> Answer:
    if not desk.hub.calls.cancel(call):
        refuse(409, "The call has ended")
    return answer(call.reply)


def _own(desk: Desk, request: Request) -> list[Call]:
    return [call for call in desk.hub.calls.all() if call.agent_id == request.agent_id]


def _newest(desk: Desk, request: Request, fits: Callable[[Call], bool], what: str = "Action call") -> Call:
    found = next(filter(fits, reversed(_own(desk, request))), None)
    if found is None:
        refuse(404, f"{what} not found")
    return found


def _waiting(desk: Desk, request: Request) -> Call:
    place = request.parts[0]
    return _newest(desk, request, lambda call: call.confirmation_id() == place, "Confirmation")


def _manifest(desk: Desk) -> Frame:
    with desk.hub.lock:
        actions = dict(desk.hub.calls.actions)
    described = [actions[name].described(name) for name in sorted(actions)]
    return {"manifestVersion": _MANIFEST_VERSION, "actions": described}


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        refuse(400, "since must be a time such as 2026-08-22T10:00:00Z")
    return time if time.tzinfo is not None else time.replace(tzinfo=timezone.utc)


def _shown(call: Call) -> Frame:
    return {
        "id": call.row_id,
        "callId": call.id,
        "agentId": call.agent_id,
        "action": call.frame.get("action"),
        "arguments": call.frame.get("arguments"),
        "taskId": call.frame.get("taskId"),
        "conversationId": call.frame.get("conversationId"),
        "status": call.status,
        "result": call.reply["result"],
        "error": call.reply["error"],
        "confirmation": call.reply["confirmation"],
        "createdAt": call.created_at.isoformat(timespec="microseconds"),
    }
