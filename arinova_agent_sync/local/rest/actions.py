"""The platform's actions over HTTP, performed by the same functions as those that are called over the socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from ..actions import SETTLED, Call, Send
from ..records import Frame
from .exchange import ApiRequest, answer, body, refuse

if TYPE_CHECKING:
    from ..hub import Hub

_MANIFEST_VERSION = "2026-05-05"
_PAGE, _MAX_PAGE = 50, 100

# The parts of the frame that have to be right.
_NEW_CALL = body(
    id=str, action=str, arguments=(dict[str, Any] | None, None), conversation_id=(str | None, None)
)


def manifest(request: ApiRequest) -> Response:
    with request.hub.lock:
        actions = sorted(request.hub.calls.actions.items())  # every agent may call all of them
    described = [action.described(name) for name, action in actions]
    return answer({"manifestVersion": _MANIFEST_VERSION, "actions": described})


async def call_action(request: ApiRequest) -> Response:
    values = request.read(_NEW_CALL)
    if "conversation_id" in values:
        request.conversation(values["conversation_id"])
    frame: Frame = msgspec.json.decode(request.data or b"")
    agent_id, calls = request.agent_id, request.hub.calls
    return await _outcome(request.hub, lambda send, ended: calls.perform(agent_id, frame, send, ended))


def list_pending(request: ApiRequest) -> Response:
    limit = request.number("limit", _PAGE, most=_MAX_PAGE)
    since, cursor = _time(request.query_params.get("since")), request.query_params.get("cursor")
    own = _own(request)
    found = [call for call in own if call.open and (since is None or call.created_at >= since)]
    if cursor is not None:
        last = next((call for call in own if call.row_id == cursor), None) or refuse(400, "Invalid cursor")
        found = [call for call in found if call.created_at > last.created_at]
    page, more = found[:limit], len(found) > limit
    shown = [_shown(call) for call in page]
    return answer({"pending": shown, "hasMore": more, "nextCursor": page[-1].row_id if more else None})


def history(request: ApiRequest) -> Response:
    place = request.conversation(request.id()).id
    found = [call for call in request.hub.calls.all() if call.frame.get("conversationId") == place]
    return answer({"actions": [_shown(call) for call in found]})


async def confirm(request: ApiRequest) -> Response:
    call, calls, confirmation_id = _waiting(request), request.hub.calls, request.text()
    return await _outcome(request.hub, lambda send, ended: calls.confirm(call, confirmation_id, send, ended))


def reject(request: ApiRequest) -> Response:
    return _cancel(request, _waiting(request))


def cancel(request: ApiRequest) -> Response:
    return _cancel(request, _newest(request, lambda call: call.id == request.text()))


def cancel_row(request: ApiRequest) -> Response:
    return _cancel(request, _newest(request, lambda call: call.row_id == request.text()))


async def _outcome(hub: Hub, begin: Callable[[Send, Callable[[Call], object]], None]) -> Response:
    """Begin a call and wait for its end, or for what an agent does not wait longer for."""
    outcome: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()

    def settle(frame: Frame) -> None:
        if not outcome.done():
            outcome.set_result(frame)

    def told(frame: Frame) -> None:
        if frame["status"] in SETTLED:
            hub.post(settle, frame)

    begin(told, lambda call: hub.post(settle, call.reply))
    return answer(await outcome)


def _cancel(request: ApiRequest, call: Call) -> Response:
    if not request.hub.calls.cancel(call):
        refuse(409, "The call has ended")
    return answer(call.reply)


def _own(request: ApiRequest) -> list[Call]:
    return [call for call in request.hub.calls.all() if call.agent_id == request.agent_id]


def _newest(request: ApiRequest, fits: Callable[[Call], bool], what: str = "Action call") -> Call:
    return next(filter(fits, reversed(_own(request))), None) or refuse(404, f"{what} not found")


def _waiting(request: ApiRequest) -> Call:
    return _newest(request, lambda call: call.confirmation_id() == request.text(), "Confirmation")


def _time(text: str | None) -> datetime | None:
    try:
        time = None if text is None else msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        refuse(400, "since must be a time such as 2026-08-22T10:00:00Z")
    return time if time is None or time.tzinfo is not None else time.replace(tzinfo=timezone.utc)


def _shown(call: Call) -> Frame:
    return {
        **{key: call.frame.get(key) for key in ("action", "arguments", "taskId", "conversationId")},
        **{key: call.reply[key] for key in ("status", "result", "error", "confirmation")},
        "id": call.row_id,
        "callId": call.id,
        "agentId": call.agent_id,
        "createdAt": call.created_at.isoformat(timespec="microseconds"),
    }
