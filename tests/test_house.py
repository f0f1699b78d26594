"""How the package is built: imports point one way, one name means one thing, and no file is long."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import arinova_agent_sync

PACKAGE = "arinova_agent_sync"
HOME = Path(arinova_agent_sync.__path__[0])
MIRROR = (
    "local"  # its files and classes have the names of the resources that they serve, as those of the client
)
LINES = 400

FLOOR = {"_typing", "_version", "argument_checks", "errors", "settings"}  # every room stands on it
TOOLS = {"cli", "local", "playground", "pytest_plugin", "testing", "_internals"}
ONLY = {  # all that a room may import of this package, beside itself
    "protocol": FLOOR,
    "net": FLOOR | {"log"},
    "local": FLOOR | {"protocol", "extras"},
}
NEVER = {  # what a room does not import; its types are no business of the rule, a circle they close is
    "runtime": {"api", "agent", *TOOLS},
    "executors": {"cli", "local", "playground", "pytest_plugin", "testing"},
    "api": {"runtime", "agent", "task", "handlers", *TOOLS},
    **dict.fromkeys(("agent", "task", "handlers", "credentials", "settings", "errors"), TOOLS),
}
IMPURE = {  # in protocol: threads, sockets, clocks, chance, logging, the environment
    *(
        "_thread",
        "asyncio",
        "concurrent",
        "contextvars",
        "multiprocessing",
        "queue",
        "subprocess",
        "threading",
    ),
    *("select", "selectors", "signal", "socket", "ssl", "urllib", "urllib3", "websocket"),
    *("datetime", "time", "random", "secrets", "uuid", "logging", "os", "pathlib", "platform"),
}


@dataclass(frozen=True)
class Import:
    """One module that another one imports, wherever in it.

    Attributes:
        name: absolute, with what is imported of it behind, as in "a.b.Class".
        for_types: whether it stands under TYPE_CHECKING.
    """

    name: str
    for_types: bool = False

    @property
    def room(self) -> str:
        """The file or folder at the top of the package, empty for what is another's."""
        parts = self.name.split(".")
        return parts[1] if parts[0] == PACKAGE and len(parts) > 1 else ""


def modules() -> dict[str, Path]:
    """Return every module of the package by name; a package goes by the name of its folder."""
    found = {}
    for path in HOME.rglob("*.py"):
        parts = (PACKAGE, *path.relative_to(HOME).with_suffix("").parts)
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports(source: str, package: str) -> set[Import]:
    """Return what a module imports.

    Args:
        source: the module's.
        package: where its relative imports start.
    """
    tree = ast.parse(source)
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    return {Import(name, node in for_types) for node in ast.walk(tree) for name in named(node, package)}


def named(node: ast.AST, package: str) -> Iterator[str]:
    """Return the absolute names that one statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parts = package.split(".")
        start = parts[: len(parts) - node.level + 1] if node.level else []
        module = ".".join([*start, *filter(None, [node.module])])
        yield from (f"{module}.{alias.name}" for alias in node.names)


def package_of(name: str, path: Path) -> str:
    return name if path.name == "__init__.py" else name.rpartition(".")[0]


MODULES = modules()
IMPORTS = {name: imports(path.read_text(), package_of(name, path)) for name, path in MODULES.items()}


def graph(found: dict[str, set[Import]]) -> dict[str, set[str]]:
    """Return which of some modules imports which other ones of them."""

    def module_of(name: str) -> str:
        while name and name not in found:
            name = name.rpartition(".")[0]
        return name

    return {
        name: {module_of(each.name) for each in all_of_it} - {name, ""} for name, all_of_it in found.items()
    }


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Return one circle, each of whose modules is imported by the next; an empty list if there is none."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def misplaced(name: str, found: Iterable[Import]) -> list[str]:
    """Return what of a module's imports has no place in its room."""
    room = name.split(".")[1] if "." in name else ""
    strange = []
    for each in found:
        inside = each.room not in ("", room)
        if (
            (room in ONLY and inside and each.room not in ONLY[room])
            or (each.room in NEVER.get(room, ()) and not each.for_types)
            or (room == "protocol" and each.name.split(".")[0] in IMPURE)
        ):
            strange.append(each.name)
    return sorted(strange)


def test_the_whole_package_is_walked() -> None:
    rooms = {name.split(".")[1] for name in MODULES if "." in name}
    assert ONLY.keys() | NEVER.keys() | {"cli", "playground", "testing"} <= rooms
    assert f"{PACKAGE}.local.rest.store" in MODULES


