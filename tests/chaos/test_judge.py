"""What counts as a loss."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import pytest

from .judge import Loss, Said, Told, judge, summary
from .plans import NOTE, Plan, mark_of, plan_for
from .truth import Row, conversation_id, task_id


def first(end: str, note: bool = False) -> tuple[str, Plan]:
    """Return the first task that is planned to end so, and its plan."""
    for number in count(1):
        plan = plan_for(task_id(0, number))
        if plan.end == end and bool(plan.note) == note and (end != "complete" or len(plan.pieces) > 3):
            return task_id(0, number), plan
    raise AssertionError


ANSWERED, ANSWER = first("complete")
FAILED, FAILURE = first("error")
DISMISSED, _ = first("dismiss")
TEXT, ERROR = ANSWER.text, FAILURE.text
HOLE = TEXT[:1] + TEXT[3:]
OLD = "Agent disconnected"


def row(
    task: str, end: str | None = None, content: str = "", status: str | None = None, gaps: int = 0
) -> Row:
    known = {"complete": "completed", "error": "error", "given-up": "error", None: "streaming"}
    return Row(task, 0, conversation_id(0, 1), status or known[end], content, end=end, gaps=gaps)


def message(content: str, way: str = "http") -> Row:
    return Row(f"message {content}", 0, conversation_id(0, 1), "completed", content, end="complete", way=way)


def kinds(rows: Sequence[Row], *tasks: str, told: Sequence[Told] = ()) -> list[str]:
    said = Said(set(tasks), set(tasks), told=list(told))
    return [loss.kind for loss in judge(rows, said)]


@pytest.mark.parametrize(
    ("task", "rows", "told", "wanted"),
    [
        # Answers.
        (ANSWERED, [row(ANSWERED, "complete", TEXT)], [], []),
        (ANSWERED, [row(ANSWERED, "given-up", OLD), message(TEXT)], [], []),
        (ANSWERED, [row(ANSWERED), message(TEXT)], [], []),
        (ANSWERED, [row(ANSWERED)], [], ["end lost"]),
        (ANSWERED, [row(ANSWERED, None, "Agent reconnected", "error")], [], ["end lost"]),
        (ANSWERED, [row(ANSWERED, "given-up", OLD)], [], ["end lost"]),
        (ANSWERED, [row(ANSWERED)], [Told(ANSWERED, TEXT)], ["told lost"]),
        (ANSWERED, [row(ANSWERED)], [Told(FAILED, TEXT)], ["end lost"]),
        (ANSWERED, [row(ANSWERED, "given-up", OLD)], [Told(ANSWERED, TEXT, False)], ["told lost"]),
        (ANSWERED, [row(ANSWERED, "complete", TEXT)], [Told(ANSWERED, TEXT, False)], []),
        (ANSWERED, [row(ANSWERED, "complete", TEXT)], [Told(ANSWERED, TEXT)], ["doubled"]),
        (ANSWERED, [row(ANSWERED, "complete", HOLE)], [], ["lost silently"]),
        (ANSWERED, [row(ANSWERED, "complete", TEXT[:-1])], [], ["lost silently"]),
        (ANSWERED, [row(ANSWERED, "complete", "", "deleted")], [], ["lost silently"]),
        (ANSWERED, [row(ANSWERED, "complete", HOLE, gaps=1)], [], ["told lost"]),
        (ANSWERED, [row(ANSWERED, "complete", HOLE)], [Told(ANSWERED, TEXT, False)], ["told lost"]),
        (ANSWERED, [row(ANSWERED, "error", "no thread")], [], ["told lost"]),
        (ANSWERED, [row(ANSWERED, "complete", TEXT + TEXT)], [], ["doubled"]),
        (ANSWERED, [row(ANSWERED, "complete", TEXT[-1] + TEXT[:-1], gaps=1)], [], ["doubled"]),
        (ANSWERED, [row(ANSWERED, "complete", TEXT), message(TEXT)], [], ["doubled"]),
        (ANSWERED, [row(ANSWERED, "complete", HOLE), message(TEXT)], [], ["doubled"]),
        (ANSWERED, [row(ANSWERED, "given-up", OLD), message(TEXT), message(TEXT)], [], ["doubled"]),
        # Errors: any end will do.
        (FAILED, [row(FAILED, "error", ERROR)], [], []),
        (FAILED, [row(FAILED, "given-up", OLD)], [], []),
        (FAILED, [row(FAILED, "given-up", OLD), message(ERROR)], [], []),
        (FAILED, [row(FAILED)], [], ["end lost"]),
        (FAILED, [row(FAILED)], [Told(FAILED, ERROR)], ["told lost"]),
        (FAILED, [row(FAILED, "error", "another")], [], ["doubled"]),
        (FAILED, [row(FAILED, "complete", "half")], [], ["doubled"]),
        (FAILED, [row(FAILED, "error", ERROR), message(ERROR)], [], ["doubled"]),
        # Dismissals.
        (DISMISSED, [row(DISMISSED, "complete", "", "deleted")], [], []),
        (DISMISSED, [row(DISMISSED, "complete", "Agent reconnected", "error")], [], []),
        (DISMISSED, [row(DISMISSED, "given-up", OLD)], [], []),
        (DISMISSED, [row(DISMISSED)], [], ["end lost"]),
        (DISMISSED, [row(DISMISSED)], [Told(DISMISSED, "", False)], ["told lost"]),
        (DISMISSED, [row(DISMISSED, "complete", "text")], [], ["doubled"]),
    ],
)
def test_tasks(task: str, rows: Sequence[Row], told: Sequence[Told], wanted: Sequence[str]) -> None:
    assert kinds(rows, task, told=told) == wanted


@pytest.mark.parametrize(
    ("arrived", "told", "wanted"),
    [
        (["socket"], [], []),
        (["http"], [], []),
        ([], [], ["message lost"]),
        ([], [Told(None, NOTE + mark_of(ANSWERED))], []),
        ([], [Told(None, "another")], ["message lost"]),
        (["socket"], [Told(None, NOTE + mark_of(ANSWERED))], ["doubled"]),
        (["socket"], [Told(None, NOTE + mark_of(ANSWERED), False)], []),
        (["socket", "http"], [], ["doubled"]),
    ],
)
def test_messages(arrived: Sequence[str], told: Sequence[Told], wanted: Sequence[str]) -> None:
    note = NOTE + mark_of(ANSWERED)
    rows = [row(ANSWERED, "complete", TEXT), *(message(note, way) for way in arrived)]
    said = Said({ANSWERED}, {ANSWERED}, notes={note: ANSWERED}, told=list(told))
    assert [loss.kind for loss in judge(rows, said)] == wanted


def test_handlers_that_never_end_hang() -> None:
    said = Said({ANSWERED, FAILED}, set(), {FAILED})
    assert [(loss.kind, loss.task_id) for loss in said.unfinished()] == [("hung", ANSWERED)]


def test_the_line() -> None:
    losses = [Loss(kind, ANSWERED, "") for kind in ("end lost", "doubled", "end lost", "told lost", "hung")]
    assert summary(7, 1, losses, {"threads": 0, "descriptors": 2}) == (
        "faults 7, tasks 1, ends lost 2, text lost silently 0, text told lost 1, doubled 1, hung 1, "
        "messages lost 0, threads +0, descriptors +2"
    )


def test_a_plan_is_the_same_each_time() -> None:
    plan = plan_for.__wrapped__
    assert plan(ANSWERED) == plan(ANSWERED) != plan(FAILED)


def test_texts_end_with_their_mark_and_are_never_blank() -> None:
    for number in range(1, 500):
        plan = plan_for(task_id(3, number))
        assert not plan.text or plan.text.endswith(mark_of(task_id(3, number)))
        if plan.end in ("yield", "complete"):
            assert plan.text == "".join(text for text, _ in plan.pieces)
