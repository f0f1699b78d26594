"""Boards and their columns over HTTP."""

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

DEFAULT = ["Backlog", "To Do", "In Progress", "Review", "Done"]


class TestBoards:
    def test_an_owner_without_boards_gets_one(self, client: ArinovaClient) -> None:
        (board,) = client.boards.list()
        assert [column.name for column in client.columns.list(board.id)] == DEFAULT
        assert [again.id for again in client.boards.list()] == [board.id]

    def test_an_agent_sees_the_boards_that_it_was_granted(
        self, server: LocalServer, client: ArinovaClient, client_of: Callable[..., ArinovaClient]
    ) -> None:
        bob = server.add_agent("Bob")
        own = client.boards.create("Own")
        granted = server.owner.create_board("Granted")
        others = server.owner.create_board("Bob's", agents=[bob])
        assert [board.id for board in client.boards.list()] == [own.id, granted]
        assert [board.id for board in client_of(server, bob).boards.list()] == [others]
        with pytest.raises(errors.NotFoundError, match="lists no board"):
            client.boards.get(others)
        with pytest.raises(errors.PermissionDeniedError):
            client.columns.list(others)
        server.owner.grant_board(others)
        assert client.boards.get(others).name == "Bob's"

    def test_what_a_new_board_looks_like(self, server: LocalServer, client: ArinovaClient) -> None:
        board = client.boards.create("Work", columns=["Now", "Later"])
        assert (board.name, board.archived, board.owner_username) == ("Work", False, "owner")
        assert (board.created_at or "").endswith("Z")
        assert [column.name for column in client.columns.list(board.id)] == ["Now", "Later"]

    def test_march_alone_lists_boards_with_their_columns(
        self, client: ArinovaClient, generation: str
    ) -> None:
        board = client.boards.create("Work", columns=["Now"])
        columns = client.boards.get(board.id).columns
        if generation == "august":
            assert columns is None
        else:
            assert columns is not None
            assert [(column.name, column.sort_order) for column in columns] == [("Now", 0)]

    def test_march_ignores_limit_and_offset(self, client: ArinovaClient, generation: str) -> None:
        made = [client.boards.create(name).id for name in ("one", "two", "three")]
        page = client.boards.list(limit=1, offset=1).page
        assert [board.id for board in page.items] == (made if generation == "march" else made[1:2])
        assert [board.id for board in client.boards.list(limit=1)] == made

    def test_a_board_is_renamed(self, ask: Ask, client: ArinovaClient, generation: str) -> None:
        board = client.boards.create("Work")
        assert client.boards.update(board.id, name="Play").name == "Play"
        raw = ask("PATCH", f"/kanban/boards/{board.id}", {"name": "Rest"})
        if generation == "march":
            assert raw.json == {"ok": True}
        else:
            assert (raw.json["id"], raw.json["name"]) == (board.id, "Rest")

    def test_blank_names_are_names(self, ask: Ask, client: ArinovaClient) -> None:
        board = ask("POST", "/kanban/boards", {"name": " ", "columns": [{"name": ""}]})
        assert (board.status, board.json["name"]) == (201, " ")
        column = ask("POST", f"/kanban/boards/{board.json['id']}/columns", {"name": " "})
        assert (column.status, column.json["name"]) == (201, " ")
        assert ask("PATCH", f"/kanban/boards/{board.json['id']}", {"name": ""}).status == 200
        assert [(each.id, each.name) for each in client.boards.list()] == [(board.json["id"], "")]

    @march
    def test_marchs_list_tells_what_is_archived_by_who_is_in_it(
        self, client: ArinovaClient, ask: Ask
    ) -> None:
        kept, board = client.boards.create("Kept").id, client.boards.create("Work").id
        ask("POST", f"/kanban/boards/{board}/archive")
        for query, expected in (("?limit=x&offset=y", [kept]), ("?includeArchived=true", [kept, board])):
            listed = ask("GET", f"/kanban/boards{query}").json
            assert [each["id"] for each in listed] == expected
            assert {key for each in listed for key in each} == {"id", "name", "createdAt", "columns"}

    @march
    def test_march_writes_without_a_grant(self, server: LocalServer, client: ArinovaClient) -> None:
        board = server.owner.create_board("Not granted", agents=())
        client.columns.create(board, "Later")
        client.boards.delete(board)
        with pytest.raises(errors.NotFoundError):
            client.boards.delete(board)

    @august
    def test_august_writes_with_a_grant_only(self, server: LocalServer, client: ArinovaClient) -> None:
        board = server.owner.create_board("Not granted", agents=())
        for call in (lambda: client.columns.create(board, "Later"), lambda: client.boards.delete(board)):
            with pytest.raises(errors.PermissionDeniedError):
                call()

    def test_the_older_prefix_leads_to_the_same_routes(self, client: ArinovaClient, ask: Ask) -> None:
        board = client.boards.create("Work")
        assert ask("GET", "/api/agent/kanban/boards").json[0]["id"] == board.id


