"""The columns of kanban boards, and their order."""

from __future__ import annotations

from typing import Any

from .boards import readable_board, refuse_twice, writable_board
from .desk import Desk
from .exchange import Answer, Body, Int32, Request, answer, changed, done, empty, refuse
from .router import Routes
from .store import Row, new_id

routes = Routes("/api/v1", "/api/agent")


class NewColumn(Body):
    """POST /kanban/boards/{id}/columns."""

    name: str
    sort_order: Int32 | None = None


class MarchColumnChanges(Body):
    """PATCH /kanban/columns/{id}, March 2026."""

    name: str | None = None
    sort_order: Int32 | None = None


class ColumnChanges(MarchColumnChanges):
    """PATCH /kanban/columns/{id}, August 2026."""

    wip_limit: Int32 | None = None
    column_type: str | None = None


class Order(Body):
    """POST /kanban/boards/{id}/columns/reorder."""

    column_ids: list[str]


@routes("GET /kanban/boards/{board_id}/columns")
def list_columns(desk: Desk, request: Request) -> Answer:
    board = readable_board(desk, request, request.uuid())
    found = desk.store.rows(
        "SELECT * FROM columns WHERE board_id = ? ORDER BY sort_order, rowid", board["id"]
    )
    return answer([_shown(desk, column) for column in found])


@routes("POST /kanban/boards/{board_id}/columns")
def create_column(desk: Desk, request: Request) -> Answer:
    board_id, body = request.uuid(), request.json(NewColumn)
    writable_board(desk, request, board_id)
    name, place = _name(desk, board_id, body.name), body.sort_order
    if place is None:
        place = desk.store.value(
            "SELECT coalesce(max(sort_order) + 1, 0) FROM columns WHERE board_id = ?", board_id
        )
    column_id = new_id()
    desk.store.insert("columns", id=column_id, board_id=board_id, name=name, sort_order=place)
    return answer(_shown(desk, writable_column(desk, request, column_id)), 201)


@routes("PATCH /kanban/columns/{column_id}")
def update_column(desk: Desk, request: Request) -> Answer:
    column_id, body = request.uuid(), request.json(ColumnChanges if desk.august else MarchColumnChanges)
    column = writable_column(desk, request, column_id)
    values: dict[str, Any] = changed(body)
    if "name" in values and values["name"] != column["name"]:
        values["name"] = _name(desk, column["board_id"], values["name"])
    desk.store.update("columns", column_id, **values)
    return answer(_shown(desk, {**column, **values})) if desk.august else done()


@routes("DELETE /kanban/columns/{column_id}")
def delete_column(desk: Desk, request: Request) -> Answer:
    column = writable_column(desk, request, request.uuid())
    if desk.store.value("SELECT 1 FROM cards WHERE column_id = ?", column["id"]):
        refuse(400, "Cannot delete a column that has cards")
    desk.store.run("DELETE FROM columns WHERE id = ?", column["id"])
    return empty() if desk.august else done()


@routes("POST /kanban/boards/{board_id}/columns/reorder")
def reorder_columns(desk: Desk, request: Request) -> Answer:
    board_id, body = request.uuid(), request.json(Order)
    writable_board(desk, request, board_id)
    there = [row["id"] for row in desk.store.rows("SELECT id FROM columns WHERE board_id = ?", board_id)]
    if sorted(body.column_ids) != sorted(there):
        refuse(400, "columnIds must name every column of the board once")
    desk.store.run_all("UPDATE columns SET sort_order = ? WHERE id = ?", enumerate(body.column_ids))
    return empty() if desk.august else done()


def writable_column(desk: Desk, request: Request, column_id: str) -> Row:
    """Return a column of a board that the agent may change."""
    column = desk.store.row("SELECT * FROM columns WHERE id = ?", column_id)
    if column is None:
        refuse(404, "Column not found")
    writable_board(desk, request, column["board_id"])
    return column


def _name(desk: Desk, board_id: str, text: str) -> str:
    name = text.strip()
    if not name:
        refuse(400, "Name is required")
    if desk.store.value("SELECT 1 FROM columns WHERE board_id = ? AND name = ?", board_id, name):
        refuse_twice(desk)
    return name


def _shown(desk: Desk, column: Row) -> Row:
    shape = {
        "id": column["id"],
        "boardId": column["board_id"],
        "name": column["name"],
        "sortOrder": column["sort_order"],
    }
    if desk.august:
        shape.update(wipLimit=column["wip_limit"], columnType=column["column_type"])
    return shape
