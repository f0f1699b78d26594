"""Notes of the notebooks that the agent was granted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..pages import Page, Pages, Position, by_cursor
from ..records import Note
from ..routes import route
from ..values import (
    JSONObject,
    changes,
    filled,
    flag,
    identifier,
    limit_of,
    number,
    optional,
    string,
    strings,
)
from .resource import AUGUST, Resource, page_of


class Notes(Resource):
    """Notes. An agent may change those that it created."""

    def list(
        self,
        *,
        notebook_id: str | None = None,
        tags: Iterable[str] | None = None,
        archived: bool | None = None,
        search: str | None = None,
        before: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        timeout: float | None = None,
    ) -> Pages[Note]:
        """List notes.

        Args:
            notebook_id: of this notebook; without it the March 2026 server takes the first one granted.
            tags: only notes with all of these.
            archived: True for archived notes.
            search: only notes with this text.
            before: only notes after the one with this id, in the order of the list.
            limit: notes per page; 20 by default and 50 at most on the March 2026 server.
            offset: how many to skip; the March 2026 server ignores it.
            timeout: seconds per page.

        Raises PermissionDeniedError, on iteration, if no notebook is granted.

            for note in client.notes.list(tags=["meeting"]):
                print(note.title)
        """
        labels = strings("tags", tags)
        start = {
            "notebookId": optional("notebook_id", notebook_id),
            "before": optional("before", before),
            "limit": limit_of(limit),
            "offset": number("offset", offset),
            "tags": ",".join(labels) if labels else None,
            "archived": flag("archived", archived),
            "search": optional("search", search),
        }

        def fetch(position: Position) -> Page[Note]:
            # The offset was for the first page: a cursor leads to the others.
            params = {**start, "offset": None, **position} if position else start
            answer = self._transport.json(
                "GET", route("/notes"), params=params, remember=True, timeout=timeout
            )
            return page_of(answer, answer.models(Note, "notes"))

        return self._pages(fetch, by_cursor("before", lambda page: page.items[-1].id), timeout)

    def get(self, note_id: str, *, timeout: float | None = None) -> Note:
        """Return a note; raise NotFoundError if there is none."""
        path = route("/notes/{note_id}", note_id=note_id)
        return self._transport.json("GET", path, timeout=timeout).model(Note)

    def create(
        self,
        title: str,
        *,
        content: str | None = None,
        tags: Iterable[str] | None = None,
        notebook_id: str | None = None,
        timeout: float | None = None,
    ) -> Note:
        """Create a note.

        Args:
            title: up to 200 bytes on the March 2026 server.
            content: its text.
            tags: its tags.
            notebook_id: where; the March 2026 server demands it.
            timeout: seconds for the whole call.
        """
        body = filled(
            title=identifier("title", title),
            content=string("content", content),
            tags=strings("tags", tags),
            notebookId=optional("notebook_id", notebook_id),
        )
        return self._transport.json("POST", route("/notes"), json=body, timeout=timeout).made(Note)

    def update(
        self,
        note_id: str,
        *,
        title: str | None = None,
        content: str | None = None,
        tags: Iterable[str] | None = None,
        timeout: float | None = None,
    ) -> Note:
        """Change what is given of a note that this agent created, and return it."""
        path = route("/notes/{note_id}", note_id=note_id)
        body = changes(
            title=optional("title", title), content=string("content", content), tags=strings("tags", tags)
        )
        deadline = self._transport.deadline(timeout)
        answer = self._transport.json("PATCH", path, json=body, timeout=deadline)
        sent = answer.model_if_sent(Note)
        return sent if sent is not None else self._transport.json("GET", path, timeout=deadline).model(Note)

    def delete(self, note_id: str, *, timeout: float | None = None) -> None:
        """Delete a note that this agent created."""
        self._transport.json("DELETE", route("/notes/{note_id}", note_id=note_id), timeout=timeout)

    def linked_cards(self, note_id: str, *, timeout: float | None = None) -> Sequence[JSONObject]:
        """Return the cards that a note is linked to (GET /notes/{id}/linked-cards, August 2026 on)."""
        path = route("/notes/{note_id}/linked-cards", note_id=note_id)
        return self._transport.json("GET", path, since=AUGUST, timeout=timeout).objects("cards")

    def thread(self, note_id: str, *, timeout: float | None = None) -> Sequence[JSONObject]:
        """Return the discussion of a note (GET /notes/{id}/thread)."""
        path = route("/notes/{note_id}/thread", note_id=note_id)
        return self._transport.json("GET", path, timeout=timeout).objects("messages")

    def comment(self, note_id: str, content: str, *, timeout: float | None = None) -> JSONObject:
        """Add to the discussion of a note (POST /notes/{id}/thread)."""
        path = route("/notes/{note_id}/thread", note_id=note_id)
        body = {"content": identifier("content", content)}
        return self._transport.json("POST", path, json=body, timeout=timeout).object()
