"""One life of an agent, from connect() to its end: the rooms wired together, and the threads started.

It knows nothing of the ArinovaAgent in front of it, so that an agent which nobody holds any more can end.
"""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..credentials import Credentials
from ..errors import AuthenticationError, ConnectionLost, ConnectTimeout
from ..handlers import TaskHandler
from ..net.deadline import Deadline
from ..net.forks import renew_after_fork
from ..protocol.outbox import Terminal
from ..settings import Settings
from ..task import Task
from .actions import Actions
from .callbacks import Callbacks
from .dispatch import Dispatch
from .listeners import Listeners
from .reader import Reader
from .rescue import Rescuer
from .state import Life, State
from .timers import Pinger
from .undelivered import Undelivered
from .workers import Workers
from .writer import Writer

if TYPE_CHECKING:
    from .stats import Stats

logger = logging.getLogger("arinova_agent_sync")

_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


class Engine:
    """Start, stop and watch the threads of an agent. Serves once.

    Args:
        settings: what the agent was told.
        account: the token in use and the HTTP client.
        listeners: who listens to lifecycle events.
        handler_for: returns the handler of a task.
    """

    def __init__(
        self,
        settings: Settings,
        account: Credentials,
        listeners: Listeners,
        handler_for: Callable[[Task], TaskHandler | None],
    ) -> None:
        self.state = state = State(settings)
        self.account = account
        self._workers = Workers()
        rescuer = Rescuer(state, account, self._workers, self._undelivered)
        self.writer = Writer(state, self._undelivered, rescuer.look_after)
        self.actions = Actions(state, self.writer)
        self._callbacks = Callbacks(listeners, self._callback_failed)
        self._dispatch = Dispatch(
            state, self.writer, self._workers, self._callbacks, self.actions, account, handler_for
        )
        reader = Reader(state, self._dispatch, self.actions, self._callbacks, account, self.give_up)
        self._reader = threading.Thread(target=reader.run, name="arinova-reader", daemon=True)
        pinger = Pinger(
            state, self.writer, self._dispatch, self._workers, self._callbacks, self._reader, self._stopped
        )
        self._pinger = threading.Thread(target=pinger.run, name="arinova-pinger", daemon=True)
        self._on_stopped: list[Callable[[], object]] = []

    def start(self) -> None:
        """Start the threads."""
        if self.state.settings.exposes_token:
            logger.warning(
                "the token travels in clear to %s; use https:// or wss://", self.state.settings.server_url
            )
        with self.state.lock:
            self.state.life = Life.RUNNING
        _engines.add(self)
        renew_after_fork(self.abandon)
        atexit.register(self._exit)
        self._reader.start()
        self._pinger.start()

    def abort(self) -> None:
        """End what did not begin in full: Ctrl-C came, or a thread could not be started."""
        self.stop(0.0)
        if self._pinger.is_alive():
            return  # it brings the end about
        state = self.state
        with state.lock:
            state.life = Life.STOPPED
            state.closing = True
            connection = state.connection
            state.changed.notify_all()
        if connection is not None:
            connection.link.wake()
        self._stopped()

    def replace_others(self) -> None:
        """Stop the agents of this process that have the same token, such as that of a notebook's re-run cell.

        On the March 2026 server the older one would stay connected and never get a task again.
        """
        mine = (self.state.settings.server_url, self.account.token)
        for other in list(_engines):
            if other is not self and (other.state.settings.server_url, other.account.token) == mine:
                logger.warning("an older agent with the same token is stopped: this process has a newer one")
                other.stop_and_wait(other.state.settings.exit_timeout)

    def wait_connected(self, timeout: float | None) -> None:
        """Block until the first authentication; raise what stopped it, or ConnectTimeout."""
        state = self.state
        with state.lock:
            state.changed.wait_for(lambda: state.authenticated_once or state.over, timeout)
            failure, connected, stopping = state.failure, state.authenticated_once, state.stopping
            last_error = state.last_error
        if failure is not None:
            raise failure
        if connected:
            return
        if stopping:
            raise ConnectionLost("disconnect() called")
        reason = f": {last_error}" if last_error is not None else ""
        raise ConnectTimeout(
            f"no connection within {timeout:g} s{reason}; the agent goes on trying until disconnect()"
        ) from last_error

    def wait(self, timeout: float | None) -> bool:
        """Block until the end; return False if the time is up, raise what stopped the agent if it failed."""
        state = self.state
        with state.lock:
            if not state.changed.wait_for(lambda: state.over, timeout):
                return False
            failure = state.failure
        self._join(Deadline(1.0))
        if failure is not None:
            raise failure
        return True

    def stop(self, timeout: float) -> None:
        """Ask for the end: handlers may run for timeout seconds, parting included. Return at once."""
        state = self.state
        with state.lock:
            if state.over or state.life is Life.NEW:
                return
            now = state.clock()
            stop_by = now + timeout
            first = state.life is Life.RUNNING
            state.life = Life.DRAINING
            state.stop_by = stop_by if first else min(state.stop_by, stop_by)
            # The last part is for the farewell: what waits, the close frame, the joins.
            state.drain_by = state.stop_by - min(2.0, timeout / 4)
            deadline = Deadline(state.stop_by - now, state.clock)
            connection = state.connection
            state.due.notify()
            state.changed.notify_all()
        if connection is not None:
            connection.link.stop_by(deadline)  # the pinger may be writing to a peer that hardly reads
        if first:
            self._dispatch.refuse_waiting()

    def stop_and_wait(self, timeout: float) -> None:
        """Ask for the end and wait for it, but from a handler or a callback, which are part of what ends."""
        self.stop(timeout)
        if threading.current_thread() in self.own_threads():
            return
        state = self.state
        deadline = Deadline(timeout)
        with state.lock:
            if state.life is Life.NEW:
                return
            over = state.changed.wait_for(lambda: state.over, timeout)
            connection = state.connection
        if not over and connection is not None:
            connection.link.wake()  # frees a pinger that still writes
        self._join(Deadline(max(0.5, deadline.left() or 0.0)))

    def give_up(self, failure: BaseException) -> None:
        """End for good because of a failure."""
        state = self.state
        with state.lock:
            if state.failure is None:
                state.failure = failure
            first = state.life is Life.RUNNING
            state.life = Life.DRAINING
            state.drain_by = state.clock()
            state.stop_by = state.drain_by + state.settings.exit_timeout
            state.due.notify()
        if first:
            logger.error("the agent gives up: %s", failure)
            event = "auth_failed" if isinstance(failure, AuthenticationError) else "error"
            self._callbacks.fire(event, failure)

    def on_stopped(self, function: Callable[[], object]) -> None:
        """Call a short function that does not block when all is over, or now if it is."""
        with self.state.lock:
            if not self.state.over:
                self._on_stopped.append(function)
                return
        function()

    def send(self, payload: bytes) -> None:
        """Send a frame, on the next connection if there is none; raise ConnectionLost if there will be none."""
        state = self.state
        with state.lock:
            if state.stopping:
                raise ConnectionLost("disconnect() called")
            kept = state.outbox.add_frame(payload)
        if not kept:
            logger.warning("a frame was dropped: too much waits for the connection (max_buffered_bytes)")
        self.writer.flush_frames()

    def send_now(self, payload: bytes) -> bool:
        """Send a frame on the connection that there is; False, and nothing, if there is none or it is choked."""
        with self.state.lock:
            if self.state.link is None or not self.state.outbox.add_frame(payload):
                return False
        self.writer.flush_frames()
        return True

    def own_threads(self) -> list[threading.Thread]:
        """Return the agent's threads that are alive."""
        threads = [self._reader, self._pinger, *self._workers.threads()]
        if self._callbacks.thread is not None:
            threads.append(self._callbacks.thread)
        return [thread for thread in threads if thread.is_alive()]

    def stats(self) -> Stats:
        """Return counters and gauges."""
        from .stats import Stats

        threads = len(self.own_threads())
        state = self.state
        with state.lock:
            return Stats(
                life=state.life.value,
                link=state.link_state.value,
                **vars(state.counters),
                frames_dropped=state.outbox.dropped,
                running=state.scheduler.running,
                queued=state.scheduler.waiting,
                leftovers=state.scheduler.leftovers,
                buffered_bytes=state.outbox.size,
                threads=threads,
            )

    def abandon(self) -> None:
        """Let go of everything in a forked child: threads are gone, the connection is the parent's."""
        atexit.unregister(self._exit)
        _engines.discard(self)
        state = self.state
        connection = state.connection
        state.make_locks()  # threads that do not exist here may have held them
        state.life = Life.STOPPED
        state.link = state.connection = None
        if connection is not None:
            connection.link.abandon()

    def _undelivered(self, terminal: Terminal) -> None:
        if not terminal.text:  # it was dismissed, or cancelled
            return
        result = Undelivered(terminal.answer.task_id, terminal.answer.conversation_id, terminal.text)
        logger.warning("task %s: its answer could not be delivered", result.task_id)
        self._callbacks.fire("undelivered", result)

    def _callback_failed(self) -> None:
        with self.state.lock:
            self.state.counters.callbacks_failed += 1

    def _stopped(self) -> None:
        atexit.unregister(self._exit)
        _engines.discard(self)
        with self.state.lock:
            functions, self._on_stopped = self._on_stopped, []
        self.account.close()
        for function in functions:
            function()

    def _exit(self) -> None:
        self.stop_and_wait(self.state.settings.exit_timeout)

    def _join(self, deadline: Deadline) -> None:
        me = threading.current_thread()
        if me is not self._pinger and self._pinger.is_alive():
            self._pinger.join(deadline.left())
        self._callbacks.join(deadline)
