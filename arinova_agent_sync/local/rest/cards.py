"""Kanban cards, and what hangs on them: commits, notes, labels, comments."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from starlette.responses import Response

from .exchange import ID, NUMBER, TEXT, ApiRequest, Values, answer, body, done, empty, refuse
from .kanban import BOARDS, COLUMNS, LABELS, MAX_PAGE, PAGE, board_for_new_card
from .kinds import Kind, utc
from .notes import NOTES
from .store import now

JOINED = "JOIN columns ON columns.id = column_id JOIN boards ON boards.id = board_id"

_FROM = f"cards {JOINED}"
_ARCHIVED_PAGE, _MAX_ARCHIVED_PAGE = 20, 100
_FIRST, _LAST = "Backlog", "Done"  # the columns that rules name
_HASH_CHARACTERS = 40

_CARD: dict[str, Any] = {"title": TEXT, "description": TEXT, "priority": TEXT, "column_id": ID}
_NEW_CARD = body(**{**_CARD, "title": str}, column_name=TEXT, board_id=ID)
_MOVES = body(moves=list[body(card_id=UUID, to_column_id=UUID)])  # type: ignore[misc]
_LINKS = {"note": body(note_id=UUID), "label": body(label_id=UUID)}
_NEW_COMMIT = body(commit_hash=str, message=TEXT, url=TEXT)


def _changing_card(request: ApiRequest, card_id: str, values: Values) -> None:
    if (name := values.pop("column_name", None)) is not None:
        values.setdefault("column_id", _named_column(request, CARDS.check(request, card_id), name))
    if "column_id" in values:
        COLUMNS.check(request, values["column_id"], write=True)


def _adding_comment(request: ApiRequest, _: str, values: Values) -> None:
    values["content"] = values["content"].strip() or refuse(400, "Content is required")
    values.update(agent_id=request.agent_id, agent_name=request.agent.name)


CARDS = Kind(
    "cards",
    "Card",
    "id column_id title description priority sort_order created_by created_at updated_at",
    {
        "dueDate": "NULL",
        "columnName": "columns.name",
        "labels": "(SELECT json_group_array(json_object('id', id, 'boardId', board_id, 'name', name,"
        " 'color', color)) FROM (SELECT labels.* FROM card_labels JOIN labels ON id = label_id"
        " WHERE card_id = cards.id ORDER BY labels.rowid))",
    },
    {"boardId": "board_id", "archived": "cards.archived"},
    source=_FROM,
    order="cards.updated_at DESC, cards.rowid DESC",
    grants="board",
    edit=body(strict=True, **_CARD, sort_order=NUMBER),
    edit_august=body(strict=True, **_CARD, sort_order=NUMBER, column_name=TEXT),
    ok=True,
    changing=_changing_card,
)
COMMITS = Kind(
    "commits",
    "Commit",
    "card_id commit_hash message",
    {"createdAt": utc("created_at")},
    {"url": "url"},
    order="rowid DESC",
    parent=CARDS,
)
LINKED_NOTES = Kind(
    "notes",
    "Note",
    "id title tags",
    {"createdAt": utc("created_at")},
    source="card_notes JOIN notes ON id = note_id",
    order="card_notes.rowid",
    parent=CARDS,
)
COMMENTS = Kind(
    "comments",
    "Comment",
    "id card_id content agent_id agent_name created_at",
    source=f"comments JOIN cards ON cards.id = card_id {JOINED}",
    key="comments",
    parent=CARDS,
    grants="board",
    new=body(content=str),
    stamps="created_at",
    adding=_adding_comment,
)


def list_cards(request: ApiRequest) -> Response:
    granted = CARDS.granted
    # As on the March 2026 server, nothing but this list archives what was done long ago.
    request.store.run(
        f"UPDATE cards SET archived = 1 WHERE id IN (SELECT cards.id FROM {_FROM} WHERE {granted}"
        " AND columns.name = ? AND NOT cards.archived AND auto_archive_days > 0 AND cards.updated_at <"
        " strftime('%Y-%m-%dT%H:%M:%f', 'now', '-' || min(auto_archive_days, 99999) || ' days'))",
        request.agent_id,
        _LAST,
    )
    where = (
        f"{granted} AND NOT cards.archived AND instr(folded(title || ' ' || coalesce(description, '')), ?)"
    )
    page = request.page(PAGE, MAX_PAGE) if request.august else (-1, 0)
    text = request.query_params.get("search", "").strip().casefold()
    return answer(CARDS.rows(request, where, request.agent_id, text, page=page))


def create_card(request: ApiRequest) -> Response:
    values = request.read(_NEW_CARD)
    column = _column_for(request, values)
    request.store.run("UPDATE cards SET sort_order = sort_order + 1 WHERE column_id = ?", column)
    values.update(column_id=column, sort_order=0, created_by=request.owner.user_id)
    card = CARDS.get(request, CARDS.add(request, values))
    if not request.august:
        del card["columnName"], card["labels"]
        times = {key: card[key].replace("+00:00", "Z") for key in ("createdAt", "updatedAt")}
        card.update(shareToken=None, isPublic=False, **times)
    return answer(card, 201)


def complete_card(request: ApiRequest) -> Response:
    card_id = request.id()
    board_id = CARDS.check(request, card_id, write=True)
    CARDS.change(request, card_id, {"column_id": _named_column(request, board_id, _LAST)})
    return answer(CARDS.get(request, card_id)) if request.august else done()


def move_cards(request: ApiRequest) -> Response:
    moves = request.read(_MOVES)["moves"] or refuse(400, "moves must not be empty")
    for move in moves:
        CARDS.check(request, str(move.card_id), write=True)
        COLUMNS.check(request, str(move.to_column_id), write=True)
        CARDS.change(request, str(move.card_id), {"column_id": str(move.to_column_id)})
    return answer({"moved": len(moves)})


def list_archived(request: ApiRequest) -> Response:
    board_id = BOARDS.check(request, request.id(), write=True)  # in March 2026, without a grant, too
    page = request.number("page", 1, most=10**9)
    limit = request.number("limit", _ARCHIVED_PAGE, most=_MAX_ARCHIVED_PAGE)
    where = "board_id = ? AND cards.archived"
    cards = CARDS.rows(request, where, board_id, page=(limit, (page - 1) * limit))
    total = request.store.value(f"SELECT count(*) FROM {_FROM} WHERE {where}", board_id)
    return answer({"cards": cards, "total": total, "page": page, "limit": limit})


def add_commit(request: ApiRequest) -> Response:
    card_id, values = request.id(), request.read(_NEW_COMMIT)
    CARDS.check(request, card_id, write=True)
    name = values["commit_hash"]
    if not 1 <= len(name) <= _HASH_CHARACTERS:
        refuse(400, f"commitHash must have 1 to {_HASH_CHARACTERS} characters")
    row = (card_id, name, values.get("message"), values.get("url"), now())
    request.store.run("INSERT OR IGNORE INTO commits VALUES (?, ?, ?, ?, ?)", *row)
    if not request.august:
        return empty(201)
    return answer(COMMITS.rows(request, "card_id = ? AND commit_hash = ?", card_id, name)[0], 201)


def link(request: ApiRequest) -> Response:
    """Hang a note or a label on a card, as the path says."""
    what, card_id = _linked(request), request.id()
    other_id = request.read(_LINKS[what])[f"{what}_id"]
    board_id = CARDS.check(request, card_id, write=True)
    if what == "note":
        NOTES.check(request, other_id)
    elif not LABELS.rows(request, "id = ? AND board_id = ?", other_id, board_id):
        refuse(400, "The board of this card has no such label")
    request.store.run(f"INSERT OR IGNORE INTO card_{what}s VALUES (?, ?)", card_id, other_id)
    return answer({"linked": True})


def unlink(request: ApiRequest) -> Response:
    """Take a note or a label from a card, as the path says."""
    what, card_id, other_id = _linked(request), request.id(), request.id("other")
    CARDS.check(request, card_id, write=True)
    request.store.run(f"DELETE FROM card_{what}s WHERE card_id = ? AND {what}_id = ?", card_id, other_id)
    return empty()


def _linked(request: ApiRequest) -> str:
    return "note" if "/notes" in request.scope["path"] else "label"


def _column_for(request: ApiRequest, values: Values) -> str:
    board_id, name = values.pop("board_id", None), values.pop("column_name", _FIRST)
    if (column_id := values.get("column_id")) is not None:
        if board_id not in (None, COLUMNS.check(request, column_id)):
            refuse(400, "The column belongs to another board")
        return str(column_id)
    if board_id is not None:
        BOARDS.check(request, board_id)
    found = request.store.value(
        "SELECT id FROM columns WHERE board_id = ? ORDER BY name <> ?, sort_order, rowid",  # else the first
        board_id or board_for_new_card(request),
        name,
    )
    return str(found or refuse(400, "The board has no columns"))


def _named_column(request: ApiRequest, board_id: str, name: str) -> str:
    found = request.store.value("SELECT id FROM columns WHERE board_id = ? AND name = ?", board_id, name)
    return str(found or refuse(404, f'The board has no column "{name}"'))
