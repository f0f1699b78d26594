"""Search over everything, and what ids stand for."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.local import LocalConversation, LocalServer

from .conftest import Ask

march = pytest.mark.parametrize("generation", ["march"])
august = pytest.mark.parametrize("generation", ["august"])


@pytest.fixture
def conversation(server: LocalServer) -> LocalConversation:
    return server.conversation()


@pytest.fixture
def ids(server: LocalServer, client: ArinovaClient, conversation: LocalConversation) -> dict[str, str]:
    """One thing of each kind with the word needle in it, by kind; the older ones first."""
    book = server.owner.create_notebook("Plans")
    memory = client.memories.remember(server.agent.agent_id, "error", "a Needle")
    file = client.files.upload(conversation.id, b"x", file_name="needle.txt")
    return {
        "message": client.messages.send(conversation.id, "the NEEDLE").message_id or "",
        "note": client.notes.create("one", content="a needle in it", notebook_id=book).id,
        "card": client.cards.create("needles").id,
        "memory": str(memory["id"]),
        "file": next(kept.id for kept in server.owner.files() if kept.url in file.url),
    }


def found_by(results: Any) -> dict[str, str]:
    return {result["entityType"]: result["id"] for result in results}


@march
def test_march_lets_users_only(client: ArinovaClient, conversation: LocalConversation) -> None:
    with pytest.raises(errors.PermissionDeniedError, match="Unauthorized"):
        client.search.all("x")
    for call in (
        lambda: client.search.content("x"),
        lambda: client.search.resolve("abcdef1"),
        lambda: client.search.resolve_identifiers(conversation.id, "x"),
    ):
        with pytest.raises(errors.NotFoundError, match="August 2026"):
            call()


@august
class TestSearch:
    def test_every_kind_at_once(self, client: ArinovaClient, ids: dict[str, str]) -> None:
        found: Any = client.search.all("needle")
        assert list(found) == ["messages", "notes", "cards", "memories", "files"]
        assert found_by(group[0] for group in found.values()) == ids
        assert client.search.all("haystack") == {name: [] for name in found}

    def test_the_limit_is_for_each_kind(self, client: ArinovaClient, ids: dict[str, str]) -> None:
        client.cards.create("another needle")
        found: Any = client.search.all("needle", limit=1)
        assert len(found["cards"]) == 1

    def test_what_others_have_is_not_found(
        self, server: LocalServer, ids: dict[str, str], client_of: Callable[..., ArinovaClient]
    ) -> None:
        found = client_of(server, server.add_agent("Bob")).search.content("needle")
        assert found == {"results": [], "total": 0}

    def test_one_list_newest_first(self, client: ArinovaClient, ids: dict[str, str]) -> None:
        found: Any = client.search.content("needle")
        assert (found_by(found["results"]), found["total"]) == (ids, 5)
        assert [item["entityType"] for item in found["results"][:2]] == ["card", "note"]
        oldest: Any = client.search.content("needle", sort="oldest")
        assert oldest["results"] == found["results"][::-1]
        (note,) = (item for item in found["results"] if item["entityType"] == "note")
        assert (note["title"], note["snippet"]) == ("one", "a needle in it")

    def test_only_what_is_like_that(
        self, server: LocalServer, client: ArinovaClient, ids: dict[str, str], conversation: LocalConversation
    ) -> None:
        def kinds(**options: Any) -> set[str]:
            found: Any = client.search.content("needle", **options)
            return set(found_by(found["results"]))

        assert kinds(entity_types=["note", "card"]) == {"note", "card"}
        assert kinds(conversation_id=conversation.id) == {"message", "file"}
        assert kinds(file_type="text/plain") == {"file"}
        assert kinds(author_id=server.agent.agent_id) == {"message", "note", "memory", "file"}
        assert kinds(has_attachment=True) == set()
        assert kinds(has_attachment=False) == set(ids)
        assert kinds(date_from="2999-01-01") == kinds(date_to="2000-01-01T00:00:00Z") == set()
        assert kinds(date_from="2000-01-01", date_to="2999-01-01") == set(ids)

    def test_what_cannot_be_searched(self, client: ArinovaClient, ask: Ask) -> None:
        assert ask("GET", "/search?q=").json == {"error": "q is required"}
        with pytest.raises(errors.BadRequestError, match="'star'"):
            client.search.content("x", entity_types=["star"])


@august
class TestResolve:
    def test_the_beginning_of_an_id(self, client: ArinovaClient, ids: dict[str, str]) -> None:
        for kind, whole in ids.items():
            for text in (whole[:8], whole, whole.upper()):
                found = client.search.resolve(text)
                assert (found["entityType"], found["id"], found["identifier"]) == (kind, whole, text)

    def test_a_commit(self, client: ArinovaClient, ids: dict[str, str]) -> None:
        client.cards.add_commit(ids["card"], "abcdef1234567890", message="Fix it")
        found = client.search.resolve("abcdef1")
        assert (found["entityType"], found["title"], found["cardId"]) == ("commit", "Fix it", ids["card"])

    def test_what_nothing_has(self, client: ArinovaClient) -> None:
        with pytest.raises(errors.NotFoundError, match="Nothing has this id"):
            client.search.resolve(str(uuid.uuid4()))
        with pytest.raises(errors.BadRequestError, match="hexadecimal"):
            client.search.resolve("tea")

    def test_ids_in_a_text(
        self, client: ArinovaClient, ids: dict[str, str], conversation: LocalConversation
    ) -> None:
        text = f"see {ids['note']}, {ids['card'][:8]}, {ids['note']}, {uuid.uuid4()} and cafe"
        found: Any = client.search.resolve_identifiers(conversation.id, text)
        assert [(item["entityType"], item["id"]) for item in found["identifiers"]] == [
            ("note", ids["note"]),
            ("card", ids["card"]),
        ]
        assert client.search.resolve_identifiers(conversation.id, text, max_tokens=1) == {"identifiers": []}
        with pytest.raises(errors.PermissionDeniedError):
            client.search.resolve_identifiers(str(uuid.uuid4()), text)
