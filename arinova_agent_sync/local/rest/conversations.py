"""Conversations of the agent."""

from __future__ import annotations

from typing import Any

from ..records import Conversation
from .desk import Desk
from .exchange import Answer, Body, Request, answer, refuse
from .messages import moment
from .router import Routes

routes = Routes()

_PAGE, _MAX_PAGE = 50, 200
_OPENINGS = ("onboarding", "task_report", "alert")


class Opening(Body):
    """POST /agents/{id}/conversations."""

    type: str


@routes("GET /conversations")
def list_conversations(desk: Desk, request: Request) -> Answer:
    kind, text = request.query.get("type"), request.query.get("search", "").casefold()
    limit = request.number("limit", _PAGE, most=_MAX_PAGE)
    offset = request.number("offset", 0, least=0)
    shown = [
        shape
        for shape in (described(desk, found) for found in desk.conversations_of(request.agent))
        if kind in (None, shape["type"]) and text in shape["name"].casefold()
    ]
    shown.sort(key=lambda shape: shape["updatedAt"], reverse=True)
    return answer(shown[offset : offset + limit])


@routes("POST /agents/{agent_id}/conversations", august=True)
def open_conversation(desk: Desk, request: Request) -> Answer:
    agent_id, body = request.uuid(), request.json(Opening)
    if agent_id != request.agent_id:
        refuse(403, "Agents open conversations of their own only")
    if body.type not in _OPENINGS:
        refuse(400, f"type must be one of {', '.join(_OPENINGS)}")
    with desk.hub.turn() as chat:
        opened = chat.open_conversation("h2a", [request.agent])
    return answer({**described(desk, opened), "conversationId": opened.id, "purpose": body.type}, 201)


def described(desk: Desk, conversation: Conversation) -> dict[str, Any]:
    """Return a conversation as lists show it."""
    with desk.hub.lock:
        last = next(reversed(conversation.rows.values()), None)
        owner = desk.hub.chat.owner.username
    names = [agent.name for agent in conversation.agents]
    return {
        "id": conversation.id,
        "type": conversation.type,
        "name": ", ".join(names) if conversation.is_group else owner,
        "updatedAt": moment(last.created_at if last is not None else conversation.created_at),
    }
