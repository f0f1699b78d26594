"""Answers as models."""

from __future__ import annotations

import copy
import pickle

import msgspec
import pytest

from arinova_agent_sync.api import records


def test_names_are_snake_case_and_the_rest_is_extra() -> None:
    message = records.parse(
        records.Message,
        {
            "id": "m1",
            "conversationId": "c1",
            "seq": 3,
            "content": "hi",
            "senderAgentName": None,
            "replyTo": {"role": "user", "content": "?", "senderAgentName": None, "new": 1},
            "attachments": [{"id": "a1", "fileSize": 5, "url": "/x", "blurhash": "y"}],
            "linkPreviews": [],
            "metadata": {"a": 1},
        },
    )
    assert (message.conversation_id, message.seq, message.sender_agent_name) == ("c1", 3, None)
    assert message.reply_to is not None
    assert message.reply_to.extra == {"new": 1}
    assert message.attachments[0].file_size == 5
    assert message.attachments[0].extra == {"blurhash": "y"}
    assert message.extra == {"linkPreviews": [], "metadata": {"a": 1}}


def test_an_odd_field_costs_nothing_but_itself() -> None:
    board = records.parse(
        records.Board, {"id": "b", "name": 5, "archived": "yes", "columns": {"id": "x"}, "extra": 1}
    )
    assert (board.name, board.archived, board.columns) == ("", None, None)
    assert board.extra == {"name": 5, "archived": "yes", "columns": {"id": "x"}, "extra": 1}
    odd: dict[str, object] = {
        "seq": "\ud800",
        "senderIsVerified": "\ud800",
        "attachments": [{"id": "\ud800"}, 10**400],
    }
    message = records.parse(records.Message, {"id": "m", **odd})  # type: ignore[dict-item]
    assert (message.seq, message.sender_is_verified, message.attachments) == (None, None, ())
    assert message.extra == odd


@pytest.mark.parametrize("value", [{}, {"id": 5}, {"id": None}, [], "x", None])
def test_what_is_no_note(value: object) -> None:
    with pytest.raises(records.Unfit, match="Note"):
        records.parse(records.Note, value)  # type: ignore[arg-type]


def test_models_are_frozen_and_can_be_copied() -> None:
    note = records.parse(records.Note, {"id": "n", "title": "t", "tags": ["a"], "odd": [1]})
    with pytest.raises(AttributeError):
        note.title = "x"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(note)) == copy.deepcopy(note) == note
    assert repr(note) == "Note(id='n', title='t', tags=('a',), extra={'odd': [1]})"


@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(records).values() if isinstance(kind, type) and issubclass(kind, records.Model)],
)
def test_every_model_can_be_built(kind: type[records.Model]) -> None:
    required = {field.encode_name: "x" for field in msgspec.structs.fields(kind) if field.required}
    assert records.parse(kind, {**required, "unheardOf": 1}).extra == {"unheardOf": 1}
