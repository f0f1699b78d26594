"""One life of an agent, from connect() to its end: the rooms wired together, and the threads started."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..credentials import Credentials
from ..handlers import HandlerTable
from ..log import logger
from ..net.deadline import Deadline
from ..protocol.answer import Answer
from ..protocol.frames import agent_complete, check_size
from ..protocol.life import Life
from ..protocol.pieces import OutgoingMessage, Terminal
from ..settings import Settings
from .action_calls import ActionCalls
from .callbacks import Callbacks, Listeners
from .frame_sending import send_frame
from .losses import Losses
from .program_end import stop_at_exit
from .reader import Reader
from .remote_handlers import RemoteHandlers
from .rescue import Rescuer, undelivered
from .shutdown import Shutdown
from .standby import LockFileError, Standby
from .state import State
from .task_runner import TaskRunner
from .timers import Pinger
from .workers import Workers
from .writer import Writer

if TYPE_CHECKING:
    from .stats import Stats

_STUCK = 5.0  # seconds after which what takes no time counts as stuck


class Engine:
    """The parts of an agent that live from ``connect`` to the end. Serves once.

    Args:
        settings: what the agent was told.
        credentials: the token in use and the HTTP client.
        listeners: who listens to lifecycle events.
        handlers: which handler answers which task, and where it runs.
        made_at: the module and the line that made the agent, if a module did.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        credentials: Credentials,
        listeners: Listeners,
        handlers: HandlerTable,
        made_at: tuple[str, int, int] | None,
    ) -> None:
        self.state = state = State(settings)
        self._credentials = credentials
        self._workers = Workers()
        rescuer = Rescuer(
            state, credentials=credentials, workers=self._workers, undelivered=self._undelivered
        )
        losses = Losses(
            state,
            undelivered=self._undelivered,
            lost=rescuer.look_after,
            dropped=lambda error: self._callbacks.fire("error", error),
        )
        self.writer = Writer(state, report_losses=losses.report)
        self.actions = ActionCalls(state, self.writer)
        self._callbacks = Callbacks(listeners, workers=self._workers, failed=self._callback_failed)
        self._remote = RemoteHandlers(
            state,
            table=handlers,
            made_at=made_at,
            credentials=credentials,
            workers=self._workers,
            give_up=lambda failure: self.shutdown.give_up(failure),
            deliver=self._deliver,
        )
        self._remote.runner = runner = TaskRunner(
            state,
            writer=self.writer,
            workers=self._workers,
            callbacks=self._callbacks,
            actions=self.actions,
            credentials=credentials,
            table=handlers,
            handler_for=handlers.find,
            remote=self._remote,
        )
        reader = Reader(
            state,
            runner=runner,
            actions=self.actions,
            callbacks=self._callbacks,
            credentials=credentials,
            give_up=lambda failure: self.shutdown.give_up(failure),
            proven=rescuer.look_after,
        )
        self._run_reader = reader.run
        self._reader = threading.Thread(target=self._read, name="arinova-reader", daemon=True)
        self._standby = Standby(state)
        self.shutdown = Shutdown(
            state,
            identity=lambda: (settings.server_url, credentials.token),
            writer=self.writer,
            lifecycle=runner.lifecycle,
            workers=self._workers,
            remote=self._remote,
            callbacks=self._callbacks,
            rescuer=rescuer,
            standby=self._standby,
            reader=self._reader,
            ended=credentials.close,
        )
        pinger = Pinger(
            state, writer=self.writer, finish=self.shutdown.finish, prepare_rescue=rescuer.prepare
        )
        self._pinger = threading.Thread(target=pinger.run, name="arinova-pinger", daemon=True)

    def start(self) -> None:
        """Start the threads; the reader connects once older engines with the same token have ended.

        Raises LockFileError if the agent is to stand by and cannot; ValueError for an executor of other handlers.
        """
        stop_at_exit()
        self._standby.open(*self.shutdown.identity())
        self.shutdown.claim()
        self._remote.open()
        self._reader.start()
        self._pinger.start()
        if self.state.settings.exposes_token:
            logger.warning(
                "the token travels in clear to %s; use https:// or wss://", self.state.settings.server_url
            )

    def call_off(self) -> None:
        """End what did not begin in full."""
        self.shutdown.stop(0.0)
        if not self._pinger.is_alive():  # else it brings the end about
            self.shutdown.abandon_start()

    def join(self, deadline: Deadline) -> None:
        """Wait for the threads of an engine that has ended."""
        me = threading.current_thread()
        for thread in (self._pinger, self._reader, self._callbacks.thread):
            if thread is not None and thread is not me and thread.is_alive():
                thread.join(deadline.left())

    def abort_link(self) -> None:
        """End the connection at once."""
        connection = self.state.connection
        if connection is not None:
            connection.link.abort()

    def send(self, payload: bytes) -> None:
        """Send a frame, on the next connection if there is none; raise ConnectionLost if there will be none."""
        send_frame(self.state, self.writer, payload)

    def send_now(self, message: OutgoingMessage) -> bool:
        """Send a message on the connection that there is; False, and nothing, if there is none or it is choked."""
        check_size(message.payload, self.state.settings.max_outgoing_bytes)
        with self.state.lock:
            if self.state.link is None or self.state.closing or not self.state.outbox.add_frame(message):
                return False
            self.state.prepare_rescue()
        self.writer.flush_frames()
        return True

    def own_threads(self) -> list[threading.Thread]:
        """Return the agent's threads that are alive."""
        threads = [self._reader, self._pinger, *self._workers.threads()]
        if self._callbacks.thread is not None:
            threads.append(self._callbacks.thread)
        return [thread for thread in threads if thread.is_alive()]

    def stuck(self) -> bool:
        """Tell whether a thread of the agent's ended before its time, or a lock or a write is never let go of."""
        state = self.state
        if not state.lock.acquire(timeout=_STUCK):
            return True
        try:
            due, late = state.timers.next(), state.clock() - state.settings.send_timeout - _STUCK
        finally:
            state.lock.release()
        if state.stopping:
            return False
        return not (self._pinger.is_alive() and self._reader.is_alive()) or (due is not None and due < late)

    def stats(self) -> Stats:
        """Return counters and gauges."""
        from .stats import Stats

        threads, dropped = len(self.own_threads()), self._callbacks.dropped
        executors = self._remote.stats()
        state = self.state
        with state.lock:
            return Stats(
                life=state.life.value,
                link=state.link_state.value,
                **vars(state.counters),
                callbacks_dropped=dropped,
                frames_dropped=state.outbox.dropped,
                running=state.scheduler.running,
                queued=state.scheduler.waiting,
                detached=state.scheduler.detached,
                leftovers=state.scheduler.leftovers,
                buffered_bytes=state.outbox.size,
                threads=threads,
                executors=executors,
            )

    def abandon(self) -> None:
        """Let go of everything in a forked child: threads are gone, the connection is the parent's."""
        state = self.state
        connection = state.connection
        state.make_locks()  # threads that do not exist here may have held them
        state.life = Life.STOPPED
        state.link = state.connection = None
        if connection is not None:
            connection.link.abandon()
        self._standby.abandon()

    def _read(self) -> None:
        if not self.shutdown.wait_turn():
            return
        try:
            turn = self._standby.wait_turn()
        except LockFileError as error:
            self.shutdown.give_up(error)
        else:
            if turn and self._remote.wait_until_ready():
                self._run_reader()

    def _deliver(self, task_id: str, conversation_id: str, text: str) -> None:
        payload = agent_complete(task_id, text, None)
        # It came on no connection of ours, so that the server is asked what became of it.
        terminal = Terminal(Answer(task_id, conversation_id), payload, text, answers=True)
        if len(payload) > self.state.settings.max_outgoing_bytes:
            self._undelivered(terminal, certain=True)
            return
        with self.state.lock:
            self.state.outbox.add_terminal(terminal)
            self.state.prepare_rescue()
        self.writer.flush()

    def _undelivered(self, frame: Terminal | OutgoingMessage, certain: bool) -> None:
        with self.state.lock:
            self.state.counters.undelivered += 1
        result = undelivered(frame, certain)
        if result is not None:
            self._callbacks.fire("undelivered", result)
        what = "a message" if isinstance(frame, OutgoingMessage) else f"task {frame.answer.task_id}: its end"
        why = "could not be delivered" if certain else "may not have arrived"
        # A refused or cancelled task has no answer to lose; the server ends it with the connection.
        say = logger.info if result is None else logger.warning
        say("%s %s", what, why)

    def _callback_failed(self) -> None:
        with self.state.lock:
            self.state.counters.callbacks_failed += 1