def test_imports_form_no_circle() -> None:
    assert circle(graph(IMPORTS)) == []


@pytest.mark.parametrize("name", MODULES)
def test_imports_stay_in_their_rooms(name: str) -> None:
    assert misplaced(name, IMPORTS[name]) == []


def test_runtime_knows_of_executors_their_protocol_alone() -> None:
    known = {
        each.name
        for name, found in IMPORTS.items()
        if name.startswith(f"{PACKAGE}.runtime")
        for each in found
        if each.room == "executors"
    }
    assert {".".join(name.split(".")[:3]) for name in known} == {f"{PACKAGE}.executors.protocol"}


def test_one_name_is_one_file() -> None:
    places = defaultdict(list)
    for name, path in MODULES.items():
        if path.stem not in ("__init__", "__main__") and not name.startswith(f"{PACKAGE}.{MIRROR}."):
            places[path.stem].append(name)
    assert {stem: names for stem, names in places.items() if len(names) > 1} == {}


def test_one_name_is_one_class() -> None:
    places = defaultdict(set)
    for name, path in MODULES.items():
        if not name.startswith(f"{PACKAGE}.{MIRROR}"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    places[node.name].add(name)
    assert {each: names for each, names in places.items() if len(names) > 1} == {}


def test_no_file_is_long() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > LINES} == {}


def test_no_method_is_replaced_from_outside() -> None:
    # A type checker sees it, so whoever does it has to silence one.
    assert [name for name, path in MODULES.items() if "[method-assign" in path.read_text()] == []


class TestTheWalk:
    @pytest.mark.parametrize(
        ("source", "found"),
        [
            ("import time", {"time"}),
            ("import json, os.path", {"json", "os.path"}),
            ("from os import path, sep", {"os.path", "os.sep"}),
            ("from . import frames", {f"{PACKAGE}.protocol.frames"}),
            ("from .. import task", {f"{PACKAGE}.task"}),
            ("from ..task import Task", {f"{PACKAGE}.task.Task"}),
            ("def late():\n    import asyncio.events", {"asyncio.events"}),
            ("class A:\n    try:\n        import ssl\n    except OSError: ...", {"ssl"}),
        ],
    )
    def test_it_sees_every_form(self, source: str, found: set[str]) -> None:
        assert imports(source, f"{PACKAGE}.protocol") == {Import(name) for name in found}

    @pytest.mark.parametrize("test", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
    def test_it_knows_what_is_for_types_alone(self, test: str) -> None:
        source = f"if {test}:\n    import ssl\nelse:\n    import socket"
        assert imports(source, PACKAGE) == {Import("ssl", for_types=True), Import("socket")}

    @pytest.mark.parametrize(
        ("room", "name", "for_types", "wrong"),
        [
            ("protocol", "time", False, True),
            ("protocol", "os.path", True, True),
            ("protocol", "math", False, False),
            ("protocol", f"{PACKAGE}.runtime.state", True, True),
            ("protocol", f"{PACKAGE}.protocol.frames", False, False),
            ("protocol", f"{PACKAGE}.settings.Skill", False, False),
            ("net", f"{PACKAGE}.api", False, True),
            ("net", "socket", False, False),
            ("runtime", f"{PACKAGE}.api.client", False, True),
            ("runtime", f"{PACKAGE}.api.client", True, False),
            ("api", f"{PACKAGE}.runtime.state", False, True),
            ("local", f"{PACKAGE}.cli", False, True),
            ("agent", f"{PACKAGE}._internals", False, True),
            ("cli", f"{PACKAGE}.local", False, False),
        ],
    )
    def test_it_knows_what_is_misplaced(self, room: str, name: str, for_types: bool, wrong: bool) -> None:
        assert misplaced(f"{PACKAGE}.{room}.file", [Import(name, for_types)]) == ([name] if wrong else [])

    def test_it_finds_a_circle(self) -> None:
        found = {
            "a": {Import("b.c.Class"), Import("time.monotonic")},
            "b": {Import("b.c.function")},
            "b.c": {Import("b.d", for_types=True)},
            "b.d": {Import("a.function")},
        }
        assert set(circle(graph(found))) == {"a", "b.c", "b.d"}
        assert circle(graph({**found, "b.d": set()})) == []
