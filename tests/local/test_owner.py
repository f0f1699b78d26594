"""The agents' owner outside of conversations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.local import AgentAccount, LocalServer

from .conftest import Connect


@pytest.fixture
def bob(server: LocalServer) -> AgentAccount:
    return server.add_agent("Bob")


@pytest.fixture
def clients(server: LocalServer, bob: AgentAccount) -> Iterator[tuple[ArinovaClient, ArinovaClient]]:
    """The first agent's and Bob's."""
    with (
        ArinovaClient(server_url=server.url, bot_token=server.bot_token) as first,
        ArinovaClient(server_url=server.url, bot_token=bob.token) as second,
    ):
        yield first, second


class TestNotebooks:
    def test_are_for_the_first_agent_unless_others_are_named(self, server, bob, clients) -> None:
        plans = server.owner.create_notebook("Plans")
        both = server.owner.create_notebook("Both", [server.agent, bob])
        server.owner.create_notebook("Mine", ())
        seen = [[book.id for book in client.notebooks.list()] for client in clients]
        assert seen == [[plans, both], [both]]

    def test_are_granted_and_taken_away(self, server, bob, clients) -> None:
        plans = server.owner.create_notebook("Plans", ())
        client = clients[1]
        server.owner.grant_notebook(plans, bob)
        server.owner.grant_notebook(plans, bob)
        client.notes.create("Shopping", notebook_id=plans)
        server.owner.revoke_notebook(plans, bob)
        with pytest.raises(errors.PermissionDeniedError):
            client.notes.create("Cooking", notebook_id=plans)

    def test_show_what_agents_wrote(self, server, bob, clients) -> None:
        plans = server.owner.create_notebook("Plans", [server.agent, bob])
        other = server.owner.create_notebook("Other")
        for client, title in zip(clients, ("Shopping", "Cooking"), strict=True):
            client.notes.create(title, content="# Later", tags=["food", "home"], notebook_id=plans)
        clients[0].notes.create("Something else", notebook_id=other)
        notes = server.owner.notes(plans)
        assert [(note.title, note.agent_id) for note in notes] == [
            ("Shopping", server.agent.agent_id),
            ("Cooking", bob.agent_id),
        ]
        assert (notes[0].content, notes[0].tags, notes[0].archived) == ("# Later", ("food", "home"), False)
        assert len(server.owner.notes()) == 3

    def test_that_are_unknown_cannot_be_granted(self, server) -> None:
        with pytest.raises(ValueError, match="there is no notebook 'n1'"):
            server.owner.grant_notebook("n1")


class TestBoards:
    def test_have_columns_and_agents(self, server, bob, clients) -> None:
        plain = server.owner.create_board("Plain")
        board = server.owner.create_board("Own", ["Now", "Later"], [bob])
        assert [column.name for column in clients[0].columns.list(plain)] == [
            "Backlog",
            "To Do",
            "In Progress",
            "Review",
            "Done",
        ]
        assert [column.name for column in clients[1].columns.list(board)] == ["Now", "Later"]
        with pytest.raises(errors.PermissionDeniedError):
            clients[0].columns.list(board)
        server.owner.grant_board(board)
        assert len(clients[0].columns.list(board)) == 2
        server.owner.revoke_board(board)
        with pytest.raises(errors.PermissionDeniedError):
            clients[0].columns.list(board)

    def test_show_their_cards(self, server, clients) -> None:
        board = server.owner.create_board("Plans")
        clients[0].cards.create(
            "Bread", description="Rye", priority="high", column_name="Done", board_id=board
        )
        clients[0].cards.create("Butter", board_id=board)
        server.owner.create_board("Other")
        cards = server.owner.cards(board)
        assert [(card.title, card.column) for card in cards] == [("Butter", "Backlog"), ("Bread", "Done")]
        assert (cards[1].description, cards[1].priority, cards[1].archived) == ("Rye", "high", False)
        assert cards == server.owner.cards()

    def test_have_columns_of_different_names(self, server) -> None:
        with pytest.raises(ValueError, match="different names"):
            server.owner.create_board("Plans", ["Now", "Now"])


class TestSkills:
    def test_are_told_with_tasks_and_give_their_prompt(
        self, server: LocalServer, connect: Connect, clients
    ) -> None:
        server.owner.install_skill("tr", "old")
        server.owner.install_skill(
            "tr",
            "Translate it.",
            name="Translate",
            description="into English",
            slash_command="/tr",
            parameters=[{"name": "to"}],
        )
        raw = connect()
        server.conversation().say("hi")
        assert raw.task()["availableSkills"] == [
            {"slug": "tr", "name": "Translate", "slashCommand": "/tr", "description": "into English"}
        ]
        prompt = clients[0].skills.prompt("tr")
        assert prompt.prompt_content == "Translate it."
        with pytest.raises(errors.NotFoundError):
            clients[1].skills.prompt("tr")

    def test_are_taken_away(self, server: LocalServer, connect: Connect, clients) -> None:
        server.owner.install_skill("tr", "Translate it.")
        server.owner.uninstall_skill("tr")
        raw = connect()
        server.conversation().say("hi")
        assert "availableSkills" not in raw.task()
        with pytest.raises(errors.NotFoundError):
            clients[0].skills.prompt("tr")

    def test_replace_a_common_one_of_the_same_slug(self, connect: Connect) -> None:
        common = [{"slug": slug, "name": "common", "promptContent": "p"} for slug in ("a", "b")]
        with LocalServer(platform_skills=common) as server:
            server.owner.install_skill("a", "own")
            raw = connect(to=server)
            server.conversation().say("hi")
            told = raw.task()["availableSkills"]
        assert [(skill["slug"], skill["name"]) for skill in told] == [("b", "common"), ("a", "a")]
        assert "promptContent" not in told[0]

    def test_are_there_the_next_time(self, connect: Connect, tmp_path) -> None:
        with LocalServer(data=tmp_path / "data") as first:
            first.owner.install_skill("tr", "Translate it.")
        with LocalServer(data=tmp_path / "data") as second:
            raw = connect(to=second)
            second.conversation().say("hi")
            assert [skill["slug"] for skill in raw.task()["availableSkills"]] == ["tr"]


def test_memories_are_shown(server, bob, clients) -> None:
    for client, account, summary in zip(clients, (server.agent, bob), ("tea", "coffee"), strict=True):
        client.memories.remember(account.agent_id, "preference", summary, detail="black")
    [memory] = server.owner.memories(bob)
    assert (memory.agent_id, memory.category, memory.summary, memory.detail) == (
        bob.agent_id,
        "preference",
        "coffee",
        "black",
    )
    assert [each.summary for each in server.owner.memories()] == ["tea"]


def test_what_agents_made_is_there_the_next_time(tmp_path) -> None:
    with LocalServer(data=tmp_path / "data") as first:
        book, board = first.owner.create_notebook("Plans"), first.owner.create_board("Plans")
        with ArinovaClient(server_url=first.url, bot_token=first.bot_token) as client:
            client.notes.create("Shopping", content="Bread", notebook_id=book)
            client.cards.create("Bread", board_id=board)
            client.memories.remember(first.agent.agent_id, "preference", "tea")
    with LocalServer(data=tmp_path / "data") as second:
        with ArinovaClient(server_url=second.url, bot_token=first.bot_token) as client:
            assert [note.content for note in client.notes.list()] == ["Bread"]
            assert [card.title for card in client.cards.list()] == ["Bread"]
        assert [memory.summary for memory in second.owner.memories()] == ["tea"]
