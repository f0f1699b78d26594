"""Lists that come in pages."""

from __future__ import annotations

from typing import Any

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient

from .fake_server import Answer, Asked, FakeServer


def messages(*ids: int) -> list[dict[str, Any]]:
    return [{"id": f"m{number}", "content": str(number)} for number in ids]


def history_of(count: int) -> Any:
    """Answer like the server: ascending pages of two, cursors are ids, next_cursor only with ``before``."""

    def script(asked: Asked) -> Answer:
        everything = list(range(count))
        query = asked.query
        if "after" in query:
            rest = [number for number in everything if number > int(query["after"][1:])]
            return Answer(json={"messages": messages(*rest[:2]), "hasMore": len(rest) > 2})
        if "before" in query:
            everything = [number for number in everything if number < int(query["before"][1:])]
        page = everything[-2:]
        body: dict[str, Any] = {"messages": messages(*page), "hasMore": len(everything) > 2}
        if "before" in query and page:
            body["nextCursor"] = f"m{page[0]}"
        return Answer(json=body)

    return script


def test_history_runs_from_the_newest_to_the_oldest(server: FakeServer, client: ArinovaClient) -> None:
    server.script = history_of(5)
    pages = client.messages.history("c1")
    assert server.requests == []
    assert [message.id for message in pages] == ["m4", "m3", "m2", "m1", "m0"]
    assert [asked.query for asked in server.requests] == [{}, {"before": "m3"}, {"before": "m1"}]
    assert [message.id for message in pages] == ["m4", "m3", "m2", "m1", "m0"]


def test_history_after_a_message_runs_forwards(server: FakeServer, client: ArinovaClient) -> None:
    server.script = history_of(6)
    found = client.messages.history("c1", after="m0", limit=2)
    assert [message.id for message in found] == ["m1", "m2", "m3", "m4", "m5"]
    assert [asked.query for asked in server.requests] == [
        {"after": "m0", "limit": "2"},
        {"after": "m2", "limit": "2"},
        {"after": "m4", "limit": "2"},
    ]


def test_one_page(server: FakeServer, client: ArinovaClient) -> None:
    server.script = history_of(5)
    pages = client.messages.history("c1")
    assert [message.id for message in pages.page.items] == ["m3", "m4"]
    assert pages.page.has_more is True
    assert len(server.requests) == 1
    assert len(list(pages)) == 5
    assert len(server.requests) == 3


def test_items_are_fetched_as_they_are_needed(server: FakeServer, client: ArinovaClient) -> None:
    server.script = history_of(1_000)
    walk = iter(client.messages.history("c1"))
    for _ in range(4):
        next(walk)
    assert len(server.requests) == 2


def test_a_server_that_forgets_the_cursor_ends_the_walk(server: FakeServer, client: ArinovaClient) -> None:
    """The March 2026 server answers an unknown cursor with the newest page."""
    server.script = lambda _: Answer(json={"messages": messages(1, 2), "hasMore": True, "nextCursor": "gone"})
    assert [message.id for message in client.messages.history("c1")] == ["m2", "m1"]
    assert len(server.requests) == 2


def test_offsets(server: FakeServer, client: ArinovaClient) -> None:
    def script(asked: Asked) -> Answer:
        offset = int(asked.query.get("offset", 0))
        return Answer(json=[{"id": f"c{number}"} for number in range(offset, min(offset + 2, 5))])

    server.script = script
    assert [found.id for found in client.cards.list(search="x")] == ["c0", "c1", "c2", "c3", "c4"]
    assert [asked.query for asked in server.requests] == [
        {"search": "x"},
        *({"search": "x", "offset": offset} for offset in ("2", "4", "5")),
    ]
    server.requests.clear()
    assert [found.id for found in client.cards.list(offset=3, limit=2)] == ["c3", "c4"]
    assert [asked.query["offset"] for asked in server.requests] == ["3", "5"]


class TestConversations:
    """The March 2026 server knows limits up to 200 and no offset; later ones know both."""

    @pytest.fixture
    def there(self, server: FakeServer) -> dict[str, int]:
        """How many conversations there are, the most of a page, and whether offsets count."""
        there = {"count": 60, "most": 200, "offsets": 0}

        def script(asked: Asked) -> Answer:
            limit = min(int(asked.query.get("limit", 50)), there["most"])
            offset = int(asked.query.get("offset", 0)) if there["offsets"] else 0
            ids = range(offset, min(offset + limit, there["count"]))
            return Answer(json=[{"id": f"c{number}"} for number in ids])

        server.script = script
        return there

    @pytest.mark.parametrize(
        ("count", "most", "offsets", "limit", "found"),
        [
            (0, 200, 0, None, 0),
            (1, 200, 0, None, 1),
            (60, 200, 0, None, 60),
            (60, 200, 0, 7, 60),
            (230, 200, 0, None, 200),
            (230, 200, 1, None, 230),
            (230, 100, 1, None, 230),
            (230, 100, 1, 3, 230),
        ],
    )
    def test_all_are_listed(
        self,
        client: ArinovaClient,
        there: dict[str, int],
        count: int,
        most: int,
        offsets: int,
        limit: int | None,
        found: int,
    ) -> None:
        there.update(count=count, most=most, offsets=offsets)
        listed = client.conversations.list(limit=limit)
        assert [each.id for each in listed] == [f"c{number}" for number in range(found)]
        assert sum(1 for _ in listed.pages()) < 12  # and comes to an end

    def test_an_offset_is_told_from_one_that_is_ignored(
        self, client: ArinovaClient, there: dict[str, int]
    ) -> None:
        with pytest.raises(ValueError, match="no offset"):
            client.conversations.list(offset=5).page  # noqa: B018 - it asks
        there["offsets"] = 1
        assert [each.id for each in client.conversations.list(offset=57)] == ["c57", "c58", "c59"]
        assert list(client.conversations.list(offset=70)) == []
        there.update(count=0, offsets=0)
        assert list(client.conversations.list(offset=5)) == []

    def test_a_server_that_says_where_the_end_is_is_believed(
        self, server: FakeServer, client: ArinovaClient
    ) -> None:
        server.script = lambda _: Answer(json={"conversations": [{"id": "c1"}], "hasMore": False})
        assert [each.id for each in client.conversations.list()] == ["c1"]
        assert len(server.requests) == 1


