"""The pinger thread: pings, heartbeats, late batches, what the reader wants said, and the end.

It sleeps until the next of its timers, or until somebody schedules an earlier one. It does not judge whether the
peer is alive: the reader's receive does, without any lock.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ..net.deadline import Deadline
from ..protocol import frames
from ..protocol.outbox import Passing
from .callbacks import Callbacks
from .dispatch import Dispatch
from .state import Life, State
from .workers import Workers
from .writer import Writer

_PARTING = 0.5  # seconds for the server to answer the close frame, which tells that it read what came before
_CLEANUP = 0.5  # seconds for handlers of cancelled tasks, which may be cleaning up
_WOKEN = 0.2  # seconds that the reader gets to end once it was woken, whatever the deadline

logger = logging.getLogger("arinova_agent_sync")


class Pinger:
    """The work of the pinger thread.

    Args:
        reader: the thread to end at last.
        stopped: called when all is over.
    """

    def __init__(
        self,
        state: State,
        writer: Writer,
        dispatch: Dispatch,
        workers: Workers,
        callbacks: Callbacks,
        reader: threading.Thread,
        stopped: Callable[[], None],
    ) -> None:
        self._state = state
        self._settings = state.settings
        self._writer = writer
        self._dispatch = dispatch
        self._workers = workers
        self._callbacks = callbacks
        self._reader = reader
        self._stopped = stopped

    def run(self) -> None:
        """Do what is due until the end is asked for, then bring it about."""
        try:
            while (timer := self._next()) is not None:
                self._do(timer)
        except BaseException as error:
            logger.critical("the pinger thread failed: this is a bug of arinova_agent_sync", exc_info=error)
            with self._state.lock:
                self._state.failure = self._state.failure or error
                self._state.stop_by = self._state.clock() + self._settings.exit_timeout
        self._finish()

    def _next(self) -> str | None:
        """Wait for the next timer; None when it is time to end."""
        state = self._state
        with state.lock:
            while True:
                now = state.clock()
                moments = [state.timers[timer] for timer in state.timers]
                if state.life is Life.DRAINING:
                    if now >= state.drain_by or not state.has_work():
                        return None
                    moments.append(state.drain_by)
                for timer, at in state.timers.items():
                    if at <= now:
                        del state.timers[timer]
                        return timer
                state.due.wait(min(moments) - now if moments else None)

    def _do(self, timer: str) -> None:
        state = self._state
        with state.lock:
            now = state.clock()
            if timer == "stable":
                if state.connection is not None:
                    state.connection.proven = True
                return
            if timer == "ping":
                if state.outbox.add_passing(Passing(frames.PING)) and state.connection is not None:
                    state.connection.receipts.pinged()
                state.timers["ping"] = now + self._settings.ping_interval
            elif timer == "commands" and state.agent_id is not None:
                state.outbox.add_passing(Passing(frames.heartbeat_commands(state.agent_id)))
                state.timers["commands"] = now + self._settings.heartbeat_interval
            elif timer == "heartbeat" and state.runs:
                self._beat()
                state.timers["heartbeat"] = now + self._settings.heartbeat_interval
        self._writer.flush()

    def _beat(self) -> None:
        # Waiting tasks too: on the March 2026 server the idle limit runs from the dispatch.
        for run in self._state.runs.values():
            if run.ended is None:
                self._state.outbox.add_passing(Passing(frames.agent_heartbeat(run.task_id)))

    def _finish(self) -> None:
        state = self._state
        deadline = Deadline(max(0.0, state.stop_by - state.clock()), state.clock)
        self._dispatch.refuse_waiting()
        self._dispatch.cancel_all()
        with state.lock:
            state.closing = True
            connection = state.connection
            link = state.link
            state.changed.notify_all()
        if link is not None:
            writing = Deadline((deadline.left() or 0.0) / 2, state.clock)
            link.stop_by(writing)
            self._writer.finish(link, writing.left() or 0.0)
            self._reader.join(deadline.left(_PARTING))
        if connection is not None:
            connection.link.abort()
        self._reader.join(max(_WOKEN, deadline.left() or 0.0))
        with state.lock:
            state.outbox.empty()
        self._writer.report_losses()
        self._workers.close(deadline, grace=_CLEANUP)
        self._warn_of_leftovers()
        with state.lock:
            state.life = Life.STOPPED if state.failure is None else Life.FAILED
            state.changed.notify_all()
        self._callbacks.close()
        self._stopped()

    def _warn_of_leftovers(self) -> None:
        left = [f"the handler of task {task_id}" for task_id in self._dispatch.unfinished()]
        if self._reader.is_alive():
            left.append("the reader, in a look-up of the server's name")
        if left:
            logger.warning("left behind, since they did not end in time: %s", ", ".join(left))
