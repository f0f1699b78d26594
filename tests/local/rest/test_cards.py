"""Cards over HTTP, and what hangs on them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.api.records import Card
from arinova_agent_sync.local import LocalServer

from .conftest import Ask

march = pytest.mark.parametrize("generation", ["march"])
august = pytest.mark.parametrize("generation", ["august"])


@pytest.fixture
def card(client: ArinovaClient) -> Card:
    """A card in the column Backlog of a board with the columns of always."""
    return client.cards.create("task", description="with care")


def column_id(client: ArinovaClient, board_id: str | None, name: str) -> str:
    return next(column.id for column in client.columns.list(board_id or "") if column.name == name)


def grow_old(server: LocalServer, days: float) -> None:
    """Let all cards be changed last so many days ago."""
    time = datetime.now(timezone.utc) - timedelta(days=days)
    server.store.run("UPDATE cards SET updated_at = ?", time.isoformat(timespec="microseconds"))


class TestCreate:
    def test_what_is_left_out(self, server: LocalServer, client: ArinovaClient) -> None:
        card = client.cards.create("task")
        assert (card.title, card.description, card.priority) == ("task", None, "medium")
        (board,) = client.boards.list()
        (kept,) = server.owner.cards()
        assert (kept.id, kept.column, kept.title) == (card.id, "Backlog", "task")
        assert kept.board_id == board.id

    def test_only_august_tells_where_a_new_card_is(
        self, server: LocalServer, client: ArinovaClient, ask: Ask, generation: str
    ) -> None:
        board = client.boards.create("Work").id
        made = ask("POST", "/kanban/cards", {"title": "", "boardId": board, "priority": "whatever"}).json
        assert (made["title"], made["priority"], made["sortOrder"]) == ("", "whatever", 0)
        assert made["dueDate"] is None
        if generation == "march":
            assert not {"boardId", "columnName", "labels"} & set(made)
            assert (made["shareToken"], made["isPublic"]) == (None, False)
            assert made["createdAt"].endswith("Z")
        else:
            assert (made["boardId"], made["columnName"], made["labels"]) == (board, "Backlog", [])
        [listed] = ask("GET", "/kanban/cards").json
        assert ("boardId" in listed, "archived" in listed) == (generation == "august",) * 2
        assert (listed["columnName"], listed["labels"]) == ("Backlog", [])
        assert listed["createdBy"] == made["createdBy"]
        assert listed["createdAt"].endswith("+00:00")

    def test_what_is_given(self, client: ArinovaClient) -> None:
        client.boards.create("First")
        board = client.boards.create("Work")
        card = client.cards.create(
            "task", description="", priority="high", board_id=board.id, column_name="Review"
        )
        assert (card.description, card.priority) == ("", "high")
        assert card.column_id == column_id(client, board.id, "Review")
        done = column_id(client, board.id, "Done")
        assert client.cards.create("task", column_id=done).column_id == done
        assert client.cards.create("task", column_id=done, board_id=board.id).column_id == done

    def test_without_a_backlog_it_is_the_first_column(self, client: ArinovaClient) -> None:
        board = client.boards.create("Work", columns=["Now", "Later"])
        for name in (None, "Nowhere"):
            card = client.cards.create("task", board_id=board.id, column_name=name)
            assert card.column_id == column_id(client, board.id, "Now")

    def test_a_new_card_is_on_top_of_its_column(self, client: ArinovaClient, card: Card) -> None:
        other, new = client.cards.create("x", column_name="Done"), client.cards.create("new")
        places = {found.id: found.sort_order for found in client.cards.list()}
        assert places == {card.id: 1, new.id: 0, other.id: 0}

    def test_a_board_that_was_not_granted_is_closed(self, server: LocalServer, client: ArinovaClient) -> None:
        board = server.owner.create_board("Not granted", agents=())
        with pytest.raises(errors.PermissionDeniedError):
            client.cards.create("task", board_id=board)

    def test_without_a_grant_the_owners_first_board_is_granted(
        self, server: LocalServer, client: ArinovaClient
    ) -> None:
        board = server.owner.create_board("Work", agents=())
        server.owner.create_board("Other", agents=())
        client.cards.create("task")
        assert [card.board_id for card in server.owner.cards()] == [board]
        assert [granted.id for granted in client.boards.list()] == [board]

    def test_what_does_not_fit(self, client: ArinovaClient, ask: Ask) -> None:
        board, other = client.boards.create("Work"), client.boards.create("Other", columns=["x"])
        empty = client.boards.create("Empty", columns=[])
        with pytest.raises(errors.BadRequestError, match="another board"):
            client.cards.create("task", board_id=board.id, column_id=column_id(client, other.id, "x"))
        with pytest.raises(errors.NotFoundError, match="Board not found"):
            client.cards.create("task", board_id=str(uuid.uuid4()))
        with pytest.raises(errors.BadRequestError, match="no columns"):
            client.cards.create("task", board_id=empty.id)
        with pytest.raises(errors.BadRequestError, match=r"\(422\).*boardId"):
            client.cards.create("task", board_id="b1")
        assert ask("POST", "/kanban/cards", {}).status == 422
        assert list(client.cards.list()) == []


class TestList:
    def test_cards_of_the_boards_that_an_agent_was_granted(
        self, server: LocalServer, client: ArinovaClient, client_of: Callable[..., ArinovaClient]
    ) -> None:
        bob = server.add_agent("Bob")
        board = server.owner.create_board("Work", agents=[bob, server.agent])
        mine = client.cards.create("mine", board_id=client.boards.create("Own").id)
        shared = client.cards.create("shared", board_id=board)
        assert {card.id for card in client.cards.list()} == {mine.id, shared.id}
        assert [card.id for card in client_of(server, bob).cards.list()] == [shared.id]
        client.boards.archive(board)  # what is on it is listed all the same
        assert {card.id for card in client.cards.list()} == {mine.id, shared.id}

    def test_the_latest_changed_come_first(self, client: ArinovaClient, card: Card) -> None:
        other = client.cards.create("other")
        assert [found.id for found in client.cards.list()] == [other.id, card.id]
        client.cards.update(card.id, priority="low")
        assert [found.id for found in client.cards.list()] == [card.id, other.id]

    def test_a_search_in_titles_and_texts(self, client: ArinovaClient, card: Card) -> None:
        other = client.cards.create("Überraschung")
        assert [found.id for found in client.cards.list(search="CARE")] == [card.id]
        assert [found.id for found in client.cards.list(search="überraschung")] == [other.id]
        assert list(client.cards.list(search="nothing")) == []

    def test_march_ignores_limit_and_offset(self, client: ArinovaClient, generation: str) -> None:
        made = [client.cards.create(title).id for title in ("one", "two", "three")][::-1]
        page = client.cards.list(limit=1, offset=1).page
        assert [card.id for card in page.items] == (made if generation == "march" else made[1:2])
        assert [card.id for card in client.cards.list(limit=1)] == made

    def test_done_cards_go_after_a_week(self, server: LocalServer, client: ArinovaClient, card: Card) -> None:
        done = client.cards.create("done", column_name="Done")
        board = client.boards.list().page.items[0].id
        grow_old(server, 6.9)
        assert {found.id for found in client.cards.list()} == {card.id, done.id}
        grow_old(server, 7.1)
        assert list(client.cards.archived(board)) == []
        assert [found.id for found in client.cards.list()] == [card.id]
        assert [found.id for found in client.cards.archived(board)] == [done.id]
        with pytest.raises(errors.NotFoundError, match="lists no card"):
            client.cards.get(done.id)

    @august
    def test_a_board_says_when_they_go(self, server: LocalServer, client: ArinovaClient, card: Card) -> None:
        done = client.cards.create("done", column_name="Done")
        client.boards.update(done.board_id or "", auto_archive_days=0)
        grow_old(server, 400)
        assert len(list(client.cards.list())) == 2
        client.boards.update(done.board_id or "", auto_archive_days=30)
        assert [found.id for found in client.cards.list()] == [card.id]

    def test_archived_cards_page_by_page(self, server: LocalServer, client: ArinovaClient, ask: Ask) -> None:
        made = {client.cards.create(f"card {n}", column_name="Done").id for n in range(25)}
        board = client.boards.list().page.items[0].id
        grow_old(server, 8)
        assert list(client.cards.list()) == []
        first = client.cards.archived(board).page
        assert (len(first.items), first.total) == (20, 25)
        assert {card.id for card in client.cards.archived(board)} == made
        assert {card.id for card in client.cards.archived(board, limit=10)} == made
        assert len(client.cards.archived(board, page=3, limit=10).page.items) == 5
        raw = ask("GET", f"/kanban/boards/{board}/archived-cards?limit=1000&page=9").json
        assert raw == {"cards": [], "total": 25, "page": 9, "limit": 100}


class TestChange:
    def test_what_is_given_changes(self, client: ArinovaClient, card: Card) -> None:
        review = column_id(client, client.boards.list().page.items[0].id, "Review")
        changed = client.cards.update(card.id, title="work", priority="low", column_id=review, sort_order=7)
        assert (changed.id, changed.title, changed.description) == (card.id, "work", "with care")
        assert (changed.priority, changed.column_name, changed.sort_order) == ("low", "Review", 7)

    def test_march_says_ok(self, ask: Ask, client: ArinovaClient, card: Card, generation: str) -> None:
        for answer in (
            ask("PATCH", f"/kanban/cards/{card.id}", {"title": "work"}),
            ask("POST", f"/kanban/cards/{card.id}/complete"),
        ):
            assert answer.status == 200
            assert answer.json == {"ok": True} if generation == "march" else answer.json["id"] == card.id
        assert ask("PATCH", f"/kanban/cards/{card.id}", {}).json == {"error": "No fields to update"}

    def test_unknown_fields_are_refused(self, ask: Ask, card: Card) -> None:
        refused = ask("PATCH", f"/kanban/cards/{card.id}", {"title": "work", "colour": "red"})
        assert (refused.status, refused.headers["content-type"]) == (422, "text/plain; charset=utf-8")
        assert "colour" in refused.text

    def test_only_august_knows_columns_by_name(
        self, client: ArinovaClient, card: Card, generation: str
    ) -> None:
        if generation == "august":
            assert client.cards.update(card.id, column_name="Review").column_name == "Review"
            with pytest.raises(errors.NotFoundError, match='no column "Nowhere"'):
                client.cards.update(card.id, column_name="Nowhere")
        else:
            with pytest.raises(errors.BadRequestError, match=r"\(422\)"):
                client.cards.update(card.id, column_name="Review")

    def test_null_changes_nothing(self, ask: Ask, card: Card) -> None:
        refused = ask("PATCH", f"/kanban/cards/{card.id}", {"title": None, "description": None})
        assert (refused.status, refused.json) == (400, {"error": "No fields to update"})

    def test_done_keeps_the_place(self, client: ArinovaClient, card: Card) -> None:
        client.cards.create("on top")
        client.cards.create("there", column_name="Done")
        assert client.cards.complete(card.id).column_name == "Done"
        first = client.cards.list().page.items[0]
        assert (first.id, first.sort_order) == (card.id, 1)

    def test_a_board_without_a_column_of_exactly_that_name(self, client: ArinovaClient) -> None:
        board = client.boards.create("Work", columns=["Now", "done"])
        card = client.cards.create("task", board_id=board.id)
        with pytest.raises(errors.NotFoundError, match='no column "Done"'):
            client.cards.complete(card.id)

    def test_a_card_is_deleted_with_all_that_hangs_on_it(self, client: ArinovaClient, card: Card) -> None:
        client.cards.add_commit(card.id, "abc1234")
        client.cards.delete(card.id)
        assert list(client.cards.list()) == []
        for call in (client.cards.commits, client.cards.delete, client.cards.complete):
            with pytest.raises(errors.NotFoundError, match="Card not found"):
                call(card.id)

    @august
    def test_many_cards_move_at_once_or_not_at_all(self, client: ArinovaClient, card: Card) -> None:
        other = client.cards.create("other")
        done = column_id(client, client.boards.list().page.items[0].id, "Done")
        with pytest.raises(errors.NotFoundError, match="Column not found"):
            client.cards.bulk_move({card.id: done, other.id: str(uuid.uuid4())})
        assert {found.column_name for found in client.cards.list()} == {"Backlog"}
        with pytest.raises(errors.BadRequestError, match="must not be empty"):
            client.request("POST", "/kanban/cards/bulk-move", json={"moves": []})
        assert client.cards.bulk_move({card.id: done, other.id: done}) == {"moved": 2}
        assert {found.column_name for found in client.cards.list()} == {"Done"}

    @march
    def test_march_lacks_what_came_later(self, client: ArinovaClient, card: Card) -> None:
        for call in (
            lambda: client.cards.bulk_move({card.id: card.column_id or ""}),
            lambda: client.cards.comments(card.id),
            lambda: client.cards.comment(card.id, "hi"),
            lambda: client.cards.get_comment(str(uuid.uuid4())),
        ):
            with pytest.raises(errors.NotFoundError, match="August 2026"):
                call()


class TestCommits:
    def test_commits_of_a_card(self, client: ArinovaClient, card: Card, generation: str) -> None:
        made = client.cards.add_commit(card.id, "abc1234", message="Fix it", url="https://example.org/c")
        assert (made.card_id, made.commit_hash, made.message) == (card.id, "abc1234", "Fix it")
        assert made.url == (None if generation == "march" else "https://example.org/c")
        client.cards.add_commit(card.id, "def5678")
        assert [commit.commit_hash for commit in client.cards.commits(card.id)] == ["def5678", "abc1234"]

    def test_the_same_commit_again(self, client: ArinovaClient, card: Card) -> None:
        client.cards.add_commit(card.id, "abc1234", message="Fix it")
        client.cards.add_commit(card.id, "abc1234", message="Break it")
        assert [commit.message for commit in client.cards.commits(card.id)] == ["Fix it"]

    @march
    def test_march_sends_nothing_back(self, ask: Ask, card: Card) -> None:
        answer = ask("POST", f"/kanban/cards/{card.id}/commits", {"commitHash": "abc1234"})
        assert (answer.status, answer.body) == (201, b"")

    def test_a_hash_has_1_to_40_characters(self, ask: Ask, card: Card) -> None:
        for name, status in (("a" * 40, 201), ("a" * 41, 400), ("", 400)):
            answer = ask("POST", f"/kanban/cards/{card.id}/commits", {"commitHash": name})
            assert answer.status == status


class TestNotes:
    def test_notes_of_a_card(self, server: LocalServer, client: ArinovaClient, card: Card) -> None:
        book = server.owner.create_notebook("Plans")
        note = client.notes.create("Shopping", tags=["food"], notebook_id=book)
        client.cards.link_note(card.id, note.id)
        client.cards.link_note(card.id, note.id)
        (linked,) = client.cards.notes(card.id)
        assert (linked.id, linked.title, linked.tags) == (note.id, "Shopping", ("food",))
        client.cards.unlink_note(card.id, note.id)
        assert client.cards.notes(card.id) == []

    def test_the_answer_says_that_it_is_linked(
        self, server: LocalServer, client: ArinovaClient, ask: Ask, card: Card
    ) -> None:
        note = client.notes.create("x", notebook_id=server.owner.create_notebook("Plans"))
        answer = ask("POST", f"/kanban/cards/{card.id}/notes", {"noteId": note.id})
        assert (answer.status, answer.json) == (200, {"linked": True})
        assert ask("DELETE", f"/kanban/cards/{card.id}/notes/{note.id}").status == 204

    def test_a_note_that_the_agent_may_not_read(
        self, server: LocalServer, client: ArinovaClient, client_of: Callable[..., ArinovaClient], card: Card
    ) -> None:
        bob = server.add_agent("Bob")
        other = client_of(server, bob)
        note = other.notes.create("secret", notebook_id=other.notebooks.create("Bob's").id)
        with pytest.raises(errors.PermissionDeniedError):
            client.cards.link_note(card.id, note.id)
        with pytest.raises(errors.NotFoundError, match="Note not found"):
            client.cards.link_note(card.id, str(uuid.uuid4()))
        with pytest.raises(errors.BadRequestError, match="noteId"):
            client.cards.link_note(card.id, "n1")


@august
def test_comments_on_a_card(server: LocalServer, client: ArinovaClient, card: Card, ask: Ask) -> None:
    assert client.cards.comments(card.id) == []
    made = client.cards.comment(card.id, " well done ")
    assert (made["cardId"], made["content"], made["agentName"]) == (card.id, "well done", server.agent.name)
    assert client.cards.comments(card.id) == [made]
    assert client.cards.get_comment(str(made["id"])) == made
    assert ask("POST", f"/kanban/cards/{card.id}/comments", {"content": " "}).status == 400
    with pytest.raises(errors.NotFoundError, match="Comment not found"):
        client.cards.get_comment(str(uuid.uuid4()))
