"""The events of jobs: each once and in order, and texts that follow each other made one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import WorkerLost
from .protocol import JobEvent, JobText


class Order:
    """Lets each event of a job through once, and in order. Not thread-safe.

    Events of an older attempt, and those that came before, are dropped: a client of Redis repeats what it is not
    sure of. A gap is an error: text is missing, and the rest would read as if it were whole.
    """

    def __init__(self, attempt: int) -> None:
        self.attempt = attempt
        self._last = 0

    def accepts(self, event: JobEvent) -> bool:
        """Tell whether an event is the next one; raise WorkerLost if one before it is missing."""
        if event.attempt != self.attempt or event.number <= self._last:
            return False
        if event.number != self._last + 1:
            raise WorkerLost(
                f"a part of the answer was lost on its way: {event.number - self._last - 1} events"
            )
        self._last = (isinstance(event, JobText) and event.last) or event.number
        return True


def merged(events: Iterable[JobEvent]) -> list[JobEvent]:
    """Return events with the texts of one job that follow each other made one."""
    result: list[JobEvent] = []
    run: list[JobText] = []
    for event in events:
        if isinstance(event, JobText):
            if run and run[0].job != event.job:
                result.append(_joined(run))
                run = []
            run.append(event)
        else:
            if run:
                result.append(_joined(run))
                run = []
            result.append(event)
    if run:
        result.append(_joined(run))
    return result


def _joined(run: Sequence[JobText]) -> JobText:
    first = run[0]
    if len(run) == 1:
        return first
    last = run[-1].last or run[-1].number
    return JobText(first.job, first.attempt, first.number, "".join(event.text for event in run), last)
