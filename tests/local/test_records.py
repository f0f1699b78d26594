"""The record of what was streamed: the chunk detection of the March 2026 server, against what is known of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arinova_agent_sync.local.records import Streamed


def shown(chunks: list[str]) -> tuple[list[str], str]:
    streamed = Streamed()
    parts = []
    for chunk in chunks:
        part = streamed.new_part(chunk)
        streamed.append(part)
        parts.append(part)
    return parts, streamed.text


@pytest.mark.parametrize(
    ("chunks", "text"),
    [
        (["="] * 10 + ["\nend"], "=\nend"),
        (["1", "10"], "10"),
        (["ha", "ha", "!"], "ha!"),
        (["`", "`", "`py"], "`py"),
        (["#", "# Title"], "# Title"),
        (["no", "no no"], "no no"),
        (["Hel", "lo ", "world"], "Hello world"),
        (["Hel", "Hello ", "Hello world"], "Hello world"),
        (["", "a", ""], "a"),
        ([], ""),
    ],
)
def test_deltas_that_begin_like_the_answer_are_lost(chunks: list[str], text: str) -> None:
    assert shown(chunks)[1] == text


@settings(deadline=None)  # a busy machine is no slow rule
@given(st.lists(st.text(alphabet="ab=", max_size=4)))
def test_the_rule_word_for_word(chunks: list[str]) -> None:
    # A chunk that starts with a non-empty text so far replaces it and its rest is shown; any other is added.
    accumulated, forwarded = "", []
    for chunk in chunks:
        if accumulated and chunk.startswith(accumulated):
            forwarded.append(chunk[len(accumulated) :])
            accumulated = chunk
        else:
            forwarded.append(chunk)
            accumulated += chunk
    assert shown(chunks) == (forwarded, accumulated)


@settings(deadline=None)
@given(st.text(max_size=50), st.lists(st.integers(1, 50)))
def test_an_answer_sent_whole_again_and_again_arrives(answer: str, ends: list[int]) -> None:
    # The other way of streaming, which the detection is there for.
    chunks = [answer[:end] for end in sorted(ends)]
    assert shown(chunks)[1] == (chunks[-1] if chunks else "")
