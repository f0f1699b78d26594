"""Notes over HTTP, and the discussions under them."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.local import LocalServer

from .conftest import Ask

march = pytest.mark.parametrize("generation", ["march"])
august = pytest.mark.parametrize("generation", ["august"])


@pytest.fixture
def book(server: LocalServer) -> str:
    """A notebook of the first agent."""
    return server.owner.create_notebook("Plans")


class TestList:
    def test_newest_first_page_by_page(self, client: ArinovaClient, book: str) -> None:
        for number in range(25):
            client.notes.create(f"note {number}", notebook_id=book)
        newest_first = [f"note {number}" for number in reversed(range(25))]
        first = client.notes.list(notebook_id=book).page
        assert [note.title for note in first.items] == newest_first[:20]
        assert (first.has_more, first.next_cursor) == (True, first.items[-1].id)
        assert [note.title for note in client.notes.list(notebook_id=book)] == newest_first
        assert [note.title for note in client.notes.list(notebook_id=book, limit=4)] == newest_first
        rest = client.notes.list(notebook_id=book, before=first.next_cursor).page
        assert ([note.title for note in rest.items], rest.has_more) == (newest_first[20:], False)

    def test_the_limit_has_a_bound(self, client: ArinovaClient, book: str) -> None:
        for number in range(52):
            client.notes.create(f"note {number}", notebook_id=book)
        assert len(client.notes.list(notebook_id=book, limit=1000).page.items) == 50

    def test_an_unknown_cursor_is_none(self, client: ArinovaClient, book: str) -> None:
        client.notes.create("note", notebook_id=book)
        assert len(client.notes.list(notebook_id=book, before=str(uuid.uuid4())).page.items) == 1

    def test_only_august_knows_offsets(self, client: ArinovaClient, book: str, generation: str) -> None:
        for title in ("old", "new"):
            client.notes.create(title, notebook_id=book)
        found = client.notes.list(notebook_id=book, offset=1).page.items
        assert [note.title for note in found] == (["new", "old"] if generation == "march" else ["old"])

    def test_all_tags_are_wanted(self, client: ArinovaClient, book: str) -> None:
        client.notes.create("one", tags=["a", "b"], notebook_id=book)
        client.notes.create("two", tags=["a"], notebook_id=book)
        client.notes.create("three", notebook_id=book)
        assert [note.title for note in client.notes.list(notebook_id=book, tags=["a"])] == ["two", "one"]
        assert [note.title for note in client.notes.list(notebook_id=book, tags=["a", "b"])] == ["one"]

    def test_a_search_in_titles_and_texts(self, client: ArinovaClient, book: str) -> None:
        client.notes.create("Überraschung", notebook_id=book)
        client.notes.create("two", content="eine ÜBERRASCHUNG", notebook_id=book)
        client.notes.create("three", content="%", notebook_id=book)
        found = client.notes.list(notebook_id=book, search="überraschung")
        assert [note.title for note in found] == ["two", "Überraschung"]
        assert [note.title for note in client.notes.list(notebook_id=book, search="%")] == ["three"]

    def test_without_a_notebook_the_first_granted_one_is_meant(
        self, server: LocalServer, client: ArinovaClient
    ) -> None:
        with pytest.raises(errors.PermissionDeniedError, match="No notebook access granted"):
            next(iter(client.notes.list()))
        first, second = (server.owner.create_notebook(name) for name in ("one", "two"))
        for book in (first, second):
            client.notes.create(f"in {book}", notebook_id=book)
        assert [note.title for note in client.notes.list()] == [f"in {first}"]

    def test_there_is_nothing_in_the_archive(self, client: ArinovaClient, book: str) -> None:
        client.notes.create("note", notebook_id=book)
        assert list(client.notes.list(archived=True)) == []
        assert [note.title for note in client.notes.list(archived=False)] == ["note"]

    def test_parameters_that_cannot_be_read(self, ask: Ask, book: str) -> None:
        for query, kind in (
            ("notebookId=b1", "application/json"),
            ("before=n1", "application/json"),
            ("limit=many", "text/plain; charset=utf-8"),
            ("archived=yes", "text/plain; charset=utf-8"),
        ):
            answer = ask("GET", f"/notes?{query}")
            assert (answer.status, answer.headers["content-type"]) == (400, kind)
        assert ask("GET", f"/notes?notebookId={uuid.uuid4()}").status == 403

    def test_only_august_marks_its_answers(self, ask: Ask, book: str, generation: str) -> None:
        mark = ask("GET", "/notes").headers.get("etag")
        again = ask("GET", "/notes", headers={"If-None-Match": mark or '"x"'})
        if generation == "march":
            assert (mark, again.status) == (None, 200)
        else:
            assert (again.status, again.body) == (304, b"")


class TestCreate:
    def test_what_is_written_is_there(
        self, server: LocalServer, client: ArinovaClient, book: str, generation: str
    ) -> None:
        made = client.notes.create(" Shopping ", content="milk\n", tags=["food", "food"], notebook_id=book)
        assert (made.title, made.content, made.tags) == ("Shopping", "milk\n", ("food", "food"))
        assert made.notebook_id == book
        name = None if generation == "march" else server.agent.name
        assert (made.agent_name, made.creator_name) == (name, name)
        again = client.notes.get(made.id)
        assert (again.content, again.agent_name) == ("milk\n", server.agent.name)
        assert again.creator_name == ("owner" if generation == "march" else server.agent.name)
        assert (again.extra["creatorType"], again.extra["archivedAt"]) == ("agent", None)
        (kept,) = server.owner.notes(book)
        assert (kept.id, kept.title, kept.agent_id) == (made.id, "Shopping", server.agent.agent_id)

    @march
    def test_march_demands_a_notebook(self, client: ArinovaClient, book: str) -> None:
        with pytest.raises(errors.BadRequestError, match="notebookId") as caught:
            client.notes.create("note")
        assert (caught.value.status, isinstance(caught.value.body, str)) == (422, True)
        with pytest.raises(errors.BadRequestError, match=r"\(400\)"):
            client.notes.create("note", notebook_id="b1")

    @august
    def test_august_takes_the_first_granted_notebook(self, client: ArinovaClient, book: str) -> None:
        assert client.notes.create("note").notebook_id == book

    def test_titles_have_1_to_200_bytes(self, client: ArinovaClient, ask: Ask, book: str) -> None:
        client.notes.create("ü" * 100, notebook_id=book)
        for title in ("ü" * 101, " "):
            refused = ask("POST", "/notes", {"title": title, "notebookId": book})
            assert (refused.status, refused.json) == (400, {"error": "Title must have 1 to 200 bytes"})
        assert len(list(client.notes.list())) == 1


class TestChange:
    def test_what_is_given_changes(self, client: ArinovaClient, book: str) -> None:
        note = client.notes.create("one", content="text", tags=["a"], notebook_id=book)
        changed = client.notes.update(note.id, title="two", tags=[])
        assert (changed.title, changed.content, changed.tags) == ("two", "text", ())
        assert (changed.updated_at or "") > (note.updated_at or "")
        kept = client.notes.get(note.id)
        assert (kept.title, kept.content, kept.tags) == ("two", "text", ())

    def test_a_change_of_nothing_is_refused(self, client: ArinovaClient, ask: Ask, book: str) -> None:
        note = client.notes.create("one", notebook_id=book)
        refused = ask("PATCH", f"/notes/{note.id}", {"colour": "red"})
        assert (refused.status, refused.json) == (400, {"error": "No fields to update"})

    def test_only_its_author_changes_a_note(
        self, server: LocalServer, client: ArinovaClient, client_of: Callable[..., ArinovaClient], book: str
    ) -> None:
        bob = server.add_agent("Bob")
        server.owner.grant_notebook(book, bob)
        note = client.notes.create("one", notebook_id=book)
        other = client_of(server, bob)
        assert other.notes.get(note.id).title == "one"
        for call in (lambda: other.notes.update(note.id, title="two"), lambda: other.notes.delete(note.id)):
            with pytest.raises(errors.PermissionDeniedError):
                call()
        client.notes.delete(note.id)
        assert server.owner.notes() == []

    def test_what_is_not_there(self, client: ArinovaClient) -> None:
        note_id = str(uuid.uuid4())
        for call in (
            lambda: client.notes.get(note_id),
            lambda: client.notes.update(note_id, title="two"),
            lambda: client.notes.delete(note_id),
            lambda: client.notes.thread(note_id),
        ):
            with pytest.raises(errors.NotFoundError, match="Note not found"):
                call()


class TestAround:
    def test_a_discussion(self, client: ArinovaClient, ask: Ask, book: str) -> None:
        note = client.notes.create("one", notebook_id=book)
        assert client.notes.thread(note.id) == []
        raw = ask("POST", f"/notes/{note.id}/thread", {"content": "Well"})
        assert (raw.status, set(raw.json)) == (200, {"id", "role", "content"})
        added = client.notes.comment(note.id, "I agree")
        assert (added["role"], added["content"]) == ("assistant", "I agree")
        client.notes.comment(note.id, "or not")
        assert [message["content"] for message in client.notes.thread(note.id)] == [
            "Well",
            "I agree",
            "or not",
        ]
        refused = ask("POST", f"/notes/{note.id}/thread", {"content": " "})
        assert (refused.status, refused.json) == (400, {"error": "Content is required"})

    def test_a_note_shows_what_points_to_it(self, client: ArinovaClient, book: str) -> None:
        note = client.notes.create("one", notebook_id=book)
        other = client.notes.create("two", content="see [[one]], [[three]] and [[two]]", notebook_id=book)
        card = client.cards.create("task")
        client.cards.link_note(card.id, note.id)
        found = client.notes.get(note.id).extra
        assert found["backlinks"] == [{"id": other.id, "title": "two"}]
        assert found["linkedCards"] == [{"id": card.id, "title": "task"}]
        assert client.notes.get(other.id).extra["backlinks"] == []
        # Links are made when the note that has them is saved.
        third = client.notes.create("three", notebook_id=book)
        assert client.notes.get(third.id).extra["backlinks"] == []
        client.notes.update(other.id, content="see [[three]]")
        assert client.notes.get(third.id).extra["backlinks"] == [{"id": other.id, "title": "two"}]
        assert client.notes.get(note.id).extra["backlinks"] == []

    @august
    def test_the_cards_of_a_note(self, client: ArinovaClient, book: str) -> None:
        note, card = client.notes.create("one", notebook_id=book), client.cards.create("task")
        client.cards.link_note(card.id, note.id)
        assert [linked["id"] for linked in client.notes.linked_cards(note.id)] == [card.id]

    @march
    def test_march_lacks_that_route(self, client: ArinovaClient, book: str) -> None:
        note = client.notes.create("one", notebook_id=book)
        with pytest.raises(errors.NotFoundError, match="August 2026"):
            client.notes.linked_cards(note.id)
