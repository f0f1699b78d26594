"""What the March 2026 server has routes for and no tables."""

from __future__ import annotations

from typing import Any

import pytest

from arinova_agent_sync.local import LocalServer

from .conftest import Ask

march = pytest.mark.parametrize("generation", ["march"])


@march
@pytest.mark.parametrize("path", ["/wiki", "/api/agent/wiki"])
def test_a_wiki_has_no_pages(server: LocalServer, ask: Ask, path: str) -> None:
    place, foreign = server.conversation(), server.conversation(server.add_agent("Bob"))
    for query, status in (
        (f"?conversationId={place.id}", 200),
        (f"?conversationId={foreign.id}", 403),
        ("", 400),
    ):
        assert ask("GET", path + query).status == status
    assert ask("GET", f"{path}?conversationId={place.id}").json == []


@march
@pytest.mark.parametrize("path", ["/wiki", "/api/agent/wiki", "/memories/extract"])
@pytest.mark.parametrize(
    ("body", "status"), [({"title": "t", "content": "c"}, 500), ({}, 500), ([], 422), (b"{", 415)]
)
def test_nothing_is_kept(ask: Ask, path: str, body: Any, status: int) -> None:
    assert ask("POST", path, body).status == status
    assert ask("POST", path, body, {"Authorization": ""}).status == 401


@pytest.mark.parametrize("generation", ["august"])
def test_august_has_none(ask: Ask) -> None:
    assert [ask("POST", path, {}).status for path in ("/wiki", "/api/agent/wiki", "/memories/extract")] == [
        404,
        404,
        405,
    ]
