"""Tasks from their start to their end: ended once, cancelled, released; and the next ones started.

Called by the reader, the workers, the pinger and users' threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from ..errors import ConnectionLost
from ..interrupts.scope import Scope
from ..log import logger
from ..protocol import frames
from ..protocol.answer import LARGEST_CHUNK, Answer
from ..protocol.life import Life
from ..protocol.pieces import Terminal
from ..protocol.session import TaskArrived, TaskMalformed
from ..shown_errors import shortened
from .admission import CANCELLED, SHUTTING_DOWN, Admission, Queued, Refusal
from .callbacks import Callbacks
from .frame_sending import send_frame
from .running_task import Outcome, RunningTask
from .state import State
from .writer import Writer

NO_THREAD = "The agent cannot run more tasks at the moment."
_LARGEST_CONTENT = 4 * LARGEST_CHUNK  # characters: beyond it the text goes out as chunks alone


class TaskLifecycle:
    """Admit tasks, end each once, and start those that wait in their places.

    Args:
        state: the agent's state.
        writer: writes what is put into the outbox here.
        callbacks: runs users' ``on_cancel`` functions.
        hand_over: has a task's handler run; returns False if no thread could be started for it.
    """

    def __init__(
        self,
        state: State,
        *,
        writer: Writer,
        callbacks: Callbacks,
        hand_over: Callable[[RunningTask], bool],
    ) -> None:
        self._state = state
        self._admission = Admission(state)
        self._writer = writer
        self._callbacks = callbacks
        self._hand_over = hand_over

    @property
    def agent_name(self) -> str | None:
        """The agent's name, if the server told it."""
        return self._state.agent_name

    @property
    def over(self) -> bool:
        """Whether the agent has stopped."""
        return self._state.over

    # From the server

    def admit(self, task: TaskArrived, *, has_handler: bool) -> None:
        """Start, queue or refuse a task that came."""
        with self._state.lock:
            verdict = self._admission.decide(task, has_handler=has_handler)
        if isinstance(verdict, RunningTask):
            if not self._hand_over(verdict):
                self.start(self._give_up(verdict))
        elif isinstance(verdict, Refusal):
            say = logger.info if verdict.why == SHUTTING_DOWN else logger.warning
            say("task %s was not run: %s", task.task_id, verdict.why)
        elif isinstance(verdict, Queued) and verdict.blocked_by:
            logger.warning(
                "task %s waits: too many handlers of cancelled tasks still run, those of %s",
                task.task_id,
                ", ".join(verdict.blocked_by),
            )

    def refuse_malformed(self, event: TaskMalformed) -> None:
        """Answer a task that cannot be run."""
        with self._state.lock:
            self._admission.refuse(event.task_id, event.error)
        logger.warning("task %s was not run: %s", event.task_id, event.error)

    def cancel(self, task_id: str) -> None:
        """Cancel a task whose user pressed stop."""
        with self._state.lock:
            task = self._state.tasks.get(task_id)
            if task is None:
                self._admission.cancel_waiting(task_id)
        if task is not None:
            self._cancel(task)

    # From handlers

    def complete(
        self, task: RunningTask, content: str | None, mentions: Sequence[str], tail: str = ""
    ) -> bool:
        """End a task with a text, or with what was streamed and a tail; False if it had ended."""
        with self._state.lock:
            if task.ended is not None:
                return False
            terminal, contradicts = self._completion(task, content, mentions, tail)
            waiting = self._end(task, "completed", terminal)
        self._writer.flush()
        self._after_end(task, waiting)
        if contradicts:
            logger.warning(
                "task %s: send_complete() was given a text that does not begin with what was streamed; "
                "the server keeps what was streamed",
                task.task_id,
            )
        return True

    def whole(self, task: RunningTask, text: str) -> str:
        """Return what can be said of a piece that needs cleaning, behind what was said before."""
        with self._state.lock:
            task.answer.catch_up()
            return task.answer.whole(text)

    def has_streamed(self, task: RunningTask) -> bool:
        """Tell whether a task has streamed anything."""
        with self._state.lock:
            return task.answer.has_said

    def fail(self, task: RunningTask, message: str) -> bool:
        """End a task with an error, which takes the place of what was streamed; False if it had ended."""
        with self._state.lock:
            if task.ended is not None:
                return False
            task.answer.muted = True
            message = shortened(message)
            payload = frames.agent_error(task.task_id, message)
            waiting = self._end(task, "failed", Terminal(task.answer, payload, message))
        self._writer.flush()
        self._after_end(task, waiting)
        return True

    def report(self, frame: bytes, older: bytes | None) -> None:
        """Send a report of a task's; nothing once the agent has ended."""
        chosen = older if older is not None and self._state.agent_id is None else frame
        with suppress(ConnectionLost):
            send_frame(self._state, self._writer, chosen)

    def detach(self, task: RunningTask) -> None:
        """Let a task live on after its handler."""
        with self._state.lock:
            task.detached = True

    def cancelled_event(self, task: RunningTask) -> threading.Event:
        """Return the event that is set when a task is cancelled; few handlers ask for it."""
        with self._state.lock:
            if task.cancelled is None:
                task.cancelled = threading.Event()
                if task.is_cancelled:
                    task.cancelled.set()
            return task.cancelled

    def on_cancel(self, task: RunningTask, function: Callable[[], object]) -> None:
        """Call a function when a task is cancelled, or now if it was."""
        with self._state.lock:
            late = task.is_cancelled
            if task.ended is None:
                task.functions = (*task.functions, function)
        if late:
            self._callbacks.at_once("cancel", (function,))

    # On a worker

    def start(self, tasks: Sequence[RunningTask]) -> None:
        """Have the handlers of tasks run that hold a slot."""
        while tasks:
            others: list[RunningTask] = []
            for task in tasks:
                if not self._hand_over(task):
                    others += self._give_up(task)
            tasks = others

    def is_open(self, task: RunningTask) -> bool:
        """Note that a worker begins with a task; tell whether the task is still open."""
        task.thread = threading.get_ident()
        # Without the lock: a cancel ends the task first, and then the scope if there is one.
        task.scope = Scope(task.task_id)
        return task.ended is None

    def handled(self, task: RunningTask) -> list[RunningTask]:
        """Note that a task's handler is over; return the tasks that start in its place."""
        with self._state.lock:
            task.handling = False
            task.thread = None
            over = task.ended is not None
            if over:
                waiting = self._release(task)
            else:
                self._state.scheduler.detached_from_worker(task.task_id)
                waiting = self._admission.next()
        if over:
            self._close_scope(task)
        return waiting

    def _after_end(self, task: RunningTask, waiting: Sequence[RunningTask]) -> None:
        if waiting:
            self.start(waiting)
        if not task.handling:
            self._close_scope(task)

    def _close_scope(self, task: RunningTask) -> None:
        """End what a task that has ended left open, once its handler is over."""
        if task.scope is not None and not task.handling:
            task.scope.close()

    def _give_up(self, task: RunningTask) -> list[RunningTask]:
        """Fail a task that no thread could be started for; return those that take its place."""
        with self._state.lock:
            task.handling = False
            if task.ended is not None:
                return self._release(task)
            payload = frames.agent_error(task.task_id, NO_THREAD)
            waiting = self._end(task, "failed", Terminal(task.answer, payload, NO_THREAD))
            self._state.flush_soon()
        logger.error("task %s was not run: no thread could be started for its handler", task.task_id)
        return waiting

    # At the end

    def refuse_waiting(self) -> None:
        """Answer the tasks that were not started; none of them will be."""
        with self._state.lock:
            self._admission.refuse_waiting()

    def stop_all(self) -> None:
        """Cancel every task that has not ended; what was streamed stays."""
        with self._state.lock:
            for task_id in list(self._state.waiting):
                self._admission.cancel_waiting(task_id)
            tasks = list(self._state.tasks.values())
        for task in tasks:
            self._cancel(task, keep=True)

    def unfinished(self) -> list[str]:
        """Name the tasks whose handlers still run."""
        with self._state.lock:
            return [task.task_id for task in self._state.tasks.values() if task.handling]

    def _cancel(self, task: RunningTask, *, keep: bool = False) -> None:
        with self._state.lock:
            if task.ended is not None:
                return
            self._state.scheduler.cancelled(task.task_id)
            if keep and task.answer.has_said:
                terminal, _ = self._completion(task, None, (), "")
            else:
                task.answer.muted = True
                terminal = Terminal(task.answer, frames.agent_error(task.task_id, CANCELLED, CANCELLED), None)
            waiting = self._end(task, "cancelled", terminal)
            if task.cancelled is not None:
                task.cancelled.set()
            functions, task.functions = task.functions, ()
            calls = list(task.calls)
            waiting += self._admission.next()
            self._state.flush_soon()
        if task.scope is not None:
            task.scope.cancel()
            self._close_scope(task)
        if task.remote is not None:
            task.remote.cancel()
        for call in calls:
            call.cancel()
        self._callbacks.at_once("cancel", functions)
        self.start(waiting)

    # Under the state lock

    def _completion(
        self, task: RunningTask, content: str | None, mentions: Sequence[str], tail: str
    ) -> tuple[Terminal, bool]:
        """Return the last frame of an answered task, and whether its text contradicts what was streamed."""
        state, answer = self._state, task.answer
        if answer.pending is not None or answer.half:
            self._say_rest(answer, said_whole=content is None)
        said = answer.text
        text = said + tail if content is None else content
        contradicts = not text.startswith(said)
        if not contradicts and len(text) > len(said) and (said or len(text) > _LARGEST_CONTENT):
            state.outbox.add_chunk(answer, text[len(said) :])
            said = text
        kept = said if contradicts else text
        payload = frames.agent_complete(
            task.task_id, "" if len(text) > _LARGEST_CONTENT and said else text, mentions
        )
        return Terminal(answer, payload, kept, bool(kept.strip())), contradicts

    def _say_rest(self, answer: Answer, *, said_whole: bool) -> None:
        """Let no more text in; put half a character at its end, unless another text than what was said follows."""
        answer.catch_up()
        half = answer.take_half()
        if half and said_whole:
            self._state.outbox.add_chunk(answer, half)
        self._shut(answer)

    def _shut(self, answer: Answer) -> None:
        """Let no more text in: the task ends."""
        answer.patience = 0
        answer.close_pending()

    def _end(self, task: RunningTask, outcome: Outcome, terminal: Terminal) -> list[RunningTask]:
        task.ended = outcome
        if task.answer.pending is not None:
            self._shut(task.answer)
        self._state.counters.count_ended(outcome)
        self._state.outbox.add_terminal(terminal)
        return [] if task.handling else self._release(task)

    def _release(self, task: RunningTask) -> list[RunningTask]:
        state = self._state
        if task.ended == "cancelled":
            state.scheduler.leftover_ended(task.task_id)
        else:
            state.scheduler.finished(task.task_id)
        state.tasks.pop(task.task_id, None)
        if state.life is Life.DRAINING:
            state.due.notify()
        return self._admission.next() if state.waiting else []
