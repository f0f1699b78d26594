"""The labels of boards over HTTP."""

from __future__ import annotations

import uuid

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.local import LocalServer

from .conftest import Ask


@pytest.fixture
def board(client: ArinovaClient) -> str:
    return client.boards.create("Work").id


def test_labels_come_and_go(client: ArinovaClient, board: str) -> None:
    plain, red = client.labels.create(board, "plain"), client.labels.create(board, "red", color="#ff0000")
    assert (plain.board_id, plain.name, plain.color) == (board, "plain", "#6366f1")
    assert [(label.id, label.color) for label in client.labels.list(board)] == [
        (plain.id, "#6366f1"),
        (red.id, "#ff0000"),
    ]
    changed = client.labels.update(red.id, name="blue", color="#0000ff")
    assert (changed.id, changed.name, changed.color) == (red.id, "blue", "#0000ff")
    client.labels.delete(plain.id)
    assert client.labels.list(board) == [changed]


def test_names_and_colours_are_any_texts_and_a_change_may_change_nothing(ask: Ask, board: str) -> None:
    made = ask("POST", f"/kanban/boards/{board}/labels", {"name": "", "color": "sea"})
    assert (made.status, made.json["name"], made.json["color"]) == (201, "", "sea")
    same = ask("PATCH", f"/kanban/labels/{made.json['id']}", {})
    assert (same.status, same.json) == (200, made.json)


def test_a_label_hangs_on_cards_of_its_board(client: ArinovaClient, board: str) -> None:
    label = client.labels.create(board, "urgent")
    card = client.cards.create("task", board_id=board)
    client.cards.add_label(card.id, label.id)
    client.cards.add_label(card.id, label.id)
    assert client.cards.get(card.id).labels == (label,)
    foreign = client.labels.create(client.boards.create("Other").id, "foreign")
    with pytest.raises(errors.BadRequestError, match="no such label"):
        client.cards.add_label(card.id, foreign.id)
    client.cards.remove_label(card.id, label.id)
    assert client.cards.get(card.id).labels == ()
    client.cards.add_label(card.id, label.id)
    client.labels.delete(label.id)
    assert client.cards.get(card.id).labels == ()


def test_what_is_wrong(server: LocalServer, client: ArinovaClient, ask: Ask, board: str) -> None:
    card = client.cards.create("task", board_id=board)
    with pytest.raises(errors.BadRequestError, match="no such label"):
        client.cards.add_label(card.id, str(uuid.uuid4()))
    assert ask("POST", f"/kanban/boards/{board}/labels", {}).status == 422
    with pytest.raises(errors.NotFoundError, match="Label not found"):
        client.labels.delete(str(uuid.uuid4()))
    with pytest.raises(errors.PermissionDeniedError):
        client.labels.list(server.owner.create_board("Not granted", agents=()))
