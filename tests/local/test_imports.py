"""The embedded server's files form no circle, and know of the package only what is below them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from arinova_agent_sync import local

ROOT = "arinova_agent_sync"
HOME = f"{ROOT}.local"
BELOW = {f"{ROOT}.protocol", f"{ROOT}.settings", f"{ROOT}.errors"}


def modules() -> dict[str, Path]:
    found = {}
    for path in Path(local.__path__[0]).rglob("*.py"):
        parts = path.relative_to(Path(local.__path__[0])).with_suffix("").parts
        found[".".join([HOME, *(part for part in parts if part != "__init__")])] = path
    return found


def imported(name: str, path: Path) -> Iterator[str]:
    """Name what a module imports of this package, also under TYPE_CHECKING."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            module = ".".join([*base, *filter(None, [node.module])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def test_there_is_no_circle() -> None:
    known = modules()
    graph = {name: (set(imported(name, path)) & known.keys()) - {name} for name, path in known.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(known) > 20


def test_nothing_above_is_imported() -> None:
    strangers = {
        (name, other)
        for name, path in modules().items()
        for other in imported(name, path)
        if other != ROOT and not other.startswith(HOME)
        if not any(other == below or other.startswith(f"{below}.") for below in BELOW)
    }
    assert not strangers
