"""What belongs to a task's message of what it brings along."""

from __future__ import annotations

import pytest

from arinova_agent_sync.earlier_messages import AskedMessage, brings_own_files
from arinova_agent_sync.payload import HistoryMessage

LOOK = "look\n\n[Attachment: a.png](/uploads/a)"


@pytest.mark.parametrize(
    ("said", "before", "kind", "own"),
    [
        ([], None, "h2a", True),
        (["hi", "=Hi", "look"], None, "h2a", True),
        (["hi", "look", "=Hi"], None, "h2a", True),  # it waited, and nothing more was said
        # The files are those of "thanks", or of "and this?".
        (["look", "thanks"], None, "h2a", False),
        (["hi", "look", "thanks", "=Hi", "and this?"], None, "h2a", False),
        (["hi", "thanks", "=Hi"], 0, "h2a", False),  # its own message is not brought along any more
        (["hi", "=Hi", "look", "=Ann"], None, "group", True),
        (["look", "and this?"], None, "group", False),
    ],
)
def test_files_are_its_own_unless_more_was_said_since(
    said: list[str], before: int | None, kind: str, own: bool
) -> None:
    def written(place: int) -> str:
        return f"2026-03-01 10:00:0{place}"

    history = tuple(
        HistoryMessage("agent" if text.startswith("=") else "user", text, written(place))
        for place, text in enumerate(said)
    )
    asked_before = None if before is None else written(before)
    march = AskedMessage("t1", "c1", LOOK, kind, history, None, None, asked_before)
    assert brings_own_files(march, None) is own
    august = AskedMessage("t1", "c1", LOOK, kind, history, None, "m1", asked_before)
    assert brings_own_files(august, None)