def test_a_server_without_pages_is_not_asked_for_ever(server: FakeServer, client: ArinovaClient) -> None:
    server.script = lambda _: Answer(json=[{"id": "b1"}, {"id": "b2"}, {"id": "b3"}])
    assert [board.id for board in client.boards.list()] == ["b1", "b2", "b3"]
    assert len(server.requests) == 2
    server.requests.clear()
    assert [board.id for board in client.boards.list(limit=2)] == ["b1", "b2", "b3"]
    assert len(server.requests) == 1


@pytest.mark.parametrize("told", [{"hasMore": False}, {"total": 2}])
def test_a_server_that_says_where_the_end_is(
    server: FakeServer, client: ArinovaClient, told: dict[str, Any]
) -> None:
    server.script = lambda _: Answer(json={"memories": [{"id": "1"}, {"id": "2"}], **told})
    assert len(list(client.memories.list("a1"))) == 2
    assert len(server.requests) == 1


def test_page_numbers(server: FakeServer, client: ArinovaClient) -> None:
    def script(asked: Asked) -> Answer:
        page = int(asked.query.get("page", 1))
        cards = [{"id": f"k{number}"} for number in range((page - 1) * 2, min(page * 2, 5))]
        return Answer(json={"cards": cards, "total": 5, "page": page, "limit": 2})

    server.script = script
    found = client.cards.archived("b1")
    assert [card.id for card in found] == ["k0", "k1", "k2", "k3", "k4"]
    assert [asked.query for asked in server.requests] == [{}, {"page": "2"}, {"page": "3"}]
    assert found.page.total == 5


def test_notes_follow_cursors(server: FakeServer, client: ArinovaClient) -> None:
    def script(asked: Asked) -> Answer:
        if "before" in asked.query:
            return Answer(json={"notes": [{"id": "n3"}], "hasMore": False})
        return Answer(json={"notes": [{"id": "n1"}, {"id": "n2"}], "hasMore": True})

    server.script = script
    found = client.notes.list(notebook_id="b", tags=["x", "y"], archived=True, limit=2, offset=1, search="s")
    assert [note.id for note in found] == ["n1", "n2", "n3"]
    first = {"notebookId": "b", "tags": "x,y", "archived": "true", "limit": "2", "search": "s"}
    assert [asked.query for asked in server.requests] == [{**first, "offset": "1"}, {**first, "before": "n2"}]


def test_pending_actions_follow_cursors(server: FakeServer, client: ArinovaClient) -> None:
    server.play(
        Answer(json={"pending": [{"id": "p1"}], "nextCursor": "c2"}), Answer(json={"pending": [{"id": "p2"}]})
    )
    assert [call["id"] for call in client.actions.pending(since="2026-08-01")] == ["p1", "p2"]
    assert server.requests[1].query == {"since": "2026-08-01", "cursor": "c2"}


def test_an_unexpected_list_is_an_error(server: FakeServer, client: ArinovaClient) -> None:
    for odd in (
        {"messages": "x"},
        [1],
        {"messages": [5]},
        {"messages": [{"content": "no id"}]},
        "text",
        None,
    ):
        server.script = lambda _, odd=odd: Answer(json=odd) if odd is not None else Answer()  # type: ignore[misc]
        with pytest.raises(errors.ApiError, match="returned an unexpected answer") as caught:
            list(client.messages.history("c1"))
        assert caught.value.status == 200
        assert caught.value.body == odd


def test_wrong_arguments_raise_at_the_call(server: FakeServer, client: ArinovaClient) -> None:
    with pytest.raises(ValueError, match="before or after"):
        client.messages.history("c1", before="a", after="b")
    with pytest.raises(ValueError, match="limit"):
        client.messages.history("c1", limit=0)
    with pytest.raises(TypeError, match="tags must be a list"):
        client.notes.list(tags="meeting")
    with pytest.raises(ValueError, match="conversation_id"):
        client.messages.history(" ")
    assert server.requests == []
