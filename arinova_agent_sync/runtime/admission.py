"""Tasks from their arrival to their start: refused, queued, begun. Called under the state lock.

What waits is kept as it came: thousands may, and what a handler needs is made when it starts.
"""

from __future__ import annotations

from typing import NamedTuple, Union

from ..protocol import frames
from ..protocol.answer import Answer
from ..protocol.life import Life
from ..protocol.pieces import Passing, Terminal
from ..protocol.scheduler import Duplicate, Start, Wait
from ..protocol.session import TaskArrived
from .running_task import Outcome, RunningTask
from .state import State

SHUTTING_DOWN = "The agent is shutting down."
CANCELLED = "cancelled"
NO_HANDLER = "no_task_handler"
_LATE = 0.001  # seconds that a notice may wait for others


class Queued(NamedTuple):
    """The task waits; ``blocked_by`` names handlers of cancelled tasks, if there are too many for it to start."""

    blocked_by: list[str]


class Refusal(NamedTuple):
    """The task is not run; ``why`` is what the server was told."""

    why: str


Verdict = Union[RunningTask, Queued, Refusal, Duplicate]


class Admission:
    """Decide which tasks run.

    Args:
        state: the agent's state.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def decide(self, task: TaskArrived, *, has_handler: bool) -> Verdict:
        """Start, queue or refuse a task that came; the server is told unless it starts."""
        state = self._state
        if state.life is not Life.RUNNING or not has_handler:
            return self._unwanted(task)
        decision = state.scheduler.arrived(task.task_id, task.conversation_id, task.size)
        if isinstance(decision, Duplicate):
            return self._ignored(decision)
        if not isinstance(decision, (Start, Wait)):
            return self.refuse(task.task_id, "queue_overflow")
        state.counters.tasks_received += 1
        if not state.beating:
            state.begin_to_beat()
        if isinstance(decision, Start):
            running = state.tasks[task.task_id] = RunningTask(task)
            return running
        state.waiting[task.task_id] = task
        notice = frames.task_queued(task.task_id, task.conversation_id, decision.position, decision.total)
        state.outbox.add_passing(Passing(notice))
        state.flush_soon(_LATE)
        return Queued(state.scheduler.blockers())

    def next(self) -> list[RunningTask]:
        """Return the tasks that start now."""
        tasks: list[RunningTask] = []
        while (task_id := self._state.scheduler.next()) is not None:
            task = self._state.tasks[task_id] = RunningTask(self._state.waiting.pop(task_id))
            tasks.append(task)
        return tasks

    def refuse(self, task_id: str | None, why: str) -> Refusal:
        """Answer a task that is not run."""
        self._state.counters.tasks_refused += 1
        payload = frames.agent_error(task_id, why)
        if task_id is None:
            self._state.outbox.add_frame(payload)
        else:
            self._state.outbox.add_terminal(Terminal(Answer(task_id), payload, None))
        self._state.flush_soon()
        return Refusal(why)

    def refuse_waiting(self) -> None:
        """Answer the tasks that were not started: none of them will be."""
        for task_id in list(self._state.waiting):
            self._withdraw(task_id, "refused", SHUTTING_DOWN)

    def cancel_waiting(self, task_id: str) -> bool:
        """Answer a task that was cancelled before it started; False if there is none of that id."""
        if task_id not in self._state.waiting:
            return False
        self._withdraw(task_id, "cancelled", CANCELLED, CANCELLED)
        return True

    def _withdraw(self, task_id: str, outcome: Outcome, error: str, reason: str | None = None) -> None:
        state = self._state
        task = state.waiting.pop(task_id)
        state.scheduler.cancelled(task_id)
        state.counters.count_ended(outcome)
        answer = Answer(task_id, task.conversation_id, task.connection)
        state.outbox.add_terminal(Terminal(answer, frames.agent_error(task_id, error, reason), None))
        state.flush_soon()

    def _unwanted(self, task: TaskArrived) -> Duplicate | Refusal:
        if self._state.scheduler.knows(task.task_id):
            return self._ignored(Duplicate())
        why = NO_HANDLER if self._state.life is Life.RUNNING else SHUTTING_DOWN
        return self.refuse(task.task_id, why)

    def _ignored(self, duplicate: Duplicate) -> Duplicate:
        self._state.counters.tasks_ignored += 1
        return duplicate
