"""Whatever is asked of whichever route, the answer is one that the real server could give, and never a failure."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import BaseRoute, Mount, Route

from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.local import Generation, LocalServer
from arinova_agent_sync.local.rest.app import routes_of
from arinova_agent_sync.local.rest.endpoint import Endpoint

EXPECTED = {200, 201, 204, 400, 401, 403, 404, 405, 409, 413, 415, 422}

NAMES = (
    "name", "title", "content", "tags", "notebookId", "columns", "columnIds", "sortOrder", "wipLimit", "columnType",
    "autoArchiveDays", "color", "description", "priority", "columnName", "columnId", "boardId", "moves", "cardId",
    "toColumnId", "commitHash", "message", "url", "noteId", "labelId", "agent_id", "agentId", "category", "tier",
    "summary", "detail", "pattern_key", "maxMemories", "conversationId", "replyTo", "helpful", "type", "id",
    "action", "arguments", "fileName", "maxTokens", "messageId",
)  # fmt: skip
PARAMETERS = (
    "limit", "offset", "page", "before", "after", "around", "q", "query", "search", "tags", "archived",
    "notebookId", "includeArchived", "conversationId", "type", "agent_id", "category", "tier", "exclude_system",
    "entity_types", "date_from", "date_to", "author_id", "file_type", "has_attachment", "sort", "source_type",
    "since", "cursor",
)  # fmt: skip


def flat(routes: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the method and path of every route."""
    each: BaseRoute
    for each in routes:
        if isinstance(each, Mount):
            yield from flat(each.routes, prefix + each.path)
        elif isinstance(each, Route):
            assert isinstance(each.endpoint, Endpoint)
            yield from ((method, prefix + each.path) for method in each.endpoint.handlers if method != "HEAD")


def fill(server: LocalServer) -> list[str]:
    """Make one thing of each kind, and return their ids."""
    server.on_action("echo", lambda call: dict(call.arguments))
    place, book = server.conversation(), server.owner.create_notebook("Plans")
    with ArinovaClient(server_url=server.url, bot_token=server.bot_token) as client:
        note, board = client.notes.create("one", notebook_id=book), client.boards.create("Work")
        card = client.cards.create("task", board_id=board.id)
        memory = client.memories.remember(server.agent.agent_id, "error", "x", pattern_key="k")
        client.files.upload(place.id, b"x", file_name="x.txt")
        return [
            place.id,
            client.messages.send(place.id, "hi").message_id or "",
            book,
            note.id,
            board.id,
            *(column.id for column in client.columns.list(board.id)),
            card.id,
            client.labels.create(board.id, "red").id,
            str(memory["id"]),
            server.owner.files()[0].id,
            server.agent.agent_id,
        ]


texts = st.text(max_size=8) | st.sampled_from(
    [
        "",
        " ",
        "Done",
        "Backlog",
        "hot",
        "error",
        "k",
        "true",
        "0",
        "-1",
        "9" * 18,
        "9" * 40,
        "x" * 300,
        "[[one]]",
        "echo",
    ]
)
numbers = st.integers() | st.sampled_from([0, -1, 1, 2**31, 2**63, 2**64, -(2**31) - 1])


def values(ids: list[str]) -> st.SearchStrategy[Any]:
    simple = st.none() | st.booleans() | numbers | st.floats() | texts | st.sampled_from(ids)
    things = st.dictionaries(st.sampled_from(NAMES), simple, max_size=4)
    return simple | st.lists(simple | things, max_size=3) | things


def bodies(ids: list[str]) -> st.SearchStrategy[bytes]:
    objects = st.dictionaries(st.sampled_from(NAMES), values(ids), max_size=6)
    whole = st.fixed_dictionaries(
        dict.fromkeys(
            ("title", "name", "content", "summary", "commitHash", "id", "action", "fileName"), texts
        )
        | {
            name: st.sampled_from(ids)
            for name in ("notebookId", "conversationId", "noteId", "labelId", "agent_id")
        }
        | {"category": st.sampled_from(["error", "?"]), "helpful": st.booleans()},
        optional={
            "arguments": objects,
            "columns": st.lists(objects, max_size=2),
            "tags": st.lists(texts, max_size=2),
        },
    )
    form = st.binary(max_size=30).map(
        lambda data: (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + data + b"\r\n--b--"
        )
    )
    return (
        (objects | whole | values(ids)).map(lambda value: json.dumps(value).encode())
        | st.binary(max_size=40)
        | form
    )


@pytest.mark.slow
@pytest.mark.parametrize("generation", ["march", "august"])
def test_every_route_answers_everything(generation: Generation) -> None:
    asked: set[tuple[str, str]] = set()
    with LocalServer(generation=generation, duplicate_window=0) as server:
        ids = fill(server)
        routes = sorted(set(flat(routes_of(generation == "august"))))
        parts = st.sampled_from(ids) | st.uuids().map(str) | texts.map(quoted)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)

        @settings(max_examples=3, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.data())
        def ask_each(data: st.DataObject) -> None:
            for method, pattern in routes:
                path = "/".join(
                    data.draw(parts) if part.startswith("{") else part for part in pattern.split("/")
                )
                query = data.draw(
                    st.dictionaries(st.sampled_from(PARAMETERS), texts | st.sampled_from(ids), max_size=4)
                )
                body = data.draw(bodies(ids)) if method != "GET" else None
                kind = data.draw(
                    st.sampled_from(["application/json"] * 6 + ["multipart/form-data; boundary=b", ""])
                )
                query_string = "&".join(f"{name}={quoted(value)}" for name, value in query.items())
                headers = {"Authorization": f"Bearer {server.bot_token}", "Content-Type": kind}
                connection.request(method, f"{path}?{query_string}", body, headers)
                response = connection.getresponse()
                told = response.read()
                asked.add((method, pattern))
                assert fits(response.status, pattern, generation, told), (
                    response.status,
                    told,
                    method,
                    path,
                    body,
                )

        try:
            ask_each()
        finally:
            connection.close()
    assert asked == set(routes)


def quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))


def fits(status: int, pattern: str, generation: Generation, told: bytes) -> bool:
    if pattern.endswith("/capsules"):
        return status in (400, 503)  # there is no model that could search
    if generation == "march" and status == 500:
        # What March's database alone notices: ids and texts that it cannot take, a column's name that is there,
        # queries that do not fit its tables.
        failing = ("/messages/send", "/columns", "/wiki", "/memories/extract")
        return any(part in pattern for part in failing) and b"Database error" in told
    return status in EXPECTED


@pytest.mark.parametrize("generation", ["march", "august"])
def test_nobody_is_answered_anything_without_a_token(generation: Generation) -> None:
    with LocalServer(generation=generation) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        try:
            for method, pattern in flat(routes_of(generation == "august")):
                if pattern.startswith("/uploads/"):
                    continue
                path = "/".join(
                    str(uuid.uuid4()) if part.startswith("{") else part for part in pattern.split("/")
                )
                connection.request(method, path, None if method == "GET" else b"{}")
                response = connection.getresponse()
                assert (response.status, response.read()) == (401, b'{"error":"Unauthorized"}')
        finally:
            connection.close()
