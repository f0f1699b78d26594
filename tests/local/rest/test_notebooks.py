"""Notebooks over HTTP: who may use them, and their archive."""

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


def test_an_agent_uses_what_it_creates_and_what_it_is_granted(
    server: LocalServer, client: ArinovaClient, client_of: Callable[..., ArinovaClient]
) -> None:
    bob = server.add_agent("Bob")
    own = client.notebooks.create("  Plans ")
    granted = server.owner.create_notebook("Recipes")
    server.owner.create_notebook("Bob's", [bob])
    assert [(book.id, book.name) for book in client.notebooks.list()] == [
        (own.id, "Plans"),
        (granted, "Recipes"),
    ]
    assert client.notebooks.get(granted).name == "Recipes"
    assert [book.name for book in client_of(server, bob).notebooks.list()] == ["Bob's"]


def test_a_notebook_is_renamed(client: ArinovaClient) -> None:
    book = client.notebooks.create("Plans")
    assert client.notebooks.update(book.id, "Dreams").name == "Dreams"
    assert client.notebooks.get(book.id).name == "Dreams"


def test_the_titles_of_a_notebook(client: ArinovaClient) -> None:
    book = client.notebooks.create("Plans")
    notes = [client.notes.create(title, content="...", notebook_id=book.id) for title in ("one", "two")]
    listed = client.notebooks.notes(book.id)
    assert [(note.id, note.title, note.content) for note in listed] == [
        (notes[1].id, "two", None),
        (notes[0].id, "one", None),
    ]
    assert listed[0].extra["isPinned"] is False


def test_a_notebook_without_a_grant_is_closed(server: LocalServer, client: ArinovaClient) -> None:
    book = server.owner.create_notebook("Secrets", ())
    for call in (
        lambda: client.notebooks.get(book),
        lambda: client.notebooks.update(book, "Mine"),
        lambda: client.notebooks.delete(book),
        lambda: client.notebooks.notes(book),
        lambda: client.notes.list(notebook_id=book).page,
        lambda: client.notes.create("mine", notebook_id=book),
    ):
        with pytest.raises(errors.PermissionDeniedError):
            call()
    server.owner.grant_notebook(book)
    assert client.notebooks.get(book).name == "Secrets"
    server.owner.revoke_notebook(book)
    with pytest.raises(errors.PermissionDeniedError):
        client.notebooks.get(book)


def test_what_is_not_there(client: ArinovaClient) -> None:
    with pytest.raises(errors.PermissionDeniedError):
        client.notebooks.get(str(uuid.uuid4()))


def test_ids_and_bodies_that_cannot_be_read_are_refused_in_plain_text(
    ask: Ask, client: ArinovaClient
) -> None:
    for answer, status in (
        (ask("GET", "/notebooks/b1"), 400),
        (ask("POST", "/notebooks", {}), 422),
        (ask("POST", "/notebooks", b'{"name": ', {"Content-Type": "application/json"}), 400),
        (ask("POST", "/notebooks", b'{"name": "x"}'), 415),
    ):
        assert (answer.status, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    blank = ask("POST", "/notebooks", {"name": " "})
    assert (blank.status, blank.json) == (400, {"error": "Name must have 1 to 255 bytes"})
    assert ask("POST", "/notebooks", {"name": "x" * 256}).status == 400
    assert client.notebooks.list() == []


@march
def test_march_deletes_at_once_and_has_no_archive(server: LocalServer, client: ArinovaClient) -> None:
    book = client.notebooks.create("Plans")
    client.notes.create("moves", notebook_id=book.id)
    for call in (client.notebooks.archive, client.notebooks.unarchive):
        with pytest.raises(errors.NotFoundError, match="August 2026"):
            call(book.id)
    assert "archived" not in book.extra
    client.notebooks.delete(book.id)
    assert client.notebooks.list() == []
    assert [note.title for note in server.owner.notes(server.owner.default_notebook)] == ["moves"]


def test_the_default_notebook_stays(server: LocalServer, client: ArinovaClient) -> None:
    default = server.owner.default_notebook
    server.owner.grant_notebook(default)
    with pytest.raises(errors.BadRequestError, match="default notebook"):
        client.notebooks.delete(default)
    [book] = client.notebooks.list()
    assert (book.id, book.extra["isDefault"]) == (default, True)


def test_what_a_notebook_tells(server: LocalServer, ask: Ask, client: ArinovaClient, generation: str) -> None:
    book = ask("POST", "/notebooks", {"name": "Plans"}).json
    client.notes.create("one", notebook_id=book["id"])
    again = ask("GET", f"/notebooks/{book['id']}").json
    keys = {"id", "ownerId", "name", "isDefault", "sortOrder", "noteCount", "createdAt", "updatedAt"}
    assert set(again) == keys | ({"archived"} if generation == "august" else set())
    assert (book["noteCount"], again["noteCount"], again["isDefault"]) == (0, 1, False)


@august
def test_august_deletes_what_is_archived(client: ArinovaClient) -> None:
    book = client.notebooks.create("Plans")
    with pytest.raises(errors.BadRequestError, match="archived"):
        client.notebooks.delete(book.id)
    client.notebooks.archive(book.id)
    assert client.notebooks.get(book.id).extra["archived"] is True
    client.notebooks.unarchive(book.id)
    assert client.notebooks.get(book.id).extra["archived"] is False
    client.notebooks.archive(book.id)
    client.notebooks.delete(book.id)
    assert client.notebooks.list() == []
