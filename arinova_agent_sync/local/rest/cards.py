"""Kanban cards: list, make, change, move, complete, archive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from .boards import MAX_PAGE, PAGE, board_for_new_card, readable_board, writable_board
from .columns import writable_column
from .desk import Desk
from .exchange import Answer, Body, Int32, Request, answer, changed, done, empty, refuse, uuid_field
from .labels import SHAPE as LABEL_SHAPE
from .router import Routes
from .store import Row, new_id, now

routes = Routes("/api/v1", "/api/agent")

_ARCHIVED_PAGE, _MAX_ARCHIVED_PAGE = 20, 100
_PRIORITY = "medium"
_FIRST, _LAST = "Backlog", "Done"  # the columns that rules name
_SHAPE = (
    "cards.id, column_id AS columnId, columns.name AS columnName, board_id AS boardId, title, description,"
    " priority, cards.sort_order AS sortOrder, cards.archived, cards.created_at AS createdAt,"
    " cards.updated_at AS updatedAt"
)
_FROM = "FROM cards JOIN columns ON columns.id = column_id JOIN boards ON boards.id = board_id"


class NewCard(Body):
    """POST /kanban/cards."""

    title: str
    description: str | None = None
    priority: str | None = None
    column_name: str | None = None
    column_id: str | None = None
    board_id: str | None = None


class MarchCardChanges(Body, forbid_unknown_fields=True):
    """PATCH /kanban/cards/{id}, March 2026."""

    title: str | None = None
    description: str | None = None
    priority: str | None = None
    column_id: str | None = None
    sort_order: Int32 | None = None


class CardChanges(MarchCardChanges, forbid_unknown_fields=True):
    """PATCH /kanban/cards/{id}, August 2026."""

    column_name: str | None = None


class Move(Body):
    """Part of POST /kanban/cards/bulk-move."""

    card_id: str
    to_column_id: str


class Moves(Body):
    """POST /kanban/cards/bulk-move."""

    moves: list[Move]


@routes("GET /kanban/cards")
def list_cards(desk: Desk, request: Request) -> Answer:
    with desk.store.transaction():
        _archive_old(desk, request.agent_id)
    found = cards_of(desk, request.agent_id)
    text = request.query.get("search", "").strip().casefold()
    if text:
        found = [card for card in found if text in f"{card['title']}\n{card['description'] or ''}".casefold()]
    if desk.august:
        offset = request.number("offset", 0, least=0)
        found = found[offset : offset + request.number("limit", PAGE, most=MAX_PAGE)]
    return answer(found)


@routes("POST /kanban/cards")
def create_card(desk: Desk, request: Request) -> Answer:
    body = request.json(NewCard)
    title = _title(body.title)
    column_id = _column_for(desk, request, body)
    card_id, time = new_id(), now()
    desk.store.insert(
        "cards",
        id=card_id,
        column_id=column_id,
        title=title,
        description=body.description,
        priority=body.priority or _PRIORITY,
        sort_order=_last_place(desk, column_id),
        created_at=time,
        updated_at=time,
    )
    return answer(writable_card(desk, request, card_id), 201)


@routes("PATCH /kanban/cards/{card_id}")
def update_card(desk: Desk, request: Request) -> Answer:
    card_id, body = request.uuid(), request.json(CardChanges if desk.august else MarchCardChanges)
    card, values = writable_card(desk, request, card_id), changed(body)
    if "title" in values:
        values["title"] = _title(values["title"])
    if (name := values.pop("column_name", None)) is not None:
        values.setdefault("column_id", _named_column(desk, card["boardId"], name))
    if "column_id" in values:
        values["column_id"] = writable_column(desk, request, uuid_field("columnId", values["column_id"]))[
            "id"
        ]
        if values["column_id"] != card["columnId"]:
            values.setdefault("sort_order", _last_place(desk, values["column_id"]))
    return _update(desk, request, card_id, **values)


@routes("DELETE /kanban/cards/{card_id}")
def delete_card(desk: Desk, request: Request) -> Answer:
    card = writable_card(desk, request, request.uuid())
    desk.store.run("DELETE FROM cards WHERE id = ?", card["id"])
    return empty() if desk.august else done()


@routes("POST /kanban/cards/{card_id}/complete")
def complete_card(desk: Desk, request: Request) -> Answer:
    card = writable_card(desk, request, request.uuid())
    column_id = _named_column(desk, card["boardId"], _LAST)
    place = _last_place(desk, column_id)
    return _update(desk, request, card["id"], column_id=column_id, sort_order=place)


@routes("POST /kanban/cards/bulk-move", august=True)
def move_cards(desk: Desk, request: Request) -> Answer:
    moves = request.json(Moves).moves
    if not moves:
        refuse(400, "moves must not be empty")
    for move in moves:
        card = writable_card(desk, request, uuid_field("cardId", move.card_id))
        column = writable_column(desk, request, uuid_field("toColumnId", move.to_column_id))
        place = _last_place(desk, column["id"])
        _update(desk, request, card["id"], column_id=column["id"], sort_order=place)
    return answer({"moved": len(moves)})


@routes("GET /kanban/boards/{board_id}/archived-cards")
def list_archived(desk: Desk, request: Request) -> Answer:
    board = readable_board(desk, request, request.uuid())
    page = request.number("page", 1, most=10**9)
    limit = request.number("limit", _ARCHIVED_PAGE, most=_MAX_ARCHIVED_PAGE)
    rest = f"{_FROM} WHERE board_id = ? AND cards.archived"
    total = desk.store.value(f"SELECT count(*) {rest}", board["id"])
    found = desk.store.rows(
        f"SELECT {_SHAPE} {rest} ORDER BY cards.updated_at DESC, cards.rowid DESC LIMIT ? OFFSET ?",
        board["id"],
        limit,
        (page - 1) * limit,
    )
    return answer({"cards": _shown(desk, found), "total": total, "page": page, "limit": limit})


def cards_of(desk: Desk, agent_id: str) -> Sequence[Row]:
    """Return the cards of all boards that an agent was granted, as they are shown, without archived ones."""
    found = desk.store.rows(
        f"SELECT {_SHAPE} {_FROM} JOIN board_grants USING (board_id) WHERE agent_id = ? AND NOT cards.archived"
        " AND NOT boards.archived ORDER BY boards.rowid, columns.sort_order, cards.sort_order, cards.rowid",
        agent_id,
    )
    return _shown(desk, found)


def readable_card(desk: Desk, request: Request, card_id: str) -> Row:
    """Return a card, as it is shown, of a board that the agent was granted."""
    card = _card(desk, card_id)
    readable_board(desk, request, card["boardId"])
    return card


def writable_card(desk: Desk, request: Request, card_id: str) -> Row:
    """Return a card, as it is shown, of a board that the agent may change."""
    card = _card(desk, card_id)
    writable_board(desk, request, card["boardId"])
    return card


def _card(desk: Desk, card_id: str) -> Row:
    found = desk.store.rows(f"SELECT {_SHAPE} {_FROM} WHERE cards.id = ?", card_id)
    if not found:
        refuse(404, "Card not found")
    return _shown(desk, found)[0]


def _update(desk: Desk, request: Request, card_id: str, **values: Any) -> Answer:
    desk.store.update("cards", card_id, **values, updated_at=now())
    return answer(writable_card(desk, request, card_id)) if desk.august else done()


def _archive_old(desk: Desk, agent_id: str) -> None:
    # As on the March 2026 server, nothing but this list looks for cards that were done long ago.
    for board in desk.store.rows(
        "SELECT id, auto_archive_days AS days FROM boards JOIN board_grants ON board_id = id"
        " WHERE agent_id = ? AND auto_archive_days > 0",
        agent_id,
    ):
        limit = datetime.now(timezone.utc) - timedelta(days=min(board["days"], 100_000))
        desk.store.run(
            "UPDATE cards SET archived = 1 WHERE NOT archived AND updated_at < ?"
            " AND column_id = (SELECT id FROM columns WHERE board_id = ? AND name = ?)",
            limit.isoformat(timespec="microseconds"),
            board["id"],
            _LAST,
        )


def _column_for(desk: Desk, request: Request, body: NewCard) -> str:
    column = (
        None
        if body.column_id is None
        else writable_column(desk, request, uuid_field("columnId", body.column_id))
    )
    if body.board_id is not None:
        board_id = str(writable_board(desk, request, uuid_field("boardId", body.board_id))["id"])
    elif column is not None:
        return str(column["id"])
    else:
        board_id = board_for_new_card(desk, request)
    if column is not None:
        if column["board_id"] != board_id:
            refuse(400, "The column belongs to another board")
        return str(column["id"])
    if body.column_name is not None:
        return _named_column(desk, board_id, body.column_name)
    first = desk.store.value(
        "SELECT id FROM columns WHERE board_id = ? ORDER BY name <> ?, sort_order, rowid", board_id, _FIRST
    )
    if first is None:
        refuse(400, "The board has no columns")
    return str(first)


def _named_column(desk: Desk, board_id: str, name: str) -> str:
    found = desk.store.value("SELECT id FROM columns WHERE board_id = ? AND name = ?", board_id, name)
    if found is None:
        refuse(404, f'The board has no column "{name}"')
    return str(found)


def _last_place(desk: Desk, column_id: str) -> object:
    return desk.store.value(
        "SELECT coalesce(max(sort_order) + 1, 0) FROM cards WHERE column_id = ?", column_id
    )


def _title(text: str) -> str:
    title = text.strip()
    if not title:
        refuse(400, "Title is required")
    return title


def _shown(desk: Desk, cards: Sequence[Row]) -> Sequence[Row]:
    labels: dict[str, list[Row]] = {}
    for label in desk.store.rows(
        f"SELECT card_id, {LABEL_SHAPE} FROM card_labels JOIN labels ON id = label_id"
        " WHERE card_id IN (SELECT value FROM json_each(?)) ORDER BY labels.rowid",
        answer([card["id"] for card in cards]).body.decode(),
    ):
        labels.setdefault(label.pop("card_id"), []).append(label)
    return [
        {**card, "archived": bool(card["archived"]), "labels": labels.get(card["id"], [])} for card in cards
    ]
