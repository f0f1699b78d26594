"""Search over all that an agent may see, and what ids in texts stand for. August 2026."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from starlette.responses import Response

from .cards import JOINED
from .exchange import NUMBER, TEXT, ApiRequest, answer, body, refuse
from .files import VISIBLE, visible
from .messages import moment
from .store import Row

_FOUND, _MAX_FOUND = 5, 50  # of each kind
_CONTENT_FOUND = 50
_SNIPPET = 200  # characters
_TOKEN = 4  # characters; a rule of thumb
_ID = re.compile(r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{7,40})\b", re.I)
_TEXT = body(conversation_id=str, content=str, agent_id=TEXT, message_id=TEXT, max_tokens=NUMBER)

_ON_BOARDS = f"{JOINED} JOIN board_grants USING (board_id) WHERE agent_id = ?"
# What is found beside messages; the keys behind authorId are those of one kind alone.
_SOURCES = {
    "note": "SELECT notes.id, title, content AS text, created_at AS createdAt, notes.agent_id AS authorId,"
    " notebook_id AS notebookId FROM notes JOIN notebook_grants USING (notebook_id)"
    " WHERE notebook_grants.agent_id = ? AND archived_at IS NULL ORDER BY created_at DESC, notes.rowid DESC",
    "card": "SELECT cards.id, title, coalesce(description, '') AS text, cards.created_at AS createdAt,"
    f" NULL AS authorId, board_id AS boardId FROM cards {_ON_BOARDS}"
    " AND NOT cards.archived AND NOT boards.archived ORDER BY cards.updated_at DESC",
    "memory": "SELECT id, summary AS title, coalesce(detail, '') AS text, created_at AS createdAt,"
    " agent_id AS authorId FROM memories WHERE agent_id = ? AND NOT deleted ORDER BY last_used_at DESC",
    "file": "SELECT id, file_name AS title, '' AS text, created_at AS createdAt, agent_id AS authorId,"
    " conversation_id AS conversationId, file_type AS fileType"
    f" FROM files WHERE {VISIBLE} ORDER BY created_at DESC",
    "commit": "SELECT commit_hash AS id, coalesce(message, '') AS title, '' AS text, card_id AS cardId,"
    " commits.created_at AS createdAt, NULL AS authorId"
    f" FROM commits JOIN cards ON cards.id = card_id {_ON_BOARDS}",
}
_SEARCHED = ("message", "note", "card", "memory", "file")
_FILTERS = {"author_id": "authorId", "file_type": "fileType", "conversation_id": "conversationId"}


def search_all(request: ApiRequest) -> Response:
    if not request.august:
        refuse(401, "Unauthorized")  # only users may
    limit = request.number("limit", _FOUND, most=_MAX_FOUND)
    names = {kind: "memories" if kind == "memory" else f"{kind}s" for kind in _SEARCHED}
    return answer({name: _shown(_matching(request, [kind])[:limit]) for kind, name in names.items()})


def search_content(request: ApiRequest) -> Response:
    query = request.query_params
    named = [kind.strip() for kind in query.get("entity_types", "").split(",") if kind.strip()]
    begin, end = query.get("date_from", "").removesuffix("Z"), query.get("date_to", "").removesuffix("Z")
    attached = request.flag("has_attachment")
    found = [
        item
        for item in _matching(request, named or _SEARCHED)
        if item["createdAt"] >= begin
        and item["createdAt"][: len(end)] <= end
        and all(item.get(key) == query[name] for name, key in _FILTERS.items() if name in query)
        and attached in (None, item.get("hasAttachment", False))
    ]
    found.sort(key=lambda item: item["createdAt"], reverse=query.get("sort") != "oldest")
    return answer({"results": _shown(found[:_CONTENT_FOUND]), "total": len(found)})


def resolve(request: ApiRequest) -> Response:
    text = request.text()
    if not _ID.fullmatch(text):
        refuse(400, "An id has 7 to 40 hexadecimal digits, or is a UUID")
    found = _resolved(_items(request, (*_SEARCHED, "commit")), text)
    return answer(found or refuse(404, "Nothing has this id"))


def resolve_identifiers(request: ApiRequest) -> Response:
    values = request.read(_TEXT)
    request.conversation(values["conversation_id"])
    known, left = _items(request, (*_SEARCHED, "commit")), values.get("max_tokens", 10**9) * _TOKEN
    found: list[Row] = []
    for text in dict.fromkeys(_ID.findall(values["content"])):
        item = _resolved(known, text)
        if item is not None and (left := left - len(answer(item).body)) >= 0:
            found.append(item)
    return answer({"identifiers": found})


def _items(request: ApiRequest, kinds: Sequence[str]) -> list[Row]:
    items = []
    for kind in kinds:
        values = visible(request) if kind == "file" else [request.agent_id]
        rows = _messages(request) if kind == "message" else request.store.rows(_SOURCES[kind], *values)
        items += [{"entityType": kind, **row} for row in rows]
    return items


def _messages(request: ApiRequest) -> list[Row]:
    places = request.conversations
    with request.hub.lock:
        rows = [row for place in places for row in place.rows.values()]
    return [
        {
            "id": row.id,
            "title": row.sender_name,
            "text": row.content,
            "createdAt": moment(row.created_at),
            "authorId": row.sender_agent_id or row.sender_user_id,
            "conversationId": row.conversation_id,
            "hasAttachment": bool(row.attachments),
        }
        for row in rows
    ]


def _matching(request: ApiRequest, kinds: Sequence[str]) -> list[Row]:
    text = request.query_params.get("q", "").strip().casefold() or refuse(400, "q is required")
    if unknown := set(kinds).difference(_SEARCHED):
        refuse(400, f"entity_types has {unknown.pop()!r}; there are {', '.join(_SEARCHED)}")
    return [item for item in _items(request, kinds) if text in f"{item['title']}\n{item['text']}".casefold()]


def _resolved(known: Sequence[Row], text: str) -> Row | None:
    digits = text.lower().replace("-", "")
    found = (item for item in known if item["id"].lower().replace("-", "").startswith(digits))
    return next(({"identifier": text, **shown} for shown in _shown(found)), None)


def _shown(items: Iterable[Row]) -> list[Row]:
    return [
        {**{key: item[key] for key in item if key != "text"}, "snippet": item["text"][:_SNIPPET]}
        for item in items
    ]
