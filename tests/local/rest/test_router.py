"""Which route answers."""

from __future__ import annotations

import pytest

from arinova_agent_sync.local.rest.exchange import Answer
from arinova_agent_sync.local.rest.router import Router, Routes

routes = Routes()
old = Routes("/api/agent", "/api/v1/old")


def handler(name: str):
    def handle(desk: object, request: object) -> Answer:
        return Answer(body=name.encode())

    return handle


for line in ("GET /notes", "POST /notes", "GET /notes/{id}", "GET /notes/{id}/cards", "GET /notes/search"):
    routes(line)(handler(line))
routes("GET /{what}/{id}/thread")(handler("thread"))
routes("GET /notes/new", august=True)(handler("august"))
old("GET /notes")(handler("old"))


def found(method: str, path: str, august: bool = False) -> tuple[str | None, list[str], list[str]]:
    router = Router(august)
    for each in (routes, old):
        each.enter(router)
    route, parts, methods = router.find(method, path.encode())
    name = route.handler(None, None).body.decode() if route else None  # type: ignore[arg-type, union-attr]
    return name, list(parts), list(methods)


@pytest.mark.parametrize(
    ("method", "path", "name", "parts"),
    [
        ("GET", "/notes", "GET /notes", []),
        ("HEAD", "/notes", "GET /notes", []),
        ("POST", "/notes", "POST /notes", []),
        ("GET", "/notes/n1", "GET /notes/{id}", ["n1"]),
        ("GET", "/notes/a%2Fb%20c", "GET /notes/{id}", ["a/b c"]),
        ("GET", "/notes/n1/cards", "GET /notes/{id}/cards", ["n1"]),
        ("GET", "/notes/search", "GET /notes/search", []),
        # What is named more exactly leads nowhere, so the braces get it.
        ("GET", "/notes/search/thread", "thread", ["notes", "search"]),
        ("GET", "/boards/b1/thread", "thread", ["boards", "b1"]),
    ],
)
def test_a_route_is_found(method: str, path: str, name: str, parts: list[str]) -> None:
    assert found(method, f"/api/v1{path}") == (name, parts, [])


@pytest.mark.parametrize(
    "path",
    ["/", "", "/api/v1", "/api/v1/notes/", "/api/v1/notes//cards", "/api/v1/boards", "/api/v1/notes/a/b"],
)
def test_there_is_none(path: str) -> None:
    assert found("GET", path) == (None, [], [])


def test_a_wrong_method_is_told_the_right_ones() -> None:
    assert found("DELETE", "/api/v1/notes") == (None, [], ["GET", "POST"])


def test_only_august_has_its_routes() -> None:
    assert found("GET", "/api/v1/notes/new")[0] == "GET /notes/{id}"
    assert found("GET", "/api/v1/notes/new", august=True)[0] == "august"


def test_a_file_may_have_several_prefixes() -> None:
    assert found("GET", "/api/agent/notes")[0] == found("GET", "/api/v1/old/notes")[0] == "old"
