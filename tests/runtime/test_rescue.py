"""Which of a conversation's messages is the one that may have got lost."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from arinova_agent_sync.api.records import Message
from arinova_agent_sync.credentials import Credentials
from arinova_agent_sync.protocol.answer import Answer
from arinova_agent_sync.protocol.pieces import OutgoingMessage, Terminal
from arinova_agent_sync.runtime.rescue import Rescuer
from arinova_agent_sync.runtime.state import State
from arinova_agent_sync.runtime.workers import Workers
from arinova_agent_sync.settings import check

SENT_AT = 1_700_000_000.0


def at(seconds: float, *, zone: str = "Z") -> str:
    """Return a moment relative to the sending, as servers write it."""
    moment = datetime.fromtimestamp(SENT_AT, timezone.utc) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + zone


@pytest.mark.parametrize(
    ("agent_id", "found", "same"),
    [
        (None, {}, True),
        (None, {"content": " a note\n"}, True),
        (None, {"content": "another note"}, False),
        (None, {"role": None}, True),
        (None, {"role": "user"}, False),
        (None, {"sender_agent_id": "other"}, True),  # who we are was never said
        ("me", {"sender_agent_id": "me"}, True),
        ("me", {"sender_agent_id": None}, True),
        ("me", {"sender_agent_id": "other"}, False),
        (None, {"created_at": at(-60)}, True),  # clocks differ
        (None, {"created_at": at(-60.1)}, False),  # said before
        (None, {"created_at": at(-59, zone="")}, True),
        (None, {"created_at": at(3_539, zone="+01:00")}, False),
        (None, {"created_at": at(3_541, zone="+01:00")}, True),
        (None, {"created_at": None}, True),  # a moment that nobody can read is taken for now
        (None, {"created_at": "yesterday"}, True),
    ],
)
def test_a_copy(agent_id: str | None, found: dict[str, object], same: bool) -> None:
    state = State(check({"server_url": "http://localhost:1", "bot_token": "ari_x"}))
    state.agent_id = agent_id
    rescuer = Rescuer(
        state, credentials=Credentials(state.settings), workers=Workers(), undelivered=lambda *_: None
    )
    row = {"id": "m1", "conversation_id": "c", "content": "a note", "role": "agent", "created_at": at(1)}
    message = OutgoingMessage(b"{}", "c", "a note", None, SENT_AT, "key")
    assert time.time() > SENT_AT
    assert rescuer._is_copy(Message(**{**row, **found}), message) is same  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "content", "warns"),
    [
        ("completed", "the answer", False),
        ("completed", " the answer\n", False),
        ("completed", "the ans", True),
        ("completed", "", True),
        ("cancelled", "the ans", False),
    ],
)
def test_another_text_than_the_answer_is_told(
    status: str, content: str, warns: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    state = State(check({"server_url": "http://localhost:1", "bot_token": "ari_x"}))
    given_up: list[object] = []
    rescuer = Rescuer(
        state,
        credentials=Credentials(state.settings),
        workers=Workers(),
        undelivered=lambda frame, certain: given_up.append(frame),
    )
    monkeypatch.setattr(Rescuer, "_message", lambda *_: Message(id="t", status=status, content=content))
    rescuer._rescue(Terminal(Answer("t", "c", 1), b"{}", "the answer ", answers=True))
    assert given_up == []
    assert [record.getMessage() for record in caplog.records] == (
        ["task t: the server has another text than the answer; some got lost with a connection"]
        if warns
        else []
    )
