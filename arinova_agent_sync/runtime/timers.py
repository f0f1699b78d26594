"""The pinger thread: pings, heartbeats, late batches, what the reader wants said, and the end.

It sleeps until the next of its timers, or until somebody schedules an earlier one. It does not judge whether the
peer is alive: the reader does, without a lock that is held while anything is written.
"""

from __future__ import annotations

from collections.abc import Callable

from ..log import logger
from ..protocol import frames
from ..protocol.life import Life, stop_times
from ..protocol.pieces import Passing
from .state import State
from .writer import Writer


class Pinger:
    """The work of the pinger thread.

    Args:
        state: the agent's state.
        writer: writes what the timers want said.
        finish: brings the agent's end about.
        prepare_rescue: has another thread load what a rescue needs; returns at once.
    """

    def __init__(
        self,
        state: State,
        *,
        writer: Writer,
        finish: Callable[[], None],
        prepare_rescue: Callable[[], None],
    ) -> None:
        self._state = state
        self._settings = state.settings
        self._writer = writer
        self._finish = finish
        self._prepare_rescue = prepare_rescue
        self._due = 0.0  # when the timer at work was to come

    def run(self) -> None:
        """Do what is due until the end is asked for, then bring it about."""
        try:
            while (timer := self._next()) is not None:
                self._do(timer)
        except BaseException as error:
            with self._state.lock:
                self._state.failure = self._state.failure or error
                self._state.life = Life.DRAINING
                self._state.stop_times = stop_times(self._state.clock(), self._settings.exit_timeout)
            self._finish()
            logger.critical("the pinger thread failed: this is a bug of arinova_agent_sync", exc_info=error)
        else:
            self._finish()

    def _next(self) -> str | None:
        """Wait for the next timer; None when it is time to end."""
        state = self._state
        with state.lock:
            while True:
                now = state.clock()
                moments = [due := state.timers.next()]
                if state.stop_times is not None:
                    if now >= state.stop_times.drain_by or not state.has_work():
                        return None
                    moments.append(state.stop_times.drain_by)
                if (timer := state.timers.take(now)) is not None:
                    self._due = now if due is None else due
                    return timer
                state.due.wait(min((at - now for at in moments if at is not None), default=None))

    def _do(self, timer: str) -> None:
        state = self._state
        if timer == "recover":
            self._writer.recover()
        elif timer == "rescue":
            self._prepare_rescue()
        with state.lock:
            now = state.clock()
            if timer == "stable":
                state.reconnect.prove()
                return
            if timer == "ping":
                if state.outbox.add_ahead(Passing(frames.PING)) and state.connection is not None:
                    state.ping(state.connection)
                    state.connection.liveness.pinged(now, self._due)
                state.timers.set("ping", now + self._settings.ping_interval)
            elif timer == "commands" and state.agent_id is not None:
                state.outbox.add_passing(Passing(frames.heartbeat_commands(state.agent_id)))
                state.timers.set("commands", now + self._settings.heartbeat_interval)
            elif timer == "heartbeat":
                state.beating = bool(state.tasks or state.waiting)
                if state.beating:
                    self._beat()
                    state.timers.set("heartbeat", now + self._settings.heartbeat_interval)
        self._writer.flush(until_due=True)

    def _beat(self) -> None:
        state = self._state
        # Waiting tasks too: on the March 2026 server the idle limit runs from the dispatch.
        open_tasks = [task_id for task_id, task in state.tasks.items() if task.ended is None]
        for task_id in (*open_tasks, *state.waiting):
            state.outbox.add_ahead(Passing(frames.agent_heartbeat(task_id)))
