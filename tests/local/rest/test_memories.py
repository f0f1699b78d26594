"""Memories over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.local import LocalServer

from .conftest import Ask

march = pytest.mark.parametrize("generation", ["march"])
august = pytest.mark.parametrize("generation", ["august"])


@pytest.fixture
def me(server: LocalServer) -> str:
    """The first agent's id."""
    return server.agent.agent_id


def remember(client: ArinovaClient, agent_id: str, summary: str, **more: str) -> str:
    return str(client.memories.remember(agent_id, more.pop("category", "knowledge"), summary, **more)["id"])


def test_what_is_remembered(server: LocalServer, client: ArinovaClient, me: str) -> None:
    made = remember(client, me, "tea, no coffee", category="preference", detail="green", pattern_key="drink")
    memory = client.memories.get(made)
    assert (memory.agent_id, memory.category, memory.tier) == (me, "preference", "hot")
    assert (memory.summary, memory.detail, memory.pattern_key) == ("tea, no coffee", "green", "drink")
    (kept,) = server.owner.memories()
    assert (kept.id, kept.summary) == (made, "tea, no coffee")


def test_the_same_pattern_replaces_a_memory(client: ArinovaClient, me: str) -> None:
    first = remember(client, me, "tea", detail="green", pattern_key="drink")
    assert remember(client, me, "coffee", category="error", pattern_key="drink") == first
    memory = client.memories.get(first)
    assert (memory.category, memory.summary, memory.detail) == ("knowledge", "coffee", None)
    assert memory.extra["hitCount"] == 2
    client.memories.forget(first)
    assert remember(client, me, "water", pattern_key="drink") == first
    assert [memory.summary for memory in client.memories.list(me)] == ["water"]
    assert remember(client, me, "water", pattern_key="food") != first


def test_a_list_by_kind(client: ArinovaClient, me: str) -> None:
    cold = remember(client, me, "one", category="error")
    remember(client, me, "two", category="error")
    remember(client, me, "three")
    client.memories.update(cold, tier="cold")
    assert [found.summary for found in client.memories.list(me, category="error")] == ["two", "one"]
    assert [found.summary for found in client.memories.list(me, tier="cold")] == ["one"]
    assert len(list(client.memories.list(me, exclude_system=True))) == 3
    assert len(list(client.memories.list(me, limit=2))) == 3


@august
def test_only_august_knows_limits(client: ArinovaClient, me: str) -> None:
    for summary in ("one", "two", "three"):
        remember(client, me, summary)
    assert len(client.memories.list(me, limit=2).page.items) == 2


def test_the_longest_page(server: LocalServer, client: ArinovaClient, me: str, generation: str) -> None:
    for number in range(205):
        remember(client, me, f"memory {number}")
    page = client.memories.list(me, limit=1000).page
    assert len(page.items) == (200 if generation == "march" else 100)
    assert len(list(client.memories.list(me))) == (200 if generation == "march" else 205)


def test_a_memory_changes_and_goes(client: ArinovaClient, me: str) -> None:
    made = remember(client, me, "tea")
    changed = client.memories.update(made, category="error", summary="coffee", detail="black", tier="warm")
    assert (changed.category, changed.summary, changed.detail, changed.tier) == (
        "error", "coffee", "black", "warm",
    )  # fmt: skip
    client.memories.forget(made)
    for call in (
        lambda: client.memories.get(made),
        lambda: client.memories.update(made, summary="tea"),
        lambda: client.memories.forget(made),
    ):
        with pytest.raises(errors.NotFoundError, match="Memory not found"):
            call()


def test_what_is_wrong(client: ArinovaClient, me: str, ask: Ask) -> None:
    made = remember(client, me, "tea")
    for call in (
        lambda: client.memories.remember(me, "gossip", "x"),
        lambda: client.memories.update(made, category="gossip"),
        lambda: client.memories.update(made, tier="lukewarm"),
    ):
        with pytest.raises(errors.BadRequestError, match="must be one of"):
            call()
    assert ask("PATCH", f"/memories/{made}", {}).status == 200
    blank = ask("POST", "/memories", {"agent_id": me, "category": "error", "summary": ""})
    assert (blank.status, blank.json["summary"]) == (201, "")
    assert ask("GET", "/memories").status == 400
    assert ask("GET", f"/memories?agent_id={uuid.uuid4()}").status == 403
    assert ask("POST", "/memories", {"agentId": me, "category": "error", "summary": "x"}).status == 422
    assert client.memories.get(made).summary == "tea"


