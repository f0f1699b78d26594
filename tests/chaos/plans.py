"""What a handler says to a task: drawn from the task's id, so that whoever judges knows it too."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Literal

from arinova_agent_sync import Reply, Task

End = Literal["yield", "complete", "tail", "return", "reply", "keep", "error", "raise", "dismiss", "empty"]

_ENDS: dict[End, int] = {
    "yield": 28,
    "complete": 16,
    "tail": 10,
    "return": 14,
    "reply": 4,
    "keep": 4,
    "error": 8,
    "raise": 4,
    "dismiss": 6,
    "empty": 6,
}
NOTE = "note of "

_WORDS = ("one ", "two ", "three ", "käse ", "😀", "\n", "the ", "a", "1", "10 ", "```", "# ", '"', "\\ ")
_ALIKE = (
    "=",
    "-",
    "ha",
    "1",
    "no ",
)  # a server that detects chunks by their beginning takes them for one another


@dataclass(frozen=True)
class Plan:
    """What is said to one task.

    Attributes:
        pieces: what is streamed, the pause in seconds after each.
        end: how it ends.
        text: what the server is to end with: the answer, or the error; "" for no answer.
        fails: whether the text is an error's.
        note: what is sent beside the answer; "" for nothing.
    """

    pieces: tuple[tuple[str, float], ...]
    end: End
    text: str
    fails: bool
    note: str


class PlannedError(Exception):
    """What a handler raises because it was planned."""


def mark_of(task_id: str) -> str:
    """Return what each text about a task ends with."""
    return f"[{task_id[:8]}.{task_id[-6:]}]"


@cache
def plan_for(task_id: str) -> Plan:
    """Return what is said to a task."""
    random = Random(task_id)
    [end] = random.choices(list(_ENDS), list(_ENDS.values()))
    mark = mark_of(task_id)  # at the end: at the beginning it would keep the server from mistaking chunks
    alphabet = (random.choice(_ALIKE),) if random.random() < 0.2 else _WORDS
    texts = [random.choice(alphabet) for _ in range(random.randint(1, 24))]
    pace = random.choice((0.0, 0.002, 0.01, 0.03, 0.08))
    pieces = tuple((text, pace * random.uniform(0.5, 1.5)) for text in texts)
    streamed = "".join(texts)
    note = NOTE + mark if random.random() < 0.15 else ""
    if end in ("dismiss", "empty"):
        return Plan((), end, "", False, note)
    if end in ("raise", "error"):
        said = pieces if random.random() < 0.5 else ()
        return Plan(said, end, f"failed {mark}", True, note)
    if end in ("return", "reply"):
        return Plan((), end, streamed + mark, False, note)
    if end == "keep":
        return Plan(pieces, end, f"{streamed}\n\nkept {mark}", False, note)
    if end == "tail":
        return Plan(pieces, end, streamed + mark, False, note)
    return Plan((*pieces, (mark, 0.0)), end, streamed + mark, False, note)


def answer(task: Task) -> str | Reply | Iterator[str] | None:
    """Answer a task as it was planned."""
    plan = plan_for(task.task_id)
    if plan.end == "yield":
        return _paced(plan)
    for text in _paced(plan):
        task.send_chunk(text)
    match plan.end:
        case "complete":
            task.send_complete()
        case "tail":
            task.send_complete(plan.text)
        case "keep":
            task.send_error(f"kept {plan.text.rpartition(' ')[2]}", keep_partial=True)
        case "error":
            task.send_error(plan.text)
        case "raise":
            raise PlannedError(plan.text)
        case "dismiss":
            task.dismiss()
        case "return":
            time.sleep(0.02)
            return plan.text
        case "reply":
            return Reply(plan.text)
    return None


def _paced(plan: Plan) -> Iterator[str]:
    for text, pause in plan.pieces:
        yield text
        if pause:
            time.sleep(pause)
