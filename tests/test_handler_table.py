"""Which handler answers which task."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from arinova_agent_sync import Task
from arinova_agent_sync.handlers import HandlerTable


def chat(task: Task) -> str:
    return "chat"


def draw(task: Task) -> str:
    return "draw"


def say(task: Task) -> str:
    return "say"


def find(table: HandlerTable, command: str | None) -> object:
    """Return the handler of a task with that command."""
    content = "hello" if command is None else f"/{command} now"
    context = SimpleNamespace(agent_name=None, asked_before=None)
    return table.find(Task({"taskId": "t", "content": content}, context))  # type: ignore[arg-type]


class Empty(list[str]):
    """A handler that counts as false."""

    def __call__(self, task: Task) -> str:
        return "empty"


@pytest.mark.parametrize(
    ("handlers", "found"),
    [
        ({}, {None: None, "draw": None}),
        ({None: chat}, {None: chat, "draw": chat}),
        ({"draw": draw}, {None: None, "draw": draw, "say": None}),
        ({None: chat, "draw": draw, "say": say}, {None: chat, "draw": draw, "say": say, "sing": chat}),
        ({"Draw": draw}, {"draw": draw, "DRAW": draw, "dra": None}),
    ],
)
def test_a_command_has_its_handler_and_the_rest_has_one(
    handlers: dict[str | None, object], found: dict[str | None, object]
) -> None:
    table = HandlerTable()
    for command, handler in handlers.items():
        table.set(command, handler)  # type: ignore[arg-type]
    assert {command: find(table, command) for command in found} == found


def test_the_last_one_set_counts() -> None:
    table = HandlerTable()
    table.set(None, chat)
    table.set(None, say)
    table.set("draw", chat)
    table.set("draw", draw)
    assert (find(table, None), find(table, "draw")) == (say, draw)


def test_a_handler_that_counts_as_false_is_one() -> None:
    table = HandlerTable()
    table.set(None, chat)
    table.set("draw", handler := Empty())
    assert find(table, "draw") is handler


@pytest.mark.parametrize(("command", "name"), [(None, "on_task"), ("draw", "on_command")])
@pytest.mark.parametrize("handler", [None, "draw", lambda: None, lambda a, b: None])
def test_what_cannot_answer_a_task_is_refused(command: str | None, name: str, handler: object) -> None:
    table = HandlerTable()
    table.set(command, chat)
    with pytest.raises(TypeError, match=rf"^{name} needs a function that takes "):
        table.set(command, handler)  # type: ignore[arg-type]
    assert find(table, command) is chat


def test_a_wrong_executor_sets_no_handler() -> None:
    table = HandlerTable()
    with pytest.raises(TypeError, match="executor"):
        table.set(None, lambda task: None, executor="threads")  # type: ignore[arg-type]
    assert not table.serves_all
