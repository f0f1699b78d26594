"""The one owner of start and stop: an agent's life, its deadlines, and the list of live engines.

What follows from a call is decided in protocol/life.py; here it is done. The lock of the live engines may be held
while the state lock is acquired, never the other way round.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from ..errors import AuthenticationError, ConnectionLost, ConnectTimeout
from ..log import logger
from ..net.deadline import Deadline
from ..net.forks import renew_after_fork
from ..protocol.life import Life, on_disconnect, stop_times
from .state import DISCONNECTED, LinkState

if TYPE_CHECKING:
    from .callbacks import Callbacks
    from .remote_handlers import RemoteHandlers
    from .rescue import Rescuer
    from .standby import Standby
    from .state import State
    from .task_lifecycle import TaskLifecycle
    from .workers import Workers
    from .writer import Writer

_REPLACED = "a newer agent of this process has the same token"
_CLOSE_FRAME = 0.5  # seconds to write the close frame in, where nothing else waits
_ECHO = 0.5  # seconds for the server to answer the close frame, which tells that it read what came before
_RECEIPT = 1.0  # seconds for the server to confirm that it has read what was said last
_CLEANUP = 0.5  # seconds for handlers of cancelled tasks, which may be cleaning up
_READER_END = 0.2  # seconds for the reader to end once its connection was aborted, whatever the deadline
_LATER = 1.0  # seconds beyond its deadline that another engine's end is waited for


class Shutdown:
    """The life of one engine, from its claim on its token to its end. Thread-safe.

    Args:
        state: the agent's state.
        identity: returns the server and the token in use: what two live engines must not share.
        writer, lifecycle, workers, remote, callbacks, rescuer, standby: the engine's, to be ended.
        reader: the engine's thread.
        ended: called once all is over.
    """

    def __init__(
        self,
        state: State,
        *,
        identity: Callable[[], tuple[str, str]],
        writer: Writer,
        lifecycle: TaskLifecycle,
        workers: Workers,
        remote: RemoteHandlers,
        callbacks: Callbacks,
        rescuer: Rescuer,
        standby: Standby,
        reader: threading.Thread,
        ended: Callable[[], object],
    ) -> None:
        self.state = state
        self.identity = identity
        self._writer = writer
        self._lifecycle = lifecycle
        self._workers = workers
        self._remote = remote
        self._callbacks = callbacks
        self._rescuer = rescuer
        self._standby = standby
        self._reader = reader
        self._ended = ended
        self._listeners: list[Callable[[], object]] = []
        self._older: list[Shutdown] = []

    # Start

    def claim(self) -> None:
        """Have older engines with the same token end, whose place this one takes.

        On the March 2026 server an older one would stay connected and never get a task again.
        """
        self._older = _live.add(self)
        for other in self._older:
            other.stop(other.state.settings.exit_timeout, _REPLACED)
            other.on_ended(self._look_again)
        if self._older:
            logger.warning("an older agent with the same token is stopped: this process has a newer one")

    def wait_turn(self) -> bool:
        """Block until the older engines have ended; return False if the start was called off meanwhile."""
        state, older = self.state, self._older
        state.changes.wait_for(
            lambda: state.stopping or all(other.state.over for other in older),
            state.settings.exit_timeout + _LATER,
        )
        self._older = []
        return not state.stopping

    def abandon_start(self) -> None:
        """End what has no thread yet."""
        state = self.state
        with state.lock:
            state.closing = True
            connection = state.connection
        if connection is not None:
            connection.link.abort()
        self._finish_life()

    def _look_again(self) -> None:
        with self.state.lock:
            self.state.changes.notify_all()

    # Waiting

    def wait_connected(self, deadline: Deadline) -> None:
        """Block until the first authentication; raise what stopped the agent, or ConnectTimeout."""
        state = self.state
        state.changes.wait_for(lambda: state.stopping or state.reconnect.authenticated_once, deadline.left())
        with state.lock:
            failure, stopping = state.failure, state.stopping
            connected, last_error = state.reconnect.authenticated_once, state.last_error
            standing_by = state.link_state is LinkState.STANDBY
        if failure is not None:
            self.wait(deadline.left(_LATER))
            raise failure
        if connected:
            return
        if stopping:
            raise ConnectionLost(state.why_stopped)
        if standing_by:
            reason = ": another process of this machine is connected with the same token"
        else:
            reason = f": {last_error}" if last_error is not None else ""
        raise ConnectTimeout(
            f"no connection within {deadline.seconds or 0:g} s{reason}; "
            "the agent goes on trying until disconnect()"
        ) from last_error

    def wait(self, timeout: float | None) -> bool:
        """Block until the end; return False if the time is up."""
        state = self.state
        return state.changes.wait_for(lambda: state.over, timeout)

    def on_ended(self, function: Callable[[], object]) -> None:
        """Call a short function that does not block when all is over, or now if it is."""
        with self.state.lock:
            if not self.state.over:
                self._listeners.append(function)
                return
        function()

    # Stop

    def stop(self, timeout: float, why: str = DISCONNECTED) -> None:
        """Ask for the end, all of it within timeout seconds. Returns at once.

        Args:
            timeout: seconds.
            why: what ``connect`` raises where the end takes the place of a connection.
        """
        state = self.state
        with state.lock:
            times = on_disconnect(state.life, state.stop_times, stop_times(state.clock(), timeout))
            if times is None:
                return
            # Who waits is woken first, and looks once the lock is free: Ctrl-C may come in between.
            state.due.notify()
            state.changes.notify_all()
            first = state.life is Life.RUNNING
            if first:
                state.why_stopped = why
            state.stop_times = times
            state.life = Life.DRAINING
            deadline = Deadline(max(0.0, times.stop_by - state.clock()), state.clock)
            connection = state.connection
        if connection is not None:
            connection.link.stop_by(deadline)  # the pinger may be writing to a peer that hardly reads
        self._standby.wake()
        if first:
            self._lifecycle.refuse_waiting()

    def give_up(self, failure: BaseException) -> None:
        """End for good because of a failure; do nothing if the end was asked for already."""
        state = self.state
        with state.lock:
            if state.life is not Life.RUNNING:
                return
            state.failure = failure
        self.stop(0.0)

    def finish(self) -> None:
        """Bring the end about, on the pinger thread, whatever fails on the way."""
        failures: list[BaseException] = []
        for step in (
            self._lifecycle.refuse_waiting,
            self._lifecycle.stop_all,
            self._wait_for_receipts,
            self._say_goodbye,
            self._end_reader,
            self._rescuer.close,
            self._give_up_what_waits,
            self._end_workers,
            self._tell_failure,
        ):
            try:
                step()
            except BaseException as error:  # noqa: BLE001 - the end must come
                failures.append(error)
        self._finish_life()
        if self.state.failure is not None:
            logger.error("the agent gave up: %s", self.state.failure)
        if left := self._left_behind():
            logger.warning("left behind, since they did not end in time: %s", ", ".join(left))
        for failure in failures:
            logger.critical("ending failed in part: this is a bug of arinova_agent_sync", exc_info=failure)

    def _deadline(self) -> Deadline:
        times = self.state.stop_times
        return Deadline(max(0.0, times.stop_by - self.state.clock()) if times else 0.0, self.state.clock)

    def _wait_for_receipts(self) -> None:
        """Wait for the server to confirm what it was told, and for answers that are on their way over HTTP."""
        state, deadline = self.state, self._deadline()
        if state.connection is None or not state.unproven:
            return
        half = (deadline.left() or 0.0) / 2
        receipt = Deadline(min(half, _RECEIPT), state.clock)
        state.changes.wait_for(lambda: state.link is not None, receipt.left())  # it may be under way
        self._writer.ask_for_receipts(receipt.left() or 0.0)
        state.changes.wait_for(lambda: not state.unproven, receipt.left())
        state.changes.wait_for(lambda: not state.rescues, deadline.left(half))

    def _say_goodbye(self) -> None:
        """Write what waits and a close frame, and wait a moment for the server's own."""
        state, deadline = self.state, self._deadline()
        with state.lock:
            state.closing = True
            link = state.link
            waits = bool(state.outbox)
            state.changes.notify_all()
        if link is None:
            return
        half = (deadline.left() or 0.0) / 2
        writing = Deadline(half if waits else min(half, _CLOSE_FRAME), state.clock)
        link.stop_by(writing)
        self._writer.finish(link, writing.left() or 0.0)
        self._reader.join(deadline.left(_ECHO))

    def _end_reader(self) -> None:
        with self.state.lock:
            self.state.closing = True
            connection = self.state.connection
        if connection is not None:
            connection.link.abort()
        if self._reader.ident is not None:
            self._reader.join(_READER_END)

    def _give_up_what_waits(self) -> None:
        state = self.state
        self._writer.recover()  # a write that failed just now
        with state.lock:
            if state.connection is not None:  # the reader has not ended
                state.outbox.send_again(state.connection.receipts.take_unproven())
            state.outbox.empty()
        self._writer.report_losses()

    def _end_workers(self) -> None:
        self._remote.close(self._deadline(), _CLEANUP)
        self._workers.close(self._deadline(), grace=_CLEANUP)

    def _tell_failure(self) -> None:
        if (failure := self.state.failure) is not None:
            event = "auth_failed" if isinstance(failure, AuthenticationError) else "error"
            self._callbacks.fire(event, failure)

    def _left_behind(self) -> list[str]:
        left = [f"the handler of task {task_id}" for task_id in self._lifecycle.unfinished()]
        if self._reader.is_alive():
            left.append("the reader")
        return left

    def _finish_life(self) -> None:
        state = self.state
        _live.remove(self)
        self._standby.release()
        with state.lock:
            state.life = Life.STOPPED if state.failure is None else Life.FAILED
            listeners, self._listeners = self._listeners, []
            state.changes.notify_all()
        for step in (self._callbacks.close, self._ended, *listeners):
            try:
                step()
            except Exception as error:
                logger.error("what follows an agent's end failed", exc_info=error)


