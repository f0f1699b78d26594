"""What the documents say besides code: the lines of the log, and the options of the command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from arinova_agent_sync.cli.group import group

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "arinova_agent_sync"
TOLD_ELSEWHERE = {"local", "cli", "playground", "testing"}  # by a terminal or a page
METHODS = {"warning", "error", "critical", "last_word"}
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# "arinova-agent run agent.py --standby", and the ENTRYPOINT of a container
COMMAND = re.compile(r'(?:arinova-agent|-m arinova_agent_sync)(?: |", ")(\w+)(.*)')
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


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_have_the_options_that_documents_give_them(path: Path) -> None:
    unknown = []
    for name, rest in COMMAND.findall(path.read_text(encoding="utf-8")):
        command = group.get_command(click.Context(group), name)
        if command is None:
            unknown.append(name)
            continue
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        given = re.findall(r"--[a-z][a-z-]*", rest.partition("`")[0])
        unknown += [f"{name} {option}" for option in given if option not in known]
    assert unknown == []


def test_the_documents_give_commands() -> None:
    found = [name for path in DOCUMENTS for name, _ in COMMAND.findall(path.read_text(encoding="utf-8"))]
    assert {"run", "chat", "doctor", "playground"} <= set(found)
