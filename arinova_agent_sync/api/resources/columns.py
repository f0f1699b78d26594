"""The columns of a board."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...net.deadline import Deadline
from ..records import Board, Column
from ..routes import route
from ..transport import Timeout
from ..values import changes, filled, identifier, number, optional, strings
from .resource import UNLISTED, Resource


class Columns(Resource):
    """Columns of boards that the agent was granted."""

    def list(self, board_id: str, *, timeout: float | None = None) -> Sequence[Column]:
        """Return the columns of a board."""
        identifier("board_id", board_id)
        return self._of_board(board_id, timeout)

    def create(
        self, board_id: str, name: str, *, sort_order: int | None = None, timeout: float | None = None
    ) -> Column:
        """Create a column.

        Args:
            board_id: in which board.
            name: its name; the March 2026 server answers 500 to one that the board has already.
            sort_order: its place among the others.
            timeout: seconds for the whole call.
        """
        path = route("/kanban/boards/{board_id}/columns", board_id=board_id)
        body = filled(name=identifier("name", name), sortOrder=number("sort_order", sort_order))
        return self._transport.json("POST", path, json=body, timeout=timeout).made(Column)

    def update(
        self,
        column_id: str,
        *,
        name: str | None = None,
        sort_order: int | None = None,
        wip_limit: int | None = None,
        column_type: str | None = None,
        timeout: float | None = None,
    ) -> Column:
        """Change what is given of a column, and return it.

        The March 2026 server sends nothing back, so the column is looked up then; ApiError with the status 200
        says that the change was made but that no board shows the column.

        Args:
            column_id: which column.
            name: its new name.
            sort_order: its new place.
            wip_limit: the most cards in it; August 2026 on.
            column_type: the server's name of its kind; August 2026 on.
            timeout: seconds for the whole call.
        """
        path = route("/kanban/columns/{column_id}", column_id=column_id)
        body = changes(
            name=optional("name", name),
            sortOrder=number("sort_order", sort_order),
            wipLimit=number("wip_limit", wip_limit),
            columnType=optional("column_type", column_type),
        )
        deadline = self._transport.deadline(timeout)
        answer = self._transport.json("PATCH", path, json=body, timeout=deadline)
        column = answer.model_if_sent(Column) or self._find(column_id, deadline)
        if column is None:
            raise answer.unshown("column", UNLISTED)
        return column

    def delete(self, column_id: str, *, timeout: float | None = None) -> None:
        """Delete a column; the March 2026 server refuses (400) while it holds cards."""
        self._transport.json(
            "DELETE", route("/kanban/columns/{column_id}", column_id=column_id), timeout=timeout
        )

    def reorder(self, board_id: str, column_ids: Iterable[str], *, timeout: float | None = None) -> None:
        """Put the columns of a board into an order; it takes the ids of all of them."""
        path = route("/kanban/boards/{board_id}/columns/reorder", board_id=board_id)
        ids = strings("column_ids", column_ids)
        if ids is None:
            raise TypeError("column_ids must be a list of str, not NoneType")
        self._transport.json("POST", path, json={"columnIds": ids}, timeout=timeout)

    def _of_board(self, board_id: str, timeout: Timeout) -> Sequence[Column]:
        path = route("/kanban/boards/{board_id}/columns", board_id=board_id)
        return self._transport.json("GET", path, timeout=timeout).models(Column, "columns")

    def _find(self, column_id: str, deadline: Deadline) -> Column | None:
        boards = self._offset_pages(
            route("/kanban/boards"),
            lambda answer: answer.models(Board, "boards"),
            params={"includeArchived": True},
            limit=None,
            offset=None,
            timeout=deadline,
        )
        for board in boards:
            columns = self._of_board(board.id, deadline) if board.columns is None else board.columns
            for column in columns:
                if column.id == column_id:
                    return column
        return None