class _LiveEngines:
    """The engines that have begun and not ended. Thread-safe."""

    def __init__(self) -> None:
        self._engines: list[Shutdown] = []
        self.after_fork()
        renew_after_fork(self.after_fork)

    def add(self, newer: Shutdown) -> list[Shutdown]:
        """Add an engine; return those that it takes the place of.

        Under one lock, or two agents with one token could look for each other before either is there.
        """
        with self._lock:
            mine = newer.identity()
            older = [other for other in self._engines if other.identity() == mine]
            self._engines.append(newer)
            return older

    def remove(self, ended: Shutdown) -> None:
        """Remove an engine; do nothing if it is not there."""
        with self._lock:
            self._engines = [engine for engine in self._engines if engine is not ended]

    def all(self) -> list[Shutdown]:
        """Return them."""
        with self._lock:
            return list(self._engines)

    def after_fork(self) -> None:
        """Be as new in a forked child, where another thread may have held the lock."""
        self._lock = threading.Lock()
        self._engines = []


_live = _LiveEngines()


def live_engines() -> list[Shutdown]:
    """Return the engines of this process that have begun and not ended."""
    return _live.all()


def interrupted_own_code() -> bool:
    """Tell whether the caller's thread is in the middle of code of this package, below the caller.

    That is so in a signal handler which came while the main thread was in one of our calls: whatever lock that call
    holds, it holds until the handler has returned. It is so in log handlers, too.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_own(frame.f_globals.get("__name__")):
        frame = frame.f_back  # the call itself
    while frame is not None:
        if _is_own(frame.f_globals.get("__name__")):
            return True
        frame = frame.f_back
    return False


_OWN = ("agent", "task", "handlers", "runtime", "net", "api", "protocol", "log", "credentials")


def _is_own(module: object) -> bool:
    parts = module.split(".") if isinstance(module, str) else []
    return len(parts) > 1 and parts[0] == __name__.split(".", 1)[0] and parts[1] in _OWN
