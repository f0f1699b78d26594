"""The cards of boards, and what hangs on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...errors import NotFoundError
from ...net.deadline import Deadline
from ..pages import Page, Pages, Position, by_number
from ..records import Card, CardCommit, CardNote
from ..routes import route
from ..transport import Timeout
from ..values import JSONObject, changes, filled, identifier, limit_of, number, optional, string
from .resource import AUGUST, UNLISTED, Resource, page_of


class Cards(Resource):
    """Cards of the boards that the agent was granted."""

    def list(
        self,
        *,
        search: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        timeout: float | None = None,
    ) -> Pages[Card]:
        """List the cards of all boards.

        The March 2026 server ignores limit and offset, and archives old done cards first.

        Args:
            search: only cards with this text.
            limit: cards per page.
            offset: how many to skip.
            timeout: seconds per page.
        """
        return self._list(search, limit, offset, timeout)

    def get(self, card_id: str, *, timeout: float | None = None) -> Card:
        """Return a card from the list of all (no server has a route for one); archived ones are not in it.

        Raises NotFoundError if it is not in the list.
        """
        identifier("card_id", card_id)
        found = self._find(card_id, self._transport.deadline(timeout))
        if found is None:
            request = f"GET {route('/kanban/cards')}"
            raise NotFoundError(f"{request} lists no card {card_id}", status=200, request=request)
        return found

    def create(
        self,
        title: str,
        *,
        description: str | None = None,
        priority: str | None = None,
        board_id: str | None = None,
        column_id: str | None = None,
        column_name: str | None = None,
        timeout: float | None = None,
    ) -> Card:
        """Create a card.

        Args:
            title: its title.
            description: its text.
            priority: such as "high"; the March 2026 server's default is "medium".
            board_id: by default the first board granted to the agent.
            column_id: where; by default the column Backlog, else the first one.
            column_name: the same by name.
            timeout: seconds for the whole call.
        """
        body = filled(
            title=identifier("title", title),
            description=string("description", description),
            priority=optional("priority", priority),
            boardId=optional("board_id", board_id),
            columnId=optional("column_id", column_id),
            columnName=optional("column_name", column_name),
        )
        return self._transport.json("POST", route("/kanban/cards"), json=body, timeout=timeout).made(Card)

    def update(
        self,
        card_id: str,
        *,
        title: str | None = None,
        description: str | None = None,
        priority: str | None = None,
        column_id: str | None = None,
        column_name: str | None = None,
        sort_order: int | None = None,
        timeout: float | None = None,
    ) -> Card:
        """Change what is given of a card, and return it.

        The March 2026 server sends nothing back, so the card is looked up then; ApiError with the status 200
        says that the change was made but that the card is not in the list, because it is archived, say.

        Args:
            card_id: which card.
            title, description, priority: its new texts.
            column_id: the column to move it to.
            column_name: the same by name; August 2026 on (the March 2026 server answers 422).
            sort_order: its new place in the column.
            timeout: seconds for the whole call.
        """
        path = route("/kanban/cards/{card_id}", card_id=card_id)
        body = changes(
            title=optional("title", title),
            description=string("description", description),
            priority=optional("priority", priority),
            columnId=optional("column_id", column_id),
            columnName=optional("column_name", column_name),
            sortOrder=number("sort_order", sort_order),
        )
        deadline = self._transport.deadline(timeout)
        answer = self._transport.json("PATCH", path, json=body, timeout=deadline)
        card = answer.model_if_sent(Card) or self._find(card_id, deadline)
        if card is None:
            raise answer.unshown("card", UNLISTED)
        return card

    def complete(self, card_id: str, *, timeout: float | None = None) -> Card:
        """Move a card to its board's column Done, and return it as update() does.

        Raises NotFoundError if no column is called exactly that.
        """
        path = route("/kanban/cards/{card_id}/complete", card_id=card_id)
        deadline = self._transport.deadline(timeout)
        answer = self._transport.json("POST", path, timeout=deadline)
        card = answer.model_if_sent(Card) or self._find(card_id, deadline)
        if card is None:
            raise answer.unshown("card", UNLISTED)
        return card

    def delete(self, card_id: str, *, timeout: float | None = None) -> None:
        """Delete a card."""
        self._transport.json("DELETE", route("/kanban/cards/{card_id}", card_id=card_id), timeout=timeout)

    def bulk_move(self, moves: Mapping[str, str], *, timeout: float | None = None) -> JSONObject:
        """Move cards to columns (POST /kanban/cards/bulk-move, August 2026 on).

        Args:
            moves: the ids of cards, and for each the id of its new column.
            timeout: seconds for the whole call.
        """
        if not isinstance(moves, Mapping):
            raise TypeError(f"moves must be a mapping of card ids to column ids, not {type(moves).__name__}")
        if not moves:
            raise ValueError("moves must not be empty")
        pairs = [
            {
                "cardId": identifier("a card id in moves", card),
                "toColumnId": identifier(f"moves[{card!r}]", column),
            }
            for card, column in moves.items()
        ]
        path = route("/kanban/cards/bulk-move")
        answer = self._transport.json("POST", path, json={"moves": pairs}, since=AUGUST, timeout=timeout)
        return answer.value if isinstance(answer.value, dict) else {}

    def archived(
        self,
        board_id: str,
        *,
        page: int | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Pages[Card]:
        """List the archived cards of a board.

        Args:
            board_id: which board.
            page: the page to begin with; the first one is 1.
            limit: cards per page; 20 by default and 100 at most on the March 2026 server.
            timeout: seconds per page.
        """
        path = route("/kanban/boards/{board_id}/archived-cards", board_id=board_id)
        start = {"page": number("page", page, 1), "limit": limit_of(limit)}

        def fetch(position: Position) -> Page[Card]:
            answer = self._transport.json("GET", path, params={**start, **position}, timeout=timeout)
            page = page_of(answer, answer.models(Card, "cards"))
            told = answer.value if isinstance(answer.value, dict) else {}
            number, size = told.get("page"), told.get("limit")
            if page.has_more is None and isinstance(number, int) and isinstance(size, int) and page.total:
                page = replace(page, has_more=number * size < page.total)
            return page

        return self._pages(fetch, by_number(start["page"]), timeout)

    def commits(self, card_id: str, *, timeout: float | None = None) -> Sequence[CardCommit]:
        """Return the commits of a card."""
        path = route("/kanban/cards/{card_id}/commits", card_id=card_id)
        return self._transport.json("GET", path, timeout=timeout).models(CardCommit, "commits")

    def add_commit(
        self,
        card_id: str,
        commit_hash: str,
        *,
        message: str | None = None,
        url: str | None = None,
        timeout: float | None = None,
    ) -> CardCommit:
        """Add a commit to a card, and return it.

        Args:
            card_id: which card.
            commit_hash: up to 40 characters.
            message: the commit's message.
            url: where it can be seen; the March 2026 server ignores it.
            timeout: seconds for the whole call.
        """
        path = route("/kanban/cards/{card_id}/commits", card_id=card_id)
        body = filled(
            commitHash=identifier("commit_hash", commit_hash),
            message=string("message", message),
            url=optional("url", url),
        )
        deadline = self._transport.deadline(timeout)
        answer = self._transport.json("POST", path, json=body, timeout=deadline)
        if isinstance(answer.value, dict) and "commitHash" in answer.value:
            return answer.model(CardCommit)
        # The March 2026 server answers with an empty body.
        commits = self._transport.json("GET", path, timeout=deadline).models(CardCommit, "commits")
        for commit in commits:
            if commit.commit_hash == commit_hash:
                return commit
        raise answer.unshown("commit", UNLISTED)

    def notes(self, card_id: str, *, timeout: float | None = None) -> Sequence[CardNote]:
        """Return the notes that are linked to a card."""
        path = route("/kanban/cards/{card_id}/notes", card_id=card_id)
        return self._transport.json("GET", path, timeout=timeout).models(CardNote, "notes")

    def link_note(self, card_id: str, note_id: str, *, timeout: float | None = None) -> None:
        """Link a note to a card."""
        path = route("/kanban/cards/{card_id}/notes", card_id=card_id)
        self._transport.json("POST", path, json={"noteId": identifier("note_id", note_id)}, timeout=timeout)

    def unlink_note(self, card_id: str, note_id: str, *, timeout: float | None = None) -> None:
        """Remove the link from a card to a note."""
        path = route("/kanban/cards/{card_id}/notes/{note_id}", card_id=card_id, note_id=note_id)
        self._transport.json("DELETE", path, timeout=timeout)

    def add_label(self, card_id: str, label_id: str, *, timeout: float | None = None) -> None:
        """Put a label of its board on a card."""
        path = route("/kanban/cards/{card_id}/labels", card_id=card_id)
        self._transport.json(
            "POST", path, json={"labelId": identifier("label_id", label_id)}, timeout=timeout
        )

    def remove_label(self, card_id: str, label_id: str, *, timeout: float | None = None) -> None:
        """Take a label off a card."""
        path = route("/kanban/cards/{card_id}/labels/{label_id}", card_id=card_id, label_id=label_id)
        self._transport.json("DELETE", path, timeout=timeout)

    def comments(self, card_id: str, *, timeout: float | None = None) -> Sequence[JSONObject]:
        """Return the comments on a card (GET /kanban/cards/{id}/comments, August 2026 on)."""
        path = route("/kanban/cards/{card_id}/comments", card_id=card_id)
        return self._transport.json("GET", path, since=AUGUST, timeout=timeout).objects("comments")

    def comment(self, card_id: str, content: str, *, timeout: float | None = None) -> JSONObject:
        """Comment on a card (POST /kanban/cards/{id}/comments, August 2026 on)."""
        path = route("/kanban/cards/{card_id}/comments", card_id=card_id)
        body = {"content": identifier("content", content)}
        return self._transport.json("POST", path, json=body, since=AUGUST, timeout=timeout).object()

    def get_comment(self, comment_id: str, *, timeout: float | None = None) -> JSONObject:
        """Return one comment (GET /kanban/comments/{id}, August 2026 on)."""
        path = route("/kanban/comments/{comment_id}", comment_id=comment_id)
        return self._transport.json("GET", path, since=AUGUST, timeout=timeout).object()

    def _list(
        self, search: str | None, limit: int | None, offset: int | None, timeout: Timeout
    ) -> Pages[Card]:
        return self._offset_pages(
            route("/kanban/cards"),
            lambda answer: answer.models(Card, "cards"),
            params={"search": optional("search", search)},
            limit=limit_of(limit),
            offset=number("offset", offset),
            timeout=timeout,
        )

    def _find(self, card_id: str, deadline: Deadline) -> Card | None:
        cards = self._list(None, None, None, deadline)
        return next((card for card in cards if card.id == card_id), None)
