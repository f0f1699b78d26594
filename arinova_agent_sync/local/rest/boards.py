"""Kanban boards: who may use them, their names, their archive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from .desk import Desk
from .exchange import Answer, Body, Int32, Request, answer, changed, done, empty, refuse
from .router import Routes
from .store import Row, new_id, now

routes = Routes("/api/v1", "/api/agent")

COLUMNS = ("Backlog", "To Do", "In Progress", "Review", "Done")
PAGE, MAX_PAGE = 50, 100  # August 2026; the March 2026 server sends everything

_DEFAULT_NAME = "My Board"


class NewColumnName(Body):
    """Part of POST /kanban/boards."""

    name: str


class NewBoard(Body):
    """POST /kanban/boards."""

    name: str
    columns: list[NewColumnName] | None = None


class BoardName(Body):
    """PATCH /kanban/boards/{id}, March 2026."""

    name: str


class BoardChanges(Body):
    """PATCH /kanban/boards/{id}, August 2026."""

    name: str | None = None
    auto_archive_days: Int32 | None = None


@routes("GET /kanban/boards")
def list_boards(desk: Desk, request: Request) -> Answer:
    everything = request.flag("includeArchived") or False
    limit = request.number("limit", PAGE, most=MAX_PAGE) if desk.august else -1
    offset = request.number("offset", 0, least=0) if desk.august else 0
    store = desk.store
    with store.transaction():
        if not store.value("SELECT 1 FROM boards"):
            add_board(desk, request, _DEFAULT_NAME)
    found = store.rows(
        "SELECT boards.* FROM boards JOIN board_grants ON board_id = id WHERE agent_id = ?"
        " AND (? OR NOT archived) ORDER BY boards.rowid LIMIT ? OFFSET ?",
        request.agent_id,
        everything,
        limit,
        offset,
    )
    shapes = [_shown(desk, board) for board in found]
    if not desk.august:
        for shape in shapes:
            shape["columns"] = store.rows(
                "SELECT id, name, sort_order AS sortOrder FROM columns WHERE board_id = ?"
                " ORDER BY sort_order, rowid",
                shape["id"],
            )
    return answer(shapes)


@routes("POST /kanban/boards")
def create_board(desk: Desk, request: Request) -> Answer:
    body = request.json(NewBoard)
    columns = COLUMNS if body.columns is None else [column.name.strip() for column in body.columns]
    if not all(columns):
        refuse(400, "Column name is required")
    if len(set(columns)) < len(columns):
        refuse_twice(desk)
    board_id = add_board(desk, request, _name(body.name), columns)
    return answer(_shown_whole(desk, board_id), 201)


@routes("PATCH /kanban/boards/{board_id}")
def update_board(desk: Desk, request: Request) -> Answer:
    board_id = request.uuid()
    values: dict[str, Any]
    if desk.august:
        body = request.json(BoardChanges)
        writable_board(desk, request, board_id)
        values = changed(body)
        if values.get("auto_archive_days", 0) < 0:
            refuse(400, "autoArchiveDays must not be negative")
    else:
        values = {"name": request.json(BoardName).name}
        writable_board(desk, request, board_id)
    if "name" in values:
        values["name"] = _name(values["name"])
    desk.store.update("boards", board_id, **values)
    return answer(_shown_whole(desk, board_id)) if desk.august else done()


@routes("DELETE /kanban/boards/{board_id}")
def delete_board(desk: Desk, request: Request) -> Answer:
    board = writable_board(desk, request, request.uuid())
    if desk.august and not board["archived"]:
        refuse(400, "Only archived boards can be deleted")
    desk.store.run("DELETE FROM boards WHERE id = ?", board["id"])
    return empty() if desk.august else done()


@routes("POST /kanban/boards/{board_id}/archive")
def archive_board(desk: Desk, request: Request) -> Answer:
    board = writable_board(desk, request, request.uuid())
    # In March 2026 this brings an archived board back, since nothing else does.
    archived = desk.august or not board["archived"]
    if archived and not board["archived"]:
        others = desk.store.value("SELECT 1 FROM boards WHERE NOT archived AND id <> ?", board["id"])
        if not others:
            refuse(400, "Cannot archive the last board")
    desk.store.update("boards", board["id"], archived=archived)
    return empty() if desk.august else done(archived=archived)


@routes("POST /kanban/boards/{board_id}/unarchive", august=True)
def unarchive_board(desk: Desk, request: Request) -> Answer:
    board = writable_board(desk, request, request.uuid())
    desk.store.update("boards", board["id"], archived=False)
    return empty()


def add_board(desk: Desk, request: Request, name: str, columns: Sequence[str] = COLUMNS) -> str:
    """Make a board, which the agent is granted, and return its id."""
    board_id, store = new_id(), desk.store
    store.insert("boards", id=board_id, name=name, created_at=now())
    store.insert("board_grants", board_id=board_id, agent_id=request.agent_id)
    for place, column in enumerate(columns):
        store.insert("columns", id=new_id(), board_id=board_id, name=column, sort_order=place)
    return board_id


def readable_board(desk: Desk, request: Request, board_id: str) -> Row:
    """Return a board that the agent was granted."""
    board = desk.store.row("SELECT * FROM boards WHERE id = ?", board_id)
    if board is None:
        refuse(404, "Board not found")
    if not desk.store.value(
        "SELECT 1 FROM board_grants WHERE board_id = ? AND agent_id = ?", board_id, request.agent_id
    ):
        refuse(403, "No access to this board")
    return board


def writable_board(desk: Desk, request: Request, board_id: str) -> Row:
    """Return a board that the agent may change: in March 2026 any one of its owner."""
    if desk.august:
        return readable_board(desk, request, board_id)
    board = desk.store.row("SELECT * FROM boards WHERE id = ?", board_id)
    if board is None:
        refuse(404, "Board not found")
    return board


def board_for_new_card(desk: Desk, request: Request) -> str:
    """Return the id of the board that is meant where none is named, which the agent then may use."""
    store = desk.store
    found = store.value(
        "SELECT board_id FROM board_grants JOIN boards ON id = board_id WHERE agent_id = ? AND NOT archived"
        " ORDER BY boards.rowid",
        request.agent_id,
    ) or store.value("SELECT id FROM boards WHERE NOT archived ORDER BY rowid")
    if found is None:
        return add_board(desk, request, _DEFAULT_NAME)
    store.run("INSERT OR IGNORE INTO board_grants VALUES (?, ?)", found, request.agent_id)
    return str(found)


def refuse_twice(desk: Desk) -> NoReturn:
    """Refuse a column's name that its board has already; March 2026 has only the database to notice it."""
    if desk.august:
        refuse(409, "The board has a column of this name")
    refuse(500, "Database error")


def _name(text: str) -> str:
    name = text.strip()
    if not name:
        refuse(400, "Name is required")
    return name


def _shown(desk: Desk, board: Row) -> Row:
    shape = {
        "id": board["id"],
        "name": board["name"],
        "createdAt": board["created_at"],
        "archived": bool(board["archived"]),
    }
    if desk.august:
        shape["autoArchiveDays"] = board["auto_archive_days"]
    return shape


def _shown_whole(desk: Desk, board_id: str) -> Row:
    board = desk.store.row("SELECT * FROM boards WHERE id = ?", board_id) or {}
    with desk.hub.lock:
        owner = desk.hub.chat.owner
    return {**_shown(desk, board), "ownerId": owner.user_id, "ownerUsername": owner.username}