class TestArchive:
    @august
    def test_archived_boards_are_listed_on_demand(self, client: ArinovaClient) -> None:
        kept, board = client.boards.create("Kept"), client.boards.create("Work")
        client.boards.archive(board.id)
        assert [each.id for each in client.boards.list()] == [kept.id]
        assert [each.archived for each in client.boards.list(include_archived=True)] == [False, True]
        client.boards.archive(board.id)
        assert client.boards.get(board.id).archived is True
        client.boards.unarchive(board.id)
        client.boards.unarchive(board.id)
        assert client.boards.get(board.id).archived is False

    def test_the_client_brings_boards_back(self, client: ArinovaClient) -> None:
        kept, board = client.boards.create("Kept"), client.boards.create("Work")
        client.boards.archive(board.id)
        client.boards.archive(board.id)
        assert [each.id for each in client.boards.list()] == [kept.id]
        for _ in range(2):
            client.boards.unarchive(board.id)
            assert [each.id for each in client.boards.list()] == [kept.id, board.id]
        with pytest.raises(errors.NotFoundError):
            client.boards.unarchive(str(uuid.uuid4()))

    def test_the_last_board_stays(self, client: ArinovaClient) -> None:
        board = client.boards.create("Work")
        with pytest.raises(errors.BadRequestError, match="last board"):
            client.boards.archive(board.id)
        assert [each.id for each in client.boards.list()] == [board.id]

    @march
    def test_marchs_route_switches(self, client: ArinovaClient, ask: Ask) -> None:
        client.boards.create("Kept")
        path = f"/kanban/boards/{client.boards.create('Work').id}"
        for archived in (True, False, True):
            assert ask("POST", f"{path}/archive").json == {"ok": True, "archived": archived}
        assert ask("POST", f"{path}/unarchive").status == 404

    @august
    def test_augusts_routes_set(self, client: ArinovaClient, ask: Ask) -> None:
        client.boards.create("Kept")
        board = client.boards.create("Work")
        for route, archived in (("archive", True), ("archive", True), ("unarchive", False)):
            assert ask("POST", f"/kanban/boards/{board.id}/{route}").status == 204
            assert client.boards.get(board.id).archived is archived

    def test_only_august_wants_boards_archived_before_they_are_deleted(
        self, client: ArinovaClient, ask: Ask, generation: str
    ) -> None:
        client.boards.create("Kept")
        board = client.boards.create("Work")
        client.cards.create("gone with it", board_id=board.id)
        if generation == "august":
            with pytest.raises(errors.BadRequestError, match="archived"):
                client.boards.delete(board.id)
            client.boards.archive(board.id)
        assert ask("DELETE", f"/kanban/boards/{board.id}").status == 204
        assert [each.name for each in client.boards.list(include_archived=True)] == ["Kept"]
        assert list(client.cards.list()) == []

    @august
    def test_august_sets_the_days_after_which_cards_go(self, client: ArinovaClient, ask: Ask) -> None:
        board = client.boards.create("Work")
        assert client.boards.update(board.id, auto_archive_days=3).extra["autoArchiveDays"] == 3
        for days, status in ((-1, 400), (2**40, 422), (None, 400)):
            refused = ask("PATCH", f"/kanban/boards/{board.id}", {"autoArchiveDays": days})
            assert refused.status == status

    @march
    def test_march_knows_names_only(self, client: ArinovaClient) -> None:
        board = client.boards.create("Work")
        with pytest.raises(errors.BadRequestError, match="name"):
            client.boards.update(board.id, auto_archive_days=3)