def test_what_a_memory_tells(client: ArinovaClient, me: str, ask: Ask) -> None:
    made = {"agent_id": me, "category": "error", "summary": "x", "pattern_key": "k"}
    for hits in (1, 2):
        answer = ask("POST", "/memories", made)
        assert (answer.status, answer.json["hitCount"]) == (201, hits)
    assert set(answer.json) == {
        "id", "agentId", "category", "tier", "summary", "detail", "patternKey", "hitCount",
        "sourceConversationId", "firstSeenAt", "lastUsedAt", "createdAt",
    }  # fmt: skip


def test_memories_of_the_owners_other_agents_are_open(
    server: LocalServer, client: ArinovaClient, client_of: Callable[..., ArinovaClient]
) -> None:
    bob = server.add_agent("Bob")
    theirs = remember(client_of(server, bob), bob.agent_id, "secret")
    assert client.memories.get(theirs).summary == "secret"
    client.memories.update(theirs, summary="open")
    assert remember(client, bob.agent_id, "more") in {each.id for each in client.memories.list(bob.agent_id)}
    client.memories.forget(theirs)
    assert [each.summary for each in client.memories.list(bob.agent_id)] == ["more"]
    assert list(client.memories.list(server.agent.agent_id)) == []


@august
def test_a_search_finds_words_best_first(client: ArinovaClient, me: str) -> None:
    weak = remember(client, me, "likes tea")
    strong = remember(client, me, "Tea", category="preference", detail="GREEN")
    remember(client, me, "steam, teapots")
    found = client.memories.search("green tea")
    assert [(match.id, match.score) for match in found] == [(strong, 1.0), (weak, 0.5)]
    assert (found[0].content, found[0].category) == ("Tea\nGREEN", "preference")
    assert found[0].origin == "self"
    assert len(client.memories.search("tea", limit=1)) == 1
    assert client.memories.search("?!") == []


@march
def test_march_has_no_key_for_a_search(client: ArinovaClient, ask: Ask) -> None:
    for path in ("/api/agent/capsules?query=tea&limit=3", "/capsules?query=tea"):
        assert ask("GET", path).status == 503
    with pytest.raises(errors.ServerError, match="no key"):
        client.memories.search("tea")


def test_only_august_has_a_search_of_its_own(ask: Ask, generation: str) -> None:
    answer = ask("GET", "/memories/search?q=tea")
    if generation == "march":
        # The word is taken for the id of a memory.
        assert (answer.status, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    else:
        assert (answer.status, answer.json) == (200, [])


@august
def test_forgotten_memories_come_back(client: ArinovaClient, me: str) -> None:
    made = remember(client, me, "tea")
    with pytest.raises(errors.NotFoundError):
        client.request("POST", f"/memories/{made}/restore")
    client.memories.forget(made)
    client.request("POST", f"/memories/{made}/restore")
    assert client.memories.get(made).summary == "tea"


@august
def test_a_clean_up_takes_the_coldest(client: ArinovaClient, me: str) -> None:
    cold, _, new = (remember(client, me, name) for name in ("cold", "old", "new"))
    client.memories.update(cold, tier="cold")
    cleaned = client.request("POST", "/memories/cleanup", json={"agentId": me, "maxMemories": 2})
    assert cleaned == {"removed": 1, "remaining": 2}
    client.request("POST", "/memories/cleanup", json={"agentId": me, "maxMemories": 1})
    assert [memory.id for memory in client.memories.list(me)] == [new]
    assert client.request("POST", "/memories/cleanup", json={"agentId": me}) == {"removed": 0, "remaining": 1}
    with pytest.raises(errors.BadRequestError, match="negative"):
        client.request("POST", "/memories/cleanup", json={"agentId": me, "maxMemories": -1})


@august
def test_an_export(client: ArinovaClient, me: str) -> None:
    made = remember(client, me, "tea")
    exported: Any = client.memories.export(me)
    (memory,) = exported["memories"]
    assert (exported["agentId"], memory["id"], memory["summary"]) == (me, made, "tea")


@march
def test_march_lacks_what_came_later(client: ArinovaClient, me: str, ask: Ask) -> None:
    with pytest.raises(errors.NotFoundError, match="August 2026"):
        client.memories.export(me)
    assert ask("POST", f"/memories/{uuid.uuid4()}/restore").status == 404
    assert ask("POST", "/memories/cleanup", {"agentId": me}).status in (400, 405)
