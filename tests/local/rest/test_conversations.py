"""Conversations over HTTP."""

from __future__ import annotations

import re

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.local import LocalServer

from .conftest import Ask

march = pytest.mark.parametrize("generation", ["march"])
august = pytest.mark.parametrize("generation", ["august"])


def test_there_is_none_at_first(client: ArinovaClient) -> None:
    assert list(client.conversations.list()) == []


def test_those_of_the_agent_are_listed_the_latest_first(server: LocalServer, client: ArinovaClient) -> None:
    bob = server.add_agent("Bob")
    first, group = server.conversation(), server.conversation(type="group")
    server.conversation(bob)
    client.messages.send(first.id, "hi")
    found = list(client.conversations.list())
    assert [(each.id, each.type, each.name) for each in found] == [
        (first.id, "h2a", "Agent"),
        (group.id, "group", "Agent, Bob"),
    ]
    assert (found[0].updated_at or "") > (found[1].updated_at or "")


def test_they_are_found_by_type_and_name(server: LocalServer, client: ArinovaClient) -> None:
    server.add_agent("Bob")
    direct, group = server.conversation(), server.conversation(type="group")
    assert [each.id for each in client.conversations.list(type="group")] == [group.id]
    assert [each.id for each in client.conversations.list(search="AGENT", type="h2a")] == [direct.id]
    assert list(client.conversations.list(search="nobody")) == []


@march
def test_march_answers_an_array(server: LocalServer, ask: Ask) -> None:
    place = server.conversation()
    [found] = ask("GET", "/conversations").json
    assert set(found) == {"id", "type", "name", "updatedAt"}
    assert found["id"] == place.id
    assert re.fullmatch(r"2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", found["updatedAt"])


def test_the_client_lists_more_than_a_page(server: LocalServer, client: ArinovaClient) -> None:
    ids = [server.conversation().id for _ in range(60)][::-1]
    assert [each.id for each in client.conversations.list()] == ids


def test_only_august_knows_offsets(server: LocalServer, ask: Ask, generation: str) -> None:
    ids = [server.conversation().id for _ in range(3)][::-1]
    found = [each["id"] for each in ask("GET", "/conversations?limit=2&offset=1").json]
    assert found == (ids[:2] if generation == "march" else ids[1:])
    assert ask("GET", "/conversations?offset=x").status == (200 if generation == "march" else 400)


@august
def test_an_agent_opens_one_with_its_owner(server: LocalServer, client: ArinovaClient) -> None:
    opened = client.conversations.open(server.agent.agent_id, "alert")
    client.messages.send(str(opened["id"]), "It burns.")
    [place] = server.conversations
    assert (place.id, place.type) == (opened["id"], "h2a")
    assert place.messages[0].content == "It burns."


@august
def test_no_agent_opens_one_for_another(server: LocalServer, client: ArinovaClient) -> None:
    with pytest.raises(errors.PermissionDeniedError):
        client.conversations.open(server.add_agent("Bob").agent_id, "alert")


@august
def test_the_kinds_of_openings_are_known(server: LocalServer, ask: Ask) -> None:
    path = f"/agents/{server.agent.agent_id}/conversations"
    assert ask("POST", path, {"type": "chat"}).status == 400
    assert server.conversations == []


@march
def test_march_opens_none(server: LocalServer, client: ArinovaClient) -> None:
    with pytest.raises(errors.NotFoundError):
        client.conversations.open(server.agent.agent_id, "alert")
