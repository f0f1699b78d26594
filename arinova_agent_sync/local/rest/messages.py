"""Conversations and messages: list, open, send, history, search, feedback. The rows are the chat's, in memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from itertools import islice

from starlette.responses import Response

from ..records import Conversation, Message, as_uuid
from .exchange import TEXT, ApiRequest, answer, body, done, refuse, refuse_plainly
from .store import Row

_PLACES, _MAX_PLACES = 50, 200
_PAGE, _MAX_PAGE = 50, 100
_FOUND, _MAX_FOUND = 20, 50
_QUOTE_BYTES = 200  # of the message that is answered, in a history

_NEW_MESSAGE = body(conversation_id=str, content=str, reply_to=TEXT)
_FEEDBACK = body(helpful=bool)
_OPENINGS = ("onboarding", "task_report", "alert")
_OPENING = body(type=str)
_FILE = dict.fromkeys(("fileName", "fileType", "fileSize", "url", "duration", "width", "height"))


def list_conversations(request: ApiRequest) -> Response:
    kind, text = request.query_params.get("type"), request.query_params.get("search", "").casefold()
    limit, offset = request.page(_PLACES, _MAX_PLACES, skips=request.august)
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


def send_message(request: ApiRequest) -> Response:
    values = request.read(_NEW_MESSAGE, nul=400 if request.august else 500)
    content = values["content"].strip() or refuse(400, "Content is required")
    if as_uuid(values["conversation_id"]) is None and not request.august:
        refuse(500, "Database error")  # what a failed cast in PostgreSQL looks like from outside
    conversation = request.conversation(values["conversation_id"])
    reply_to = values.get("reply_to") if request.august else None
    with request.hub.turn() as chat:
        row = chat.send(request.agent, conversation, content, reply_to)
    return answer({"messageId": row.id, "seq": row.seq})


def history(request: ApiRequest) -> Response:
    conversation, query = request.conversation(request.id()), request.query_params
    # Here alone, what is no number is not refused, and a page may be empty.
    wanted = query.get("limit", "")
    limit = min(int(wanted), _MAX_PAGE) if re.fullmatch("[0-9]{1,18}", wanted) else _PAGE
    with request.hub.lock:
        rows, more = _page(conversation, query, limit)
        items = [item(row, conversation) for row in rows]
    cursor = items[0]["id"] if more and items and ("around" in query or "after" not in query) else None
    return answer({"messages": items, "hasMore": more, "nextCursor": cursor})


def _page(conversation: Conversation, query: Mapping[str, str], limit: int) -> tuple[list[Message], bool]:
    way = next((name for name in ("around", "after", "before") if name in query), "before")
    cursor = as_uuid(query.get(way))
    row = conversation.rows.get(cursor or "")
    if way == "around" and row is None:
        refuse(404 if cursor else 400, "Message not found" if cursor else "Invalid around cursor")
    if way == "after" and row is None:
        return [], False
    # A cursor to what is before is none if it is unknown or no UUID: the newest page comes.
    rows = conversation.rows.values()
    older = (each for each in reversed(rows) if row is None or each.created_at < row.created_at)
    newer = (each for each in rows if row is not None and each.created_at > row.created_at)
    size = limit // 2 if way == "around" else limit
    found = list(islice(newer if way == "after" else older, size + 1))
    page, more = found[:size], len(found) > size
    if way == "after":
        return page, more
    return [*page[::-1], *([row, *islice(newer, size)] if way == "around" and row else ())], more


def search_messages(request: ApiRequest) -> Response:
    limit, offset = request.page(_FOUND, _MAX_FOUND)
    text, place = request.query_params.get("q"), request.query_params.get("conversationId")
    if text is None:
        refuse_plainly(400, "Failed to deserialize query string: missing field `q`")
    text = text.strip().casefold() or refuse(400, "q is required")
    places = request.conversations if place is None else []
    if place is not None and request.august:
        places = [request.conversation(place)]
    with request.hub.lock:
        if place is not None and not places:  # the March 2026 server does not look whether the agent is in it
            places = [each for each in request.hub.chat.conversations.values() if each.id == as_uuid(place)]
        rows = [row for each in places for row in each.rows.values() if text in row.content.casefold()]
    rows.sort(key=lambda row: row.created_at, reverse=True)
    return answer({"results": [_result(row) for row in rows[offset : offset + limit]]})


def _result(row: Message) -> Row:
    return {
        "messageId": row.id,
        "conversationId": row.conversation_id,
        "senderName": row.sender_name,
        "content": row.content,
        "createdAt": moment(row.created_at),
    }


def get_feedback(request: ApiRequest) -> Response:
    message_id = _rated(request)
    sql = "SELECT helpful FROM feedback WHERE message_id = ? AND agent_id = ?"
    helpful = request.store.value(sql, message_id, request.agent_id)
    return answer({"messageId": message_id, "helpful": None if helpful is None else bool(helpful)})


def set_feedback(request: ApiRequest) -> Response:
    message_id, helpful = _rated(request), request.read(_FEEDBACK)["helpful"]
    row = (message_id, request.agent_id, helpful)
    request.store.run("INSERT OR REPLACE INTO feedback VALUES (?, ?, ?)", *row)
    return done(messageId=message_id, helpful=helpful)


def _rated(request: ApiRequest) -> str:
    message_id, places = request.id(), request.conversations
    with request.hub.lock:
        row = next((place.rows[message_id] for place in places if message_id in place.rows), None)
    if row is None:
        refuse(404, "Message not found")
    return row.id if row.sender_agent_id else refuse(400, "Feedback is for messages of agents")


def item(row: Message, conversation: Conversation) -> Row:
    """Return a message as a history shows it; one that is being streamed has no content yet."""
    agent_name, user_name = _names(row)
    return {
        "id": row.id,
        "conversationId": row.conversation_id,
        "seq": row.seq,
        "role": row.role,
        "content": row.content,
        "status": row.status,
        "senderAgentId": row.sender_agent_id,
        "senderAgentName": agent_name,
        "senderUserId": row.sender_user_id,
        "senderUsername": user_name,
        "senderUserName": user_name,
        "senderUserImage": None,
        "senderIsVerified": False,
        "replyToId": row.reply_to_id,
        "replyTo": _quote(conversation.rows.get(row.reply_to_id or "")),
        "threadId": None,
        "threadSummary": None,
        "createdAt": moment(row.created_at),
        "updatedAt": moment(row.updated_at or row.created_at),
        "attachments": [
            {**_FILE, "messageId": row.id, "createdAt": moment(row.created_at), **each}
            for each in row.attachments
        ],
        "linkPreviews": [],
        "metadata": None,
    }


def moment(time: datetime) -> str:
    """Return a time of the chat, which is UTC without a zone, as HTTP shows it."""
    return time.isoformat(timespec="microseconds") + "+00:00"


def _quote(row: Message | None) -> Row | None:
    if row is None:
        return None
    content = row.content.encode("utf-8", "replace")[:_QUOTE_BYTES].decode("utf-8", "ignore")
    return {"role": row.role, "content": content, "senderAgentName": _names(row)[0]}


def _names(row: Message) -> tuple[str | None, str | None]:
    return row.sender_name if row.sender_agent_id else None, row.sender_name if row.sender_user_id else None
