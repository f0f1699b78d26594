"""The WebSocket ``/api/v1/hud``, on which agents of March 2026 report what they do.

Belongs to the event loop's thread.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.websockets import WebSocket

from ..agent_frames import parsed
from ..records import as_uuid
from .exchange import ApiRequest, error, refuse_plainly

if TYPE_CHECKING:
    from ..hub import Hub

_PING_EVERY = 30.0  # seconds
_SILENCE = 60.0  # seconds without a text, after which the server lets go
_LOGGED = 200  # bytes of a text that the server logs


async def serve(socket: WebSocket) -> None:
    """Take one agent's reports; the token is in the query or in the header."""
    hub: Hub = socket.app.state.hub
    scheme, _, bearer = socket.headers.get("authorization", "").partition(" ")
    token = socket.query_params.get("token") or (bearer.strip() if scheme.lower() == "bearer" else "")
    agent = hub.chat.roster.find(token)
    if agent is None:
        await socket.send_denial_response(error(401, "Unauthorized"))
        return
    await socket.accept()
    clock = asyncio.get_running_loop().time
    heard = clock()
    due = heard + _PING_EVERY
    while (now := clock()) < heard + _SILENCE:
        if now >= due:
            await socket.send_text('{"type":"ping"}')
            due = now + _PING_EVERY
        try:
            message = await asyncio.wait_for(socket.receive(), due - now)
        except asyncio.TimeoutError:
            continue
        if message["type"] == "websocket.disconnect":
            return
        if (text := message.get("text")) is None:
            continue
        heard = clock()
        if _is_cut_in_a_character(text.encode("utf-8", "replace")):
            break
        frame = parsed(text) or {}
        placed = as_uuid(frame.get("conversationId")) is not None
        if frame.get("type") == "task_update" or (frame.get("type") == "hud_update" and placed):
            with hub.lock:
                hub.incoming.report(agent, frame)
    socket.app.state.drop(socket.scope)


def refuse(_: ApiRequest) -> Response:
    """Refuse a request that is no upgrade, as axum's extractor does."""
    refuse_plainly(400, "Connection header did not include 'upgrade'")


def _is_cut_in_a_character(data: bytes) -> bool:
    # The server slices a text for its log at this byte, and Rust's slices must not begin inside a character:
    # the thread of the connection panics.
    return len(data) > _LOGGED and data[_LOGGED] & 0xC0 == 0x80
