"""The state that an agent's threads share, and the lock that guards it.

Threads, and what each owns:

    arinova-reader      the link: makes it, reads it, closes it; runs no user code
    arinova-pinger      timers, the reader's small replies, late batches, the end; runs no user code
    arinova-worker-N    one running handler; writes its own chunks
    arinova-callbacks   lifecycle callbacks, in order

All are daemons and start in connect().

Two locks: ``state`` and the guarded socket's own, which are never held together. ``state`` is held for memory
operations only: no I/O, no logging, no user code, no join. Whose turn it is to write is a note under ``state``, see
runtime/writer.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from ..protocol.life import Life, StopTimes
from ..protocol.outbox import Outbox
from ..protocol.reconnect import Reconnect
from ..protocol.scheduler import Scheduler
from ..protocol.session import OnboardingSeed, TaskArrived
from ..protocol.timer_heap import TimerHeap
from ..settings import Settings
from .state_changes import StateChanges
from .stats import Counters

if TYPE_CHECKING:
    from .connection import Connection
    from .running_task import RunningTask
    from .websocket import WebSocket

DISCONNECTED = "disconnect() called"


class LinkState(Enum):
    """Where the connection is."""

    DOWN = "down"
    STANDBY = "standby"  # another process of this machine is connected with the same token
    CONNECTING = "connecting"
    AUTHENTICATING = "authenticating"
    ONLINE = "online"


class State:
    """Everything below ``lock`` is read and changed under it."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.clock = clock
        self.make_locks()

        self.life = Life.NEW
        self.failure: BaseException | None = None
        self.link_state = LinkState.DOWN
        self.connection: Connection | None = None  # the one in use, authenticated or not
        self.link: WebSocket | None = None  # where frames may be written: online only
        self.connections = 0
        self.reconnect = Reconnect(
            base=settings.reconnect_interval,
            longest=settings.max_reconnect_delay,
            auth_attempts=settings.auth_attempts,
        )
        self.waiting_since: float | None = clock()  # for a connection; while standing by nobody waits for one
        self.last_error: BaseException | None = None  # of the last attempt to connect
        self.agent_id: str | None = None
        self.agent_name: str | None = None
        self.onboarding_seed: OnboardingSeed | None = None

        self.outbox = Outbox(settings.max_buffered_bytes, settings.max_buffered_terminals)
        self.scheduler = Scheduler(
            settings.concurrency_mode,
            max_running=settings.max_workers,
            max_waiting=settings.max_queued_tasks,
            max_waiting_bytes=settings.max_queued_bytes,
            max_consecutive=settings.max_consecutive_per_conversation,
            max_leftovers=settings.leftover_factor * settings.max_workers,
            max_finished=settings.max_finished_ids,
        )
        self.waiting: dict[str, TaskArrived] = {}  # every task that waits for its handler's start
        self.tasks: dict[str, RunningTask] = {}  # every task that runs, is detached or left over
        self.rescues = 0  # answers and messages under way by HTTP
        self.rescue_ready = False  # what that needs is loaded, or will be in a moment
        self.beating = False  # the timer of the tasks' heartbeats is set
        self.ending = False  # a pong is wanted at once for whatever needs one
        self.timers = TimerHeap()  # what the pinger does next
        self.stop_times: StopTimes | None = None  # while draining
        self.why_stopped = ""  # what connect() raises then
        self.closing = False  # no connection is made any more
        self.counters = Counters()

    def make_locks(self) -> None:
        """Make the lock and what rests on it, anew in a forked child."""
        self.lock = threading.Lock()
        self.changes = StateChanges(self.lock)  # of life and link
        self.due = threading.Condition(self.lock)  # the pinger has something to do earlier than it knew

    @property
    def stopping(self) -> bool:
        """Whether the end was asked for, or has come."""
        return self.life not in (Life.NEW, Life.RUNNING)

    @property
    def over(self) -> bool:
        """Whether the end has come."""
        return self.life.over

    def has_work(self) -> bool:
        """Tell whether a task is open, a handler runs that was not told to stop, or an answer is under way."""
        return bool(
            self.rescues
            or self.waiting
            or any(
                task.ended is None or (task.handling and task.ended != "cancelled")
                for task in self.tasks.values()
            )
        )

    def open_tasks(self) -> int:
        """Return how many tasks are unanswered. Call it without the lock."""
        with self.lock:
            return len(self.waiting) + sum(task.ended is None for task in self.tasks.values())

    def schedule(self, timer: str, at: float) -> None:
        """Have the pinger do something at a moment on the clock, or earlier if it is due already."""
        if self.timers.hasten(timer, at):
            self.due.notify()

    def begin_to_beat(self) -> None:
        """Note that there is a task: set the timer of the heartbeats, and prepare for its rescue."""
        self.beating = True
        self.schedule("heartbeat", self.clock() + self.settings.heartbeat_interval)
        self.prepare_rescue()

    def prepare_rescue(self) -> None:
        """Have what a rescue needs loaded in a while: from now on there is something that may get lost."""
        if not self.rescue_ready:
            self.rescue_ready = True
            self.schedule("rescue", self.clock() + self.settings.rescue_ready_after)

    def timer_due(self) -> bool:
        """Tell whether the pinger has something to do at once."""
        with self.lock:
            at = self.timers.next()
            return at is not None and at <= self.clock()

    def flush_soon(self, within: float = 0.0) -> None:
        """Have the pinger write what waits, unless another thread does within so many seconds."""
        self.schedule("flush", self.clock() + within)

    def ping(self, connection: Connection) -> None:
        """Note that a ping follows what was written on a connection."""
        # As long as a repair waits, what was written of an answer may have been written on an earlier connection.
        repairing = self.outbox.repairing
        connection.receipts.pinged(() if repairing else (task.answer for task in self.tasks.values()))

    @property
    def unproven(self) -> bool:
        """Whether something waits to be written, or for its receipt."""
        return bool(self.outbox) or (self.connection is not None and len(self.connection.receipts) > 0)

    def take_link_down(self, link: WebSocket) -> None:
        """Stop writing to a link that failed or ended; what waits is kept for the next one."""
        if self.link is link:
            self.link = None
            self.outbox.go_offline()
