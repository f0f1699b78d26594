"""What the prompt of a chat completes."""

from __future__ import annotations

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from arinova_agent_sync.cli.screen import Words

WORDS = Words(lambda: [("shout", "Say it loudly"), ("Show", ""), ("cancel", "")], lambda: ["Iris", "Otto"])


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("", []),
        ("hello", []),
        ("/", ["/shout ", "/Show ", "/cancel "]),
        ("/SH", ["/shout ", "/Show "]),
        ("/shout", []),
        ("/shout h", []),
        ("say /sh", []),
        ("@", ["@Iris ", "@Otto "]),
        ("ask @o", ["ask @Otto "]),
        ("me@iris", []),
        ("/shout @i", ["/shout @Iris "]),
    ],
)
def test_commands_and_mentions(typed: str, completed: list[str]) -> None:
    found = WORDS.get_completions(Document(typed), CompleteEvent(text_inserted=True))
    assert [typed[: len(typed) + each.start_position] + each.text for each in found] == completed
