"""Boards, which hold columns and cards."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import NotFoundError
from ...net.deadline import Deadline
from ..pages import Pages
from ..records import Board
from ..responses import ApiResponse
from ..routes import route
from ..transport import Timeout
from ..values import changes, filled, flag, identifier, limit_of, number, optional, strings
from .resource import AUGUST, UNLISTED, Resource


class Boards(Resource):
    """Boards that the agent was granted."""

    def list(
        self,
        *,
        include_archived: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
        timeout: float | None = None,
    ) -> Pages[Board]:
        """List boards. The March 2026 server creates one for an owner who has none, and ignores limit and offset.

        Args:
            include_archived: True for archived boards as well.
            limit: boards per page.
            offset: how many to skip.
            timeout: seconds per page.
        """
        return self._list(include_archived, limit, offset, timeout)

    def get(self, board_id: str, *, timeout: float | None = None) -> Board:
        """Return a board, archived or not, from the list of all (no server has a route for one).

        Raises NotFoundError if it is not in the list.
        """
        identifier("board_id", board_id)
        found = self._find(board_id, self._transport.deadline(timeout))
        if found is None:
            request = f"GET {route('/kanban/boards')}"
            raise NotFoundError(f"{request} lists no board {board_id}", status=200, request=request)
        return found

    def create(
        self, name: str, *, columns: Iterable[str] | None = None, timeout: float | None = None
    ) -> Board:
        """Create a board; the agent is granted it.

        Args:
            name: its name.
            columns: the names of its columns; by default the March 2026 server makes Backlog, To Do, In Progress,
                Review and Done.
            timeout: seconds for the whole call.
        """
        names = strings("columns", columns)
        body = filled(
            name=identifier("name", name),
            columns=None if names is None else [{"name": column} for column in names],
        )
        return self._transport.json("POST", route("/kanban/boards"), json=body, timeout=timeout).made(Board)

    def update(
        self,
        board_id: str,
        *,
        name: str | None = None,
        auto_archive_days: int | None = None,
        timeout: float | None = None,
    ) -> Board:
        """Change what is given of a board, and return it.

        The March 2026 server sends nothing back, so the board is looked up then; ApiError with the status 200
        says that the change was made but that the board is not in the list.

        Args:
            board_id: which board.
            name: its new name.
            auto_archive_days: days after which done cards are archived; August 2026 on.
            timeout: seconds for the whole call.
        """
        path = route("/kanban/boards/{board_id}", board_id=board_id)
        body = changes(
            name=optional("name", name), autoArchiveDays=number("auto_archive_days", auto_archive_days)
        )
        deadline = self._transport.deadline(timeout)
        answer = self._transport.json("PATCH", path, json=body, timeout=deadline)
        board = answer.model_if_sent(Board) or self._find(board_id, deadline)
        if board is None:
            raise answer.unshown("board", UNLISTED)
        return board

    def delete(self, board_id: str, *, timeout: float | None = None) -> None:
        """Delete a board with all it holds; the August 2026 server deletes archived ones only."""
        self._transport.json("DELETE", route("/kanban/boards/{board_id}", board_id=board_id), timeout=timeout)

    def archive(self, board_id: str, *, timeout: float | None = None) -> None:
        """Archive a board; do nothing if it is archived.

        The March 2026 server's route switches the state, so an archived board is switched back at once. That server
        refuses (400) to archive the last board.
        """
        path = route("/kanban/boards/{board_id}/archive", board_id=board_id)
        deadline = self._transport.deadline(timeout)
        if _archived(self._transport.json("POST", path, timeout=deadline)) is False:
            self._transport.json("POST", path, timeout=deadline)

    def unarchive(self, board_id: str, *, timeout: float | None = None) -> None:
        """Bring a board back from the archive; do nothing if it is not archived.

        The March 2026 server has no route for it: there, a board is archived that only the list of all boards
        has, and the route that archives switches it back.
        """
        path = route("/kanban/boards/{board_id}/unarchive", board_id=board_id)
        switch = route("/kanban/boards/{board_id}/archive", board_id=board_id)
        deadline = self._transport.deadline(timeout)
        try:
            self._transport.json("POST", path, since=AUGUST, timeout=deadline)
        except NotFoundError as missing:
            try:
                board = self._find(board_id, deadline)
            except NotFoundError:
                raise missing from None
            if board is None:
                raise
            archived = board.archived
            if archived is None:
                archived = self._find(board_id, deadline, include_archived=None) is None
            if archived and _archived(self._transport.json("POST", switch, timeout=deadline)) is True:
                # Somebody else brought it back in between, and this switched it off again.
                self._transport.json("POST", switch, timeout=deadline)

    def _list(
        self, include_archived: bool | None, limit: int | None, offset: int | None, timeout: Timeout
    ) -> Pages[Board]:
        return self._offset_pages(
            route("/kanban/boards"),
            lambda answer: answer.models(Board, "boards"),
            params={"includeArchived": flag("include_archived", include_archived)},
            limit=limit_of(limit),
            offset=number("offset", offset),
            timeout=timeout,
        )

    def _find(self, board_id: str, deadline: Deadline, include_archived: bool | None = True) -> Board | None:
        boards = self._list(include_archived, None, None, deadline)
        return next((board for board in boards if board.id == board_id), None)


def _archived(answer: ApiResponse) -> bool | None:
    """Return the state after a switch, None from a server whose route does not switch."""
    state = answer.value.get("archived") if isinstance(answer.value, dict) else None
    return state if isinstance(state, bool) else None
