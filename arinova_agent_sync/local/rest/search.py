"""Search over all that an agent may see, and what ids in texts stand for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .cards import cards_of
from .desk import Desk
from .exchange import Answer, Body, Int32, Request, answer, as_uuid, refuse
from .files import files_of
from .memories import memories_of
from .messages import moment
from .notes import notes_of
from .router import Routes

routes = Routes()

_FOUND, _MAX_FOUND = 5, 50  # of each kind
_CONTENT_FOUND = 50
_SNIPPET = 200  # characters
_TOKEN = 4  # characters; a rule of thumb
_ID = re.compile(r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{7,40})\b", re.I)

Item = dict[str, Any]


class Text(Body):
    """POST /resolve-identifiers."""

    conversation_id: str
    content: str
    agent_id: str | None = None
    message_id: str | None = None
    max_tokens: Int32 | None = None


@routes("GET /search")
def search_all(desk: Desk, request: Request) -> Answer:
    if not desk.august:
        refuse(403, "Only users may search everything")
    limit = request.number("limit", _FOUND, most=_MAX_FOUND)
    found: dict[str, list[Item]] = {f"{kind}s" if kind != "memory" else "memories": [] for kind in _KINDS}
    for kind, group in zip(_KINDS, found.values(), strict=True):
        group += [_result(item) for item in _matching(desk, request, [kind])[:limit]]
    return answer(found)


@routes("GET /search/content", august=True)
def search_content(desk: Desk, request: Request) -> Answer:
    query = request.query
    named = [kind.strip() for kind in query.get("entity_types", "").split(",") if kind.strip()]
    found = _matching(desk, request, named or list(_KINDS))
    begin, end = query.get("date_from", ""), query.get("date_to", "").removesuffix("Z")
    found = [
        item
        for item in found
        if item["createdAt"] >= begin.removesuffix("Z") and item["createdAt"][: len(end)] <= end
    ]
    for parameter, key in (
        ("author_id", "authorId"),
        ("file_type", "fileType"),
        ("conversation_id", "conversationId"),
    ):
        if parameter in query:
            found = [item for item in found if item.get(key) == query[parameter]]
    if (attached := request.flag("has_attachment")) is not None:
        found = [item for item in found if item.get("hasAttachment", False) == attached]
    found.sort(key=lambda item: item["createdAt"], reverse=query.get("sort") != "oldest")
    return answer({"results": [_result(item) for item in found[:_CONTENT_FOUND]], "total": len(found)})


@routes("GET /resolve/{short_id}", august=True)
def resolve(desk: Desk, request: Request) -> Answer:
    text = request.parts[0]
    if not _ID.fullmatch(text):
        refuse(400, "An id has 7 to 40 hexadecimal digits, or is a UUID")
    found = _resolved(list(_known(desk, request)), text)
    if found is None:
        refuse(404, "Nothing has this id")
    return answer(found)


@routes("POST /resolve-identifiers", august=True)
def resolve_identifiers(desk: Desk, request: Request) -> Answer:
    body = request.json(Text)
    desk.conversation(request.agent, as_uuid(body.conversation_id) or "")
    known, left = list(_known(desk, request)), (body.max_tokens or 10**9) * _TOKEN
    found: list[Item] = []
    for text in dict.fromkeys(_ID.findall(body.content)):
        item = _resolved(known, text)
        if item is not None and (left := left - len(answer(item).body)) >= 0:
            found.append(item)
    return answer({"identifiers": found})


def _messages(desk: Desk, request: Request) -> Iterator[Item]:
    places = desk.conversations_of(request.agent)
    with desk.hub.lock:
        rows = [row for place in places for row in place.rows.values()]
    for row in rows:
        author = row.sender_agent_id or row.sender_user_id
        yield _item(
            "message",
            row.id,
            row.sender_name,
            row.content,
            moment(row.created_at),
            author,
            conversationId=row.conversation_id,
            hasAttachment=bool(row.attachments),
        )


def _notes(desk: Desk, request: Request) -> Iterator[Item]:
    for note in notes_of(desk, request.agent_id):
        yield _item(
            "note",
            note["id"],
            note["title"],
            note["content"],
            note["created_at"],
            note["agent_id"],
            notebookId=note["notebook_id"],
        )


def _cards(desk: Desk, request: Request) -> Iterator[Item]:
    for card in cards_of(desk, request.agent_id):
        yield _item(
            "card",
            card["id"],
            card["title"],
            card["description"] or "",
            card["createdAt"],
            None,
            boardId=card["boardId"],
        )


def _memories(desk: Desk, request: Request) -> Iterator[Item]:
    for memory in memories_of(desk, request.agent_id):
        yield _item(
            "memory",
            memory["id"],
            memory["summary"],
            memory["detail"] or "",
            memory["createdAt"],
            memory["agentId"],
        )


def _files(desk: Desk, request: Request) -> Iterator[Item]:
    for file in files_of(desk, request.agent):
        yield _item(
            "file",
            file["id"],
            file["fileName"],
            "",
            file["createdAt"],
            file["agentId"],
            conversationId=file["conversationId"],
            fileType=file["fileType"],
        )


_KINDS: dict[str, Callable[[Desk, Request], Iterator[Item]]] = {
    "message": _messages,
    "note": _notes,
    "card": _cards,
    "memory": _memories,
    "file": _files,
}


def _commits(desk: Desk, request: Request) -> Iterator[Item]:
    for commit in desk.store.rows(
        "SELECT commits.* FROM commits JOIN cards ON cards.id = card_id JOIN columns ON columns.id = column_id"
        " JOIN board_grants USING (board_id) WHERE agent_id = ?",
        request.agent_id,
    ):
        yield _item(
            "commit",
            commit["commit_hash"],
            commit["message"] or "",
            "",
            commit["created_at"],
            None,
            cardId=commit["card_id"],
        )


def _item(
    kind: str, item_id: str, title: str, text: str, created_at: str, author_id: str | None, **more: object
) -> Item:
    return {
        "entityType": kind,
        "id": item_id,
        "title": title,
        "text": text,
        "createdAt": created_at,
        "authorId": author_id,
        **more,
    }


def _matching(desk: Desk, request: Request, kinds: Sequence[str]) -> list[Item]:
    text = request.query.get("q", "").strip().casefold()
    if not text:
        refuse(400, "q is required")
    unknown = [kind for kind in kinds if kind not in _KINDS]
    if unknown:
        refuse(400, f"entity_types has {unknown[0]!r}; there are {', '.join(_KINDS)}")
    return [
        item
        for kind in kinds
        for item in _KINDS[kind](desk, request)
        if text in f"{item['title']}\n{item['text']}".casefold()
    ]


def _known(desk: Desk, request: Request) -> Iterator[Item]:
    for kind in _KINDS.values():
        yield from kind(desk, request)
    yield from _commits(desk, request)


def _resolved(known: Sequence[Item], text: str) -> Item | None:
    digits = text.lower().replace("-", "")
    for item in known:
        if item["id"].lower().replace("-", "").startswith(digits):
            return {"identifier": text, **_result(item)}
    return None


def _result(item: Item) -> Item:
    shown = {**item, "snippet": item["text"][:_SNIPPET]}
    del shown["text"]
    return shown
