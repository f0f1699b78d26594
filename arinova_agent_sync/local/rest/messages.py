"""Messages: send, history, search, feedback. The rows are the chat's, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from ..records import Conversation, Message
from .desk import Desk
from .exchange import Answer, Body, Request, answer, as_uuid, done, refuse
from .router import Routes

routes = Routes()

_PAGE, _MAX_PAGE = 50, 100
_FOUND, _MAX_FOUND = 20, 50
_QUOTE_BYTES = 200  # of the message that is answered, in a history


class NewMessage(Body):
    """POST /messages/send."""

    conversation_id: str
    content: str
    reply_to: str | None = None


class Feedback(Body):
    """POST /messages/{id}/feedback."""

    helpful: bool


@routes("POST /messages/send")
def send_message(desk: Desk, request: Request) -> Answer:
    body = request.json(NewMessage)
    content = body.content.strip()
    if not content:
        refuse(400, "Content is required")
    conversation_id = as_uuid(body.conversation_id)
    if conversation_id is None:
        refuse(500, "Database error")  # what a failed cast in PostgreSQL looks like from outside
    conversation = desk.conversation(request.agent, conversation_id)
    with desk.hub.turn() as chat:
        row = chat.send(request.agent, conversation, content, body.reply_to if desk.august else None)
    return answer({"messageId": row.id, "seq": row.seq})


@routes("GET /messages/{conversation_id}", etag=True)
def history(desk: Desk, request: Request) -> Answer:
    conversation = desk.conversation(request.agent, request.uuid())
    limit = request.number("limit", _PAGE, most=_MAX_PAGE)
    query = request.query
    with desk.hub.lock:
        if "around" in query:
            rows, more, cursor = _around(conversation, query["around"], limit)
        elif "after" in query:
            rows, more, cursor = _after(conversation, query["after"], limit)
        else:
            rows, more, cursor = _before(conversation, query.get("before"), limit)
        items = [item(row, conversation) for row in rows]
    return answer({"messages": items, "hasMore": more, "nextCursor": cursor})


Found = tuple[Sequence[Message], bool, str | None]


def _before(conversation: Conversation, cursor: str | None, limit: int) -> Found:
    # A cursor that is unknown or no UUID is no cursor: the newest page comes.
    row = _row(conversation, cursor)
    rows = reversed(conversation.rows.values())
    older = rows if row is None else (each for each in rows if each.created_at < row.created_at)
    return _page(list(islice(older, limit + 1)), limit)


def _after(conversation: Conversation, cursor: str, limit: int) -> Found:
    row = _row(conversation, cursor)
    if row is None:
        return (), False, None
    newer = (each for each in conversation.rows.values() if each.created_at > row.created_at)
    rows = list(islice(newer, limit + 1))
    return rows[:limit], len(rows) > limit, None


def _around(conversation: Conversation, cursor: str, limit: int) -> Found:
    if as_uuid(cursor) is None:
        refuse(400, "Invalid around cursor")
    row = _row(conversation, cursor)
    if row is None:
        refuse(404, "Message not found")
    half = limit // 2
    older, more, oldest = _before(conversation, row.id, half)
    newer, _, _ = _after(conversation, row.id, half)
    return [*older, row, *newer], more, oldest if more else None


def _page(newest_first: list[Message], limit: int) -> Found:
    rows = newest_first[:limit][::-1]
    more = len(newest_first) > limit
    return rows, more, rows[0].id if more and rows else None


def _row(conversation: Conversation, cursor: str | None) -> Message | None:
    return conversation.rows.get(as_uuid(cursor) or "")


@routes("GET /messages/search")
def search_messages(desk: Desk, request: Request) -> Answer:
    limit = request.number("limit", _FOUND, most=_MAX_FOUND)
    place = request.query.get("conversationId")
    if place is None:
        places = desk.conversations_of(request.agent)
    elif desk.august:
        places = [desk.conversation(request.agent, as_uuid(place) or "")]
    else:
        # The March 2026 server does not look whether the agent is in that conversation.
        with desk.hub.lock:
            found = desk.hub.chat.conversations.get(as_uuid(place) or "")
        places = [] if found is None else [found]
    rows = matching(desk, places, request.query.get("q", ""))
    offset = request.number("offset", 0, least=0)
    return answer({"results": [_result(row) for row in islice(rows, offset, offset + limit)]})


def matching(desk: Desk, places: Sequence[Conversation], text: str) -> Iterator[Message]:
    """Yield the messages of conversations that contain a text in upper or lower case, newest first."""
    text = text.strip().casefold()
    if not text:
        return iter(())
    with desk.hub.lock:
        rows = [row for place in places for row in place.rows.values() if text in row.content.casefold()]
    return iter(sorted(rows, key=lambda row: row.created_at, reverse=True))


def _result(row: Message) -> dict[str, Any]:
    return {
        "messageId": row.id,
        "conversationId": row.conversation_id,
        "senderName": row.sender_name,
        "content": row.content,
        "createdAt": moment(row.created_at),
    }


@routes("GET /messages/{message_id}/feedback", august=True)
def get_feedback(desk: Desk, request: Request) -> Answer:
    message_id = _rated(desk, request)
    helpful = desk.store.value(
        "SELECT helpful FROM feedback WHERE message_id = ? AND agent_id = ?", message_id, request.agent_id
    )
    return answer({"messageId": message_id, "helpful": None if helpful is None else bool(helpful)})


@routes("POST /messages/{message_id}/feedback", august=True)
def set_feedback(desk: Desk, request: Request) -> Answer:
    message_id, body = _rated(desk, request), request.json(Feedback)
    desk.store.run(
        "INSERT OR REPLACE INTO feedback VALUES (?, ?, ?)", message_id, request.agent_id, body.helpful
    )
    return done(messageId=message_id, helpful=body.helpful)


def _rated(desk: Desk, request: Request) -> str:
    message_id = request.uuid()
    for conversation in desk.conversations_of(request.agent):
        with desk.hub.lock:
            row = conversation.rows.get(message_id)
        if row is not None:
            break
    else:
        refuse(404, "Message not found")
    if row.sender_agent_id is None:
        refuse(400, "Feedback is for messages of agents")
    return message_id


def item(row: Message, conversation: Conversation) -> dict[str, Any]:
    """Return a message as a history shows it; one that is being streamed has no content yet."""
    return {
        "id": row.id,
        "conversationId": row.conversation_id,
        "seq": row.seq,
        "role": row.role,
        "content": row.content,
        "status": row.status,
        "senderAgentId": row.sender_agent_id,
        "senderAgentName": row.sender_name if row.sender_agent_id else None,
        "senderUserId": row.sender_user_id,
        "senderUsername": row.sender_name if row.sender_user_id else None,
        "senderUserName": row.sender_name if row.sender_user_id else None,
        "senderUserImage": None,
        "senderIsVerified": False,
        "replyToId": row.reply_to_id,
        "replyTo": _quote(conversation.rows.get(row.reply_to_id or "")),
        "threadId": None,
        "threadSummary": None,
        "createdAt": moment(row.created_at),
        "updatedAt": moment(row.updated_at or row.created_at),
        "attachments": [_attachment(row, attachment) for attachment in row.attachments],
        "linkPreviews": [],
        "metadata": None,
    }


def moment(time: datetime) -> str:
    """Return a time of the chat, which is UTC without a zone, as HTTP shows it."""
    return time.isoformat(timespec="microseconds") + "+00:00"


def _quote(row: Message | None) -> dict[str, Any] | None:
    if row is None:
        return None
    content = row.content.encode("utf-8", "replace")[:_QUOTE_BYTES].decode("utf-8", "ignore")
    return {
        "role": row.role,
        "content": content,
        "senderAgentName": row.sender_name if row.sender_agent_id else None,
    }


def _attachment(row: Message, attachment: Mapping[str, Any]) -> dict[str, Any]:
    rest = dict.fromkeys(("fileName", "fileType", "fileSize", "url", "duration", "width", "height"))
    return {**rest, "messageId": row.id, "createdAt": moment(row.created_at), **attachment}
