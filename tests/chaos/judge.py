"""Compare what agents said with what the server holds and with what the agents told of their losses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .plans import NOTE, mark_of, plan_for
from .truth import Row

Kind = Literal["end lost", "lost silently", "told lost", "doubled", "hung", "message lost"]


@dataclass(frozen=True)
class Told:
    """What an agent handed to ``on_undelivered``."""

    task_id: str | None
    text: str
    certain: bool = True


@dataclass
class Said:
    """What the agents' side knows after a run.

    Attributes:
        begun: the tasks whose handlers began.
        ended: those whose handlers ended as planned.
        cancelled: those whose handlers were cancelled.
        notes: the messages beside answers for which ``send_message`` returned.
        told: what was handed to ``on_undelivered``.
    """

    begun: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    notes: dict[str, str] = field(default_factory=dict)  # the task's id by text
    told: list[Told] = field(default_factory=list)

    def unfinished(self) -> list[Loss]:
        """Return the handlers that have not ended."""
        return [
            Loss("hung", task_id, "its handler never ended")
            for task_id in sorted(self.begun - self.ended - self.cancelled)
        ]


@dataclass(frozen=True)
class Loss:
    """One thing that went wrong."""

    kind: Kind
    task_id: str
    why: str


def judge(rows: Iterable[Row], said: Said) -> list[Loss]:
    """Return what was lost or doubled, told losses too."""
    tasks: dict[str, Row] = {}
    messages: defaultdict[str, list[Row]] = defaultdict(list)  # by the mark at their end; notes by their text
    for row in rows:
        if row.way == "task":
            tasks[row.id] = row
        else:
            text = row.content
            messages[text if text.startswith(NOTE) else text[text.rfind("[") :]].append(row)
    told: defaultdict[str, list[Told]] = defaultdict(list)
    for each in said.told:
        told[each.text if each.text.startswith(NOTE) else each.task_id or ""].append(each)
    losses = [
        _judged(task_id, tasks[task_id], messages[mark_of(task_id)], told[task_id])
        for task_id in sorted(said.ended)
    ]
    losses += [_judged_note(task_id, messages[note], told[note]) for note, task_id in said.notes.items()]
    return [loss for loss in losses if loss is not None]


def _judged(task_id: str, row: Row, messages: list[Row], told: list[Told]) -> Loss | None:
    plan = plan_for(task_id)
    if plan.fails or not plan.text:
        return _judged_without_answer(task_id, row, messages, told)
    copies = [message.content for message in messages]
    wanted = plan.text.strip() if messages else plan.text  # over HTTP it is trimmed
    if row.end == "complete":
        copies.append(row.content if row.status == "completed" else "")
    if row.end == "error":
        return Loss("told lost", task_id, f"it ended with the error {row.content!r}")
    if not copies:
        if told:
            return Loss("told lost", task_id, "on_undelivered was called")
        return Loss("end lost", task_id, f"its row is {row.end or 'open'}, and nothing was told")
    if len(copies) > 1:
        return Loss("doubled", task_id, f"it arrived {len(copies)} times: {copies!r}")
    [text] = copies
    if text == wanted:
        if any(each.certain for each in told):
            return Loss("doubled", task_id, "it arrived, yet on_undelivered said for certain that it had not")
        return None
    if not _is_part(text, plan.text):
        return Loss("doubled", task_id, f"text twice or out of order: {text!r} instead of {plan.text!r}")
    if row.gaps or told:
        return Loss("told lost", task_id, f"{row.gaps} gaps told: {text!r} of {plan.text!r}")
    return Loss("lost silently", task_id, f"{text!r} of {plan.text!r}")


def _judged_without_answer(task_id: str, row: Row, messages: list[Row], told: list[Told]) -> Loss | None:
    """Judge a task that ended with an error, or with nothing: any end will do, since no text is lost."""
    plan = plan_for(task_id)
    if row.end == "error" and row.content != plan.text:
        return Loss("doubled", task_id, f"its error is {row.content!r} instead of {plan.text!r}")
    if row.end == "complete" and (plan.fails or row.status == "completed"):
        return Loss("doubled", task_id, f"it was completed with {row.content!r}, which nobody said")
    if len(messages) + (row.end in ("complete", "error")) > 1:
        return Loss("doubled", task_id, "its error arrived, and as a message too")
    if row.end is None and not messages:
        if told:
            return Loss("told lost", task_id, "on_undelivered was called")
        return Loss("end lost", task_id, f"its {plan.end} never arrived, and nothing was told")
    return None


def _judged_note(task_id: str, messages: list[Row], told: list[Told]) -> Loss | None:
    if len(messages) > 1:
        ways = ", ".join(message.way for message in messages)
        return Loss("doubled", task_id, f"its note arrived {len(messages)} times, by {ways}")
    if not messages and not told:
        return Loss("message lost", task_id, "its note never arrived, though send_message returned")
    if messages and any(each.certain for each in told):
        return Loss(
            "doubled", task_id, "its note arrived, yet on_undelivered said for certain that it had not"
        )
    return None


def _is_part(text: str, whole: str) -> bool:
    """Tell whether a text is the whole one with pieces left out."""
    rest = iter(whole)
    return all(letter in rest for letter in text)


def summary(faults: int, tasks: int, losses: Iterable[Loss], left: Mapping[str, int]) -> str:
    """Return the one line that a run prints, or all of them together."""
    count: defaultdict[str, int] = defaultdict(int)
    for loss in losses:
        count[loss.kind] += 1
    return (
        f"faults {faults}, tasks {tasks}, ends lost {count['end lost']}, "
        f"text lost silently {count['lost silently']}, text told lost {count['told lost']}, "
        f"doubled {count['doubled']}, hung {count['hung']}, messages lost {count['message lost']}, "
        f"threads {left['threads']:+d}, descriptors {left['descriptors']:+d}"
    )
