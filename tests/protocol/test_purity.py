"""The protocol package takes values and returns values: no thread, no socket, no clock, no logging."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from arinova_agent_sync import protocol

ROOT = "arinova_agent_sync"
FORBIDDEN = {
    "asyncio",
    "concurrent",
    "logging",
    "multiprocessing",
    "os",
    "queue",
    "random",
    "secrets",
    "select",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "urllib3",
    "websocket",
}
NEIGHBOURS = {f"{ROOT}.protocol", f"{ROOT}.settings", f"{ROOT}.errors"}  # what of the package may be imported

MODULES = sorted(Path(protocol.__path__[0]).rglob("*.py"))


def imported(source: str) -> Iterator[str]:
    """Name every module that a module of the protocol package imports, at its top or deeper."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
        elif isinstance(node, ast.ImportFrom):
            package = [ROOT, "protocol"][: 3 - node.level]
            if node.module:
                yield ".".join([*package, node.module])
            else:
                yield from (".".join([*package, alias.name]) for alias in node.names)


def wrong(source: str) -> list[str]:
    """Name the imports that have no place in the protocol package."""
    return [
        name
        for name in imported(source)
        if name.split(".")[0] in FORBIDDEN
        or (name.split(".")[0] == ROOT and ".".join(name.split(".")[:2]) not in NEIGHBOURS)
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_nothing_but_values(path: Path) -> None:
    assert wrong(path.read_text()) == []


def test_all_modules_are_walked() -> None:
    names = {path.stem for path in MODULES}
    assert {
        "answer",
        "reconnect",
        "frames",
        "json_values",
        "websocket_mask",
        "outbox",
        "scheduler",
        "session",
        "websocket_frames",
    } <= names


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time", ["time"]),
        ("from os import path", ["os"]),
        ("import json, socket", ["socket"]),
        ("def late():\n    import asyncio.events", ["asyncio.events"]),
        ("from ..runtime.state import State", [f"{ROOT}.runtime.state"]),
        ("from .. import runtime", [f"{ROOT}.runtime"]),
        ("from arinova_agent_sync.agent import ArinovaAgent", [f"{ROOT}.agent"]),
        ("from . import frames\nfrom .answer import Answer\nfrom ..settings import Skill\nimport math", []),
    ],
)
def test_the_walk_sees_every_form(source: str, found: list[str]) -> None:
    assert wrong(source) == found