class TestColumns:
    @pytest.fixture
    def board(self, client: ArinovaClient) -> str:
        return client.boards.create("Work", columns=["Now", "Later"]).id

    def test_a_new_column_comes_last(self, client: ArinovaClient, board: str) -> None:
        made = client.columns.create(board, "Never")
        assert (made.board_id, made.name, made.sort_order) == (board, "Never", 2)
        client.columns.create(board, "First", sort_order=0)
        names = [column.name for column in client.columns.list(board)]
        assert names == ["Now", "First", "Later", "Never"]

    def test_a_column_changes(self, ask: Ask, client: ArinovaClient, board: str, generation: str) -> None:
        column = client.columns.list(board)[0]
        changed = client.columns.update(column.id, name="Soon", sort_order=5)
        assert (changed.id, changed.name, changed.sort_order) == (column.id, "Soon", 5)
        assert [column.name for column in client.columns.list(board)] == ["Later", "Soon"]
        raw = ask("PATCH", f"/kanban/columns/{column.id}", {"name": "Soon"})
        assert raw.json == {"ok": True} if generation == "march" else raw.json["name"] == "Soon"
        assert ask("PATCH", f"/kanban/columns/{column.id}", {}).status == 400

    def test_a_column_of_an_archived_board_changes(self, client: ArinovaClient, board: str) -> None:
        client.boards.create("Kept")
        column = client.columns.list(board)[0]
        client.boards.archive(board)
        assert client.columns.update(column.id, name="Soon").name == "Soon"

    @august
    def test_august_knows_limits_and_kinds(self, client: ArinovaClient, board: str) -> None:
        column = client.columns.list(board)[0]
        changed = client.columns.update(column.id, wip_limit=3, column_type="active")
        assert (changed.wip_limit, changed.column_type) == (3, "active")

    @march
    def test_march_knows_neither(self, client: ArinovaClient, board: str) -> None:
        with pytest.raises(errors.BadRequestError, match="No fields"):
            client.columns.update(client.columns.list(board)[0].id, wip_limit=3)

    def test_a_name_comes_once_in_a_board(self, client: ArinovaClient, board: str, generation: str) -> None:
        # The March 2026 server lets its database notice.
        expected = errors.ServerError if generation == "march" else errors.ConflictError
        now = client.columns.list(board)[0]
        for call in (
            lambda: client.columns.create(board, "Later"),
            lambda: client.columns.update(now.id, name="Later"),
        ):
            with pytest.raises(expected):
                call()
        assert client.columns.update(now.id, name="Now").name == "Now"

    def test_a_new_board_with_the_same_column_twice(self, client: ArinovaClient, generation: str) -> None:
        if generation == "august":
            with pytest.raises(errors.ConflictError):
                client.boards.create("Work", columns=["a", "b", "a"])
        else:
            board = client.boards.create("Work", columns=["a", "b", "a"])
            assert [column.name for column in client.columns.list(board.id)] == ["a", "b"]

    def test_a_column_goes_when_it_is_empty(self, client: ArinovaClient, board: str) -> None:
        card = client.cards.create("task", board_id=board)
        with pytest.raises(errors.BadRequestError, match="has cards"):
            client.columns.delete(card.column_id or "")
        client.cards.delete(card.id)
        client.columns.delete(card.column_id or "")
        assert [column.name for column in client.columns.list(board)] == ["Later"]

    def test_an_order_names_every_column_once(self, client: ArinovaClient, board: str) -> None:
        now, later = (column.id for column in client.columns.list(board))
        foreign = client.columns.list(client.boards.create("Other").id)[0].id
        client.columns.reorder(board, [later, now])
        for wrong in ([now], [], [now, now], [now, later, later], [now, foreign]):
            with pytest.raises(errors.BadRequestError, match="every column"):
                client.columns.reorder(board, wrong)
        with pytest.raises(errors.BadRequestError, match=r"\(422\)"):
            client.columns.reorder(board, ["c1", now])
        assert [column.id for column in client.columns.list(board)] == [later, now]

    def test_what_is_not_there(self, client: ArinovaClient) -> None:
        nowhere = str(uuid.uuid4())
        for call in (
            lambda: client.columns.list(nowhere),
            lambda: client.columns.create(nowhere, "x"),
            lambda: client.columns.update(nowhere, name="x"),
            lambda: client.columns.delete(nowhere),
            lambda: client.columns.reorder(nowhere, []),
            lambda: client.boards.update(nowhere, name="x"),
            lambda: client.boards.archive(nowhere),
        ):
            with pytest.raises(errors.NotFoundError, match="not found"):
                call()
