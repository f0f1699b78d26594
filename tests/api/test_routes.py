"""Paths, queries and headers."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arinova_agent_sync.api import routes

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text.strip() != "")


@settings(max_examples=60, deadline=None)
@given(words.filter(lambda text: text not in (".", "..")))
def test_a_part_stays_one_part(text: str) -> None:
    part = routes.segment("note_id", text)
    assert unquote(part, errors="strict") == text
    assert part.isascii()
    assert not set(part) & set("/.?#\\% ".replace("%", "")) and part.count("%") * 3 <= len(part)


@pytest.mark.parametrize("wrong", ["", " ", ".", ".."])
def test_parts_that_lead_elsewhere_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="note_id"):
        routes.route("/notes/{note_id}", note_id=wrong)


def test_a_part_must_be_text() -> None:
    with pytest.raises(TypeError, match="note_id must be a str, not int"):
        routes.route("/notes/{note_id}", note_id=5)
    with pytest.raises(ValueError):
        routes.route("/notes/{note_id}", note_id="\ud83d")


def test_dots_and_slashes_are_encoded() -> None:
    assert routes.route("/notes/{note_id}", note_id="a/../b.c") == "/api/v1/notes/a%2F%2E%2E%2Fb%2Ec"


@pytest.mark.parametrize(
    ("path", "whole"),
    [
        ("/notes", "/api/v1/notes"),
        ("/api/agents/x/profile", "/api/agents/x/profile"),
        ("/a b/ü", "/api/v1/a%20b/%C3%BC"),
        ("/a%2Fb", "/api/v1/a%2Fb"),
    ],
)
def test_any_path(path: str, whole: str) -> None:
    assert routes.any_path(path) == whole


@pytest.mark.parametrize(
    "path",
    [
        "",
        "notes",
        "//host/x",
        "/a/../b",
        "/a/./b",
        "/%2e%2e/x",
        "/a?x=1",
        "/a#b",
        "/a\\b",
        "/a%",
        "/a%2",
        "/",
        "/a/",
        "/a//b",
        "/notes/%20/x",
        "https://x/y",
    ],
)
def test_any_path_refuses(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        routes.any_path(path)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(words, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_a_query_survives(params: dict[str, str]) -> None:
    params = {name: value for name, value in params.items() if "\0" not in name}
    query = routes.query(params)
    assert dict(parse_qsl(query[1:], keep_blank_values=True, strict_parsing=bool(params))) == params


def test_a_query_of_other_values() -> None:
    assert routes.query({"a": True, "b": False, "c": None, "d": 3, "e": 1.5, "f": ["x", "y"]}) == (
        "?a=true&b=false&d=3&e=1.5&f=x&f=y"
    )
    assert routes.query({"a": None}) == routes.query(None) == ""
    for wrong in (b"x", {"y": 1}, object()):
        with pytest.raises(TypeError):
            routes.query({"a": wrong})  # type: ignore[dict-item]
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="the parameter a must be a finite number"):
            routes.query({"a": number})


def test_methods() -> None:
    assert routes.method_name("patch") == "PATCH"
    for wrong in ("", "GET /", "G\r\nT", "CONNECT"):
        with pytest.raises(ValueError):
            routes.method_name(wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "x"),
        ("host", "x"),
        ("Content-Length", "1"),
        ("X-A", "a\r\nb: c"),
        ("X A", "b"),
        ("X-A", ""),
    ],
)
def test_headers_that_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError):
        routes.header_fields({name: value})
