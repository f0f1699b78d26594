"""Kanban boards: their columns and labels."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from starlette.responses import Response

from ..records import new_id
from .exchange import NUMBER, TEXT, ApiRequest, Values, answer, body, done, empty, refuse
from .kinds import Kind, utc
from .store import Row, Store, now

COLUMNS_OF_ALWAYS = ("Backlog", "To Do", "In Progress", "Review", "Done")
PAGE, MAX_PAGE = 50, 100  # August 2026; the March 2026 server sends everything

_DEFAULT_NAME = "My Board"
_NEW_BOARD = body(name=str, columns=(list[body(name=str)] | None, None))  # type: ignore[misc]
_ORDER = body(column_ids=list[UUID])


def _changing_board(_: ApiRequest, __: str, values: Values) -> None:
    if values.get("auto_archive_days", 0) < 0:
        refuse(400, "autoArchiveDays must not be negative")


def _removing_board(request: ApiRequest, board_id: str) -> None:
    if request.august and not _is_archived(request.store, board_id):
        refuse(400, "Only archived boards can be deleted")


def _adding_column(request: ApiRequest, board_id: str, values: Values) -> None:
    last = "SELECT coalesce(max(sort_order) + 1, 0) FROM columns WHERE board_id = ?"
    values.setdefault("sort_order", request.store.value(last, board_id))


def _removing_column(request: ApiRequest, column_id: str) -> None:
    if request.store.value("SELECT 1 FROM cards WHERE column_id = ?", column_id):
        refuse(400, "Cannot delete a column that has cards")


BOARDS = Kind(
    "boards",
    "Board",
    "id name",
    {"createdAt": utc("created_at")},
    {"archived": "archived", "autoArchiveDays": "auto_archive_days"},
    place="id",
    grants="board",
    edit=body(name=str),
    edit_august=body(name=TEXT, auto_archive_days=NUMBER),
    ok=True,
    stamps="created_at",
    changing=_changing_board,
    removing=_removing_board,
)
COLUMNS = Kind(
    "columns",
    "Column",
    "id board_id name sort_order",
    august={"wipLimit": "wip_limit", "columnType": "column_type"},
    order="sort_order, rowid",
    parent=BOARDS,
    grants="board",
    new=body(name=str, sort_order=NUMBER),
    edit=body(name=TEXT, sort_order=NUMBER),
    edit_august=body(name=TEXT, sort_order=NUMBER, wip_limit=NUMBER, column_type=TEXT),
    ok=True,
    stamps="",
    adding=_adding_column,
    removing=_removing_column,
)
LABELS = Kind(
    "labels",
    "Label",
    "id board_id name color",
    parent=BOARDS,
    grants="board",
    new=body(name=str, color=TEXT),
    edit=body(name=TEXT, color=TEXT),
    empty_edit=True,
    stamps="",
)


def list_boards(request: ApiRequest) -> Response:
    if not request.store.value("SELECT 1 FROM boards LIMIT 1"):
        with request.store.transaction():
            _grant(request, add_board(request.store, _DEFAULT_NAME))
    where = BOARDS.granted + ("" if request.flag("includeArchived") else " AND NOT archived")
    page = request.page(PAGE, MAX_PAGE) if request.august else (-1, 0)
    boards = BOARDS.rows(request, where, request.agent_id, page=page)
    for board in () if request.august else boards:
        columns = COLUMNS.rows(request, "board_id = ?", board["id"])
        board["columns"] = [{key: column[key] for key in ("id", "name", "sortOrder")} for column in columns]
    return answer(boards)


def create_board(request: ApiRequest) -> Response:
    values = request.read(_NEW_BOARD)
    columns = [column.name for column in values["columns"]] if "columns" in values else COLUMNS_OF_ALWAYS
    # Of two columns with one name, the March 2026 server drops the second.
    board_id = add_board(request.store, values["name"], columns if request.august else dict.fromkeys(columns))
    _grant(request, board_id)
    return answer(_whole(request, board_id), 201)


def update_board(request: ApiRequest) -> Response:
    response = BOARDS.updates(request)
    return answer(_whole(request, request.id())) if request.august else response


def delete_board(request: ApiRequest) -> Response:
    BOARDS.deletes(request)
    return empty()


def archive_board(request: ApiRequest) -> Response:
    board_id, store = BOARDS.check(request, request.id(), write=True), request.store
    was_archived, others = (
        _is_archived(store, board_id),
        "SELECT 1 FROM boards WHERE id <> ? AND NOT archived",
    )
    # In March 2026 this brings an archived board back, since there is no other route that does.
    archived = request.url.path.endswith("/archive") if request.august else not was_archived
    if archived and not was_archived and not store.value(others, board_id):
        refuse(400, "Cannot archive the last board")
    store.update("boards", board_id, archived=archived)
    return empty() if request.august else done(archived=archived)


def reorder_columns(request: ApiRequest) -> Response:
    board_id, wanted = request.id(), [str(each) for each in request.read(_ORDER)["column_ids"]]
    BOARDS.check(request, board_id, write=True)
    if sorted(wanted) != sorted(column["id"] for column in COLUMNS.rows(request, "board_id = ?", board_id)):
        refuse(400, "columnIds must name every column of the board once")
    request.store.run_all("UPDATE columns SET sort_order = ? WHERE id = ?", enumerate(wanted))
    return empty() if request.august else done()


def add_board(store: Store, name: str, columns: Iterable[str] = COLUMNS_OF_ALWAYS) -> str:
    """Make a board that nobody is granted, and return its id; sqlite3 refuses two columns of one name."""
    board_id = new_id()
    store.insert("boards", id=board_id, name=name, created_at=now())
    for place, column in enumerate(columns):
        store.insert("columns", id=new_id(), board_id=board_id, name=column, sort_order=place)
    return board_id


def board_for_new_card(request: ApiRequest) -> str:
    """Return the id of the board that is meant where none is named, which the agent then may use."""
    found = request.store.value(
        "SELECT id FROM boards LEFT JOIN board_grants ON board_id = id AND agent_id = ? WHERE NOT archived"
        " ORDER BY agent_id IS NULL, boards.rowid",
        request.agent_id,
    )
    return _grant(request, str(found or add_board(request.store, _DEFAULT_NAME)))


def _grant(request: ApiRequest, board_id: str) -> str:
    request.store.run("INSERT OR IGNORE INTO board_grants VALUES (?, ?)", board_id, request.agent_id)
    return board_id


def _is_archived(store: Store, board_id: str) -> bool:
    return bool(store.value("SELECT archived FROM boards WHERE id = ?", board_id))


def _whole(request: ApiRequest, board_id: str) -> Row:
    owner = {"ownerId": request.owner.user_id, "ownerUsername": request.owner.username}
    return {**BOARDS.get(request, board_id), "archived": _is_archived(request.store, board_id), **owner}
