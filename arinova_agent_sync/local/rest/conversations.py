"""Conversations of the agent."""

from __future__ import annotations

from starlette.responses import Response

from ..records import Conversation
from .exchange import ApiRequest, answer, body, refuse
from .store import Row

_PAGE, _MAX_PAGE = 50, 200
_OPENINGS = ("onboarding", "task_report", "alert")
_OPENING = body(type=str)


def list_conversations(request: ApiRequest) -> Response:
    kind, text = request.query_params.get("type"), request.query_params.get("search", "").casefold()
    limit, offset = request.page(_PAGE, _MAX_PAGE, skips=request.august)
    shown = [_described(request, each) for each in request.conversations]
    shown = [each for each in shown if kind in (None, each["type"]) and text in each["name"].casefold()]
    shown.sort(key=lambda each: each["updatedAt"], reverse=True)
    return answer(shown[offset : offset + limit])


def open_conversation(request: ApiRequest) -> Response:
    agent_id, purpose = request.id(), request.read(_OPENING)["type"]
    if agent_id != request.agent_id:
        refuse(403, "Agents open conversations of their own only")
    if purpose not in _OPENINGS:
        refuse(400, f"type must be one of {', '.join(_OPENINGS)}")
    with request.hub.turn() as chat:
        opened = chat.open_conversation("h2a", [request.agent])
    return answer({**_described(request, opened), "conversationId": opened.id, "purpose": purpose}, 201)


def _described(request: ApiRequest, conversation: Conversation) -> Row:
    with request.hub.lock:
        last = next(reversed(conversation.rows.values()), conversation)
    return {
        "id": conversation.id,
        "type": conversation.type,
        "name": ", ".join(agent.name for agent in conversation.agents),  # no conversation here has a title
        "updatedAt": last.created_at.isoformat(" ", "microseconds"),  # without a zone, unlike all other times
    }
