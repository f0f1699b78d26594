"""docs/errors.md has every line that the log of an agent can tell above INFO."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "arinova_agent_sync"
TOLD_ELSEWHERE = {"local", "cli", "playground", "testing"}  # by a terminal or a page
METHODS = {"warning", "error", "critical", "last_word"}
ENOUGH = 10  # characters that tell one line from another


def lines() -> Iterator[str]:
    """Yield the constant text of each call of the logger."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] in TOLD_ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="logger"), attr=method),
                    args=[ast.Constant(value=str(text)), *_],
                ) if method in METHODS:
                    yield text


def test_every_line_of_the_log_stands_among_the_errors() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    quoted = [longest(span.split("...")) for span in re.findall(r"`([^`\n]+)`", page)]
    known = {text: longest(re.split(r"%[-.0-9]*[srdf]", text)) for text in lines()}
    assert len(known) > 40
    # The page quotes a part of the line, or holds the line's longest part. "%s" alone is the text of an error.
    untold = [
        text
        for text, words in known.items()
        if words and words not in page and not any(len(each) >= ENOUGH and each in text for each in quoted)
    ]
    assert untold == []


def longest(parts: list[str]) -> str:
    return max(parts, key=len).strip(" :;,")
