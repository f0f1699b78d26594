"""Markdown for a terminal: text that grows, and what it looks like."""

from __future__ import annotations

import pytest

from arinova_agent_sync.cli.markdown_text import GrowingMarkdown, Painter
from arinova_agent_sync.cli.terminal import visible


def painted(text: str, label: str = "", width: int = 40) -> str:
    done, live = GrowingMarkdown().feed(text, ended=True)
    assert live == []
    return Painter(width, None).blocks(done, label)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one **two** `three` *four*", "one two three four\n"),
        ("lines\nstay lines", "lines\nstay lines\n"),
        ("a <b>tag</b> and List<int>", "a <b>tag</b> and List<int>\n"),
        ("<div>\nblock\n</div>", "<div>\nblock\n</div>\n"),
        ("see [the page](https://example.com)", "see the page (https://example.com)\n"),
        ("[a]: https://example.com", "[a]: https://example.com\n"),
        ("- a\n- b", " • a\n • b\n"),
        ("```python\nx = 1\n```", " x = 1\n"),
        ("```\nnot closed", " not closed\n"),
        ("[bold]no markup of rich's[/bold]", "[bold]no markup of rich's[/bold]\n"),
        ("", ""),
        ("  \n\n", ""),
    ],
)
def test_what_it_looks_like(text: str, shown: str) -> None:
    assert painted(text) == shown


def test_a_label_stands_in_the_first_line_of_a_paragraph_and_above_anything_else() -> None:
    assert painted("hello there, how are you?", "Iris > ", width=20) == "Iris > hello there,\nhow are you?\n"
    assert painted("- a\n- b", "Iris > ") == "Iris >\n • a\n • b\n"
    assert painted("one\n\ntwo", "Iris > ") == "Iris > one\n\ntwo\n"


@pytest.mark.parametrize(
    "text",
    [
        "# 1\n\ntwo\n\n- 3\n- four\n\n```\nfive\n\nsix\n```\n\n> seven\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nend",
        "title\n===\n\n1. a\n\n   b\n2. c\n\ntext [x][1]\n\n    code\n",
    ],
)
def test_however_it_grows_the_same_is_printed(text: str) -> None:
    for step in (1, 2, 7):
        growing, painter = GrowingMarkdown(), Painter(40, None)
        printed = []
        for end in range(0, len(text), step):
            done, _ = growing.feed(text[:end], ended=False)
            printed.append(painter.blocks(done, ""))
        done, live = growing.feed(text, ended=True)
        printed.append(painter.blocks(done, ""))
        assert live == []
        assert "\n".join(filter(None, printed)) == painted(text)


def test_a_long_block_of_code_is_cut_into_several_and_stays_code() -> None:
    text = "```python\n" + "".join(f"x{number} = *1*\n" for number in range(2_000)) + "```\n\n*end*"
    growing, painter = GrowingMarkdown(), Painter(40, None)
    printed = []
    growing.behind = True
    while growing.behind:
        done, _ = growing.feed(text, ended=True)
        printed.append(painter.blocks(done, ""))
    lines = [line for line in "".join(printed).splitlines() if line]
    assert lines == [*(f" x{number} = *1*" for number in range(2_000)), "end"]
    assert len(printed) > 2


def test_codes_that_a_terminal_would_obey_are_signs() -> None:
    assert visible("a\x1b[2J\x07\x9b5A\x7f\tb\r\nc\rd") == "a␛[2J␇\ufffd5A␡\tb\nc\nd"
