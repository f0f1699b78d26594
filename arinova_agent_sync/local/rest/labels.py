"""The labels of kanban boards."""

from __future__ import annotations

from .boards import readable_board, writable_board
from .desk import Desk
from .exchange import Answer, Body, Request, answer, changed, empty, refuse
from .router import Routes
from .store import Row, new_id

routes = Routes("/api/v1", "/api/agent")

SHAPE = "id, board_id AS boardId, name, color"

_COLOR = "#6366f1"


class NewLabel(Body):
    """POST /kanban/boards/{id}/labels."""

    name: str
    color: str | None = None


class LabelChanges(Body):
    """PATCH /kanban/labels/{id}."""

    name: str | None = None
    color: str | None = None


@routes("GET /kanban/boards/{board_id}/labels")
def list_labels(desk: Desk, request: Request) -> Answer:
    board = readable_board(desk, request, request.uuid())
    return answer(
        desk.store.rows(f"SELECT {SHAPE} FROM labels WHERE board_id = ? ORDER BY rowid", board["id"])
    )


@routes("POST /kanban/boards/{board_id}/labels")
def create_label(desk: Desk, request: Request) -> Answer:
    board_id, body = request.uuid(), request.json(NewLabel)
    writable_board(desk, request, board_id)
    label_id = new_id()
    desk.store.insert(
        "labels", id=label_id, board_id=board_id, name=_name(body.name), color=body.color or _COLOR
    )
    return answer(writable_label(desk, request, label_id), 201)


@routes("PATCH /kanban/labels/{label_id}")
def update_label(desk: Desk, request: Request) -> Answer:
    label_id, body = request.uuid(), request.json(LabelChanges)
    label, values = writable_label(desk, request, label_id), changed(body)
    if "name" in values:
        values["name"] = _name(values["name"])
    desk.store.update("labels", label_id, **values)
    return answer({**label, **values})


@routes("DELETE /kanban/labels/{label_id}")
def delete_label(desk: Desk, request: Request) -> Answer:
    label = writable_label(desk, request, request.uuid())
    desk.store.run("DELETE FROM labels WHERE id = ?", label["id"])
    return empty()


def writable_label(desk: Desk, request: Request, label_id: str) -> Row:
    """Return a label, as it is shown, of a board that the agent may change."""
    label = desk.store.row(f"SELECT {SHAPE} FROM labels WHERE id = ?", label_id)
    if label is None:
        refuse(404, "Label not found")
    writable_board(desk, request, label["boardId"])
    return label


def _name(text: str) -> str:
    name = text.strip()
    if not name:
        refuse(400, "Name is required")
    return name
