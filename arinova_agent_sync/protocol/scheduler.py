"""Which task runs next, which waits, which is refused.

A *lane* is what runs one task at a time: a conversation, or each task alone in the unbounded mode and for
tasks without a conversation. Not thread-safe: call it under the state lock.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

from ..settings import ConcurrencyMode


class Start(NamedTuple):
    """Run the task now."""


class Wait(NamedTuple):
    """The task waits: its place in its lane from 0, and how many wait in all."""

    position: int
    total: int


class Overflow(NamedTuple):
    """Too many wait already; the task is not remembered."""


class Duplicate(NamedTuple):
    """The task is running, waiting, or finished not long ago."""


_START = Start()
_Waiting = tuple[int, Hashable, str]  # number of its arrival, lane, task id


class Scheduler:
    """Decide about tasks by their ids.

    Args:
        mode: "per-conversation", "agent-wide" or "unbounded".
        max_running: tasks at a time.
        max_waiting: tasks that may wait, over all lanes.
        max_waiting_bytes: bytes of their payloads, all together.
        max_consecutive: agent-wide, tasks of one conversation in a row while others wait.
        max_leftovers: handlers of cancelled tasks that still run, above which no task starts.
        max_finished: finished task ids remembered.
    """

    def __init__(
        self,
        mode: ConcurrencyMode,
        *,
        max_running: int,
        max_waiting: int,
        max_waiting_bytes: int,
        max_consecutive: int,
        max_leftovers: int,
        max_finished: int,
    ) -> None:
        self._mode = mode
        self._max_running = 1 if mode == "agent-wide" else max_running
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._max_consecutive = max_consecutive
        self._max_leftovers = max_leftovers
        self._max_finished = max_finished
        self._arrivals = 0
        self._running: dict[str, Hashable] = {}
        self._detached: set[str] = set()  # of those that run: no worker is at them
        self._busy: set[Hashable] = set()
        # Only lanes in which a task waits. Most have one task, for which a deque takes ten times a list's memory.
        self._lanes: dict[Hashable, list[_Waiting]] = {}
        self._waiting: dict[str, Hashable] = {}
        self._sizes: dict[str, int] = {}  # bytes, of those that wait
        self._waiting_bytes = 0
        self._ready: list[_Waiting] = []  # heap of the first tasks of lanes that may start; stale ones too
        self._finished: OrderedDict[str, None] = OrderedDict()
        self._leftovers: set[str] = set()
        self._last_lane: Hashable = None
        self._consecutive = 0

    @property
    def running(self) -> int:
        """How many tasks hold a worker."""
        return len(self._running) - len(self._detached)

    @property
    def detached(self) -> int:
        """How many tasks go on without a worker."""
        return len(self._detached)

    @property
    def waiting(self) -> int:
        """How many tasks wait."""
        return len(self._waiting)

    @property
    def leftovers(self) -> int:
        """How many handlers of cancelled tasks still run."""
        return len(self._leftovers)

    def blockers(self) -> list[str]:
        """Name the cancelled tasks whose handlers keep others from starting; none if they do not."""
        return sorted(self._leftovers) if len(self._leftovers) >= self._max_leftovers else []

    def knows(self, task_id: str) -> bool:
        """Tell whether a task is running, waiting, left over or finished not long ago."""
        return (
            task_id in self._running
            or task_id in self._waiting
            or task_id in self._finished
            or task_id in self._leftovers
        )

    def arrived(
        self, task_id: str, conversation_id: str | None, size: int = 0
    ) -> Start | Wait | Overflow | Duplicate:
        """Decide about a new task, whose payload has so many bytes."""
        # As knows() does, without its call: this is on every task's way.
        running, waiting, leftovers = self._running, self._waiting, self._leftovers
        if task_id in running or task_id in waiting or task_id in self._finished or task_id in leftovers:
            return Duplicate()
        lane: Hashable = conversation_id
        if conversation_id is None or self._mode == "unbounded":
            lane = ("task", task_id)
        if lane not in self._busy and lane not in self._lanes and self._has_room():
            self._start(task_id, lane)
            return _START
        if len(self._waiting) >= self._max_waiting or self._waiting_bytes + size > self._max_waiting_bytes:
            return Overflow()
        self._sizes[task_id] = size
        self._waiting_bytes += size
        self._arrivals += 1
        entry = (self._arrivals, lane, task_id)
        self._waiting[task_id] = lane
        queue = self._lanes.get(lane)
        if queue is not None:
            queue.append(entry)
            return Wait(len(queue) - 1, len(self._waiting))
        self._lanes[lane] = [entry]
        if lane not in self._busy:
            heapq.heappush(self._ready, entry)
        return Wait(0, len(self._waiting))

    def next(self) -> str | None:
        """Return a waiting task to start now, None if there is none; to be asked until there is none."""
        if not self._waiting or not self._has_room():
            return None
        first = self._next_first()
        if first is None:
            return None
        _, lane, task_id = first
        queue = self._lanes[lane]
        if len(queue) == 1:
            del self._lanes[lane]
        else:
            del queue[0]
        del self._waiting[task_id]
        self._waiting_bytes -= self._sizes.pop(task_id)
        self._start(task_id, lane)
        return task_id

    def detached_from_worker(self, task_id: str) -> None:
        """Note that a running task goes on without a worker; its lane stays busy."""
        if task_id in self._running:
            self._detached.add(task_id)

    def finished(self, task_id: str) -> None:
        """Free the slot of a running task and remember its id."""
        if task_id in self._running:
            self._free(task_id)
            self._remember(task_id)

    def cancelled(self, task_id: str) -> bool:
        """Forget a waiting task, or free the slot of a running one whose handler goes on; tell if it ran."""
        if task_id in self._running:
            self._free(task_id)
            self._leftovers.add(task_id)
            return True
        if task_id in self._waiting:
            self._unqueue(task_id)
            self._remember(task_id)
        return False

    def leftover_ended(self, task_id: str) -> None:
        """Note that the handler of a cancelled task is over."""
        if task_id in self._leftovers:
            self._leftovers.remove(task_id)
            self._remember(task_id)

    def _has_room(self) -> bool:
        # Agent-wide there is one task at a time, whatever it waits for.
        held = len(self._running)
        if self._mode != "agent-wide":
            held -= len(self._detached)
        return held < self._max_running and len(self._leftovers) < self._max_leftovers

    def _start(self, task_id: str, lane: Hashable) -> None:
        self._running[task_id] = lane
        self._busy.add(lane)
        self._consecutive = self._consecutive + 1 if lane == self._last_lane else 1
        self._last_lane = lane

    def _free(self, task_id: str) -> None:
        lane = self._running.pop(task_id)
        self._detached.discard(task_id)
        self._busy.discard(lane)
        if queue := self._lanes.get(lane):
            heapq.heappush(self._ready, queue[0])

    def _next_first(self) -> _Waiting | None:
        first = self._pop_ready()
        if first is None:
            return None
        unfair = (
            self._mode == "agent-wide"
            and first[1] == self._last_lane
            and self._consecutive >= self._max_consecutive
        )
        if unfair and (second := self._pop_ready()) is not None:
            heapq.heappush(self._ready, first)
            return second
        return first

    def _pop_ready(self) -> _Waiting | None:
        while self._ready:
            entry = heapq.heappop(self._ready)
            queue = self._lanes.get(entry[1])
            if queue and queue[0] is entry and entry[1] not in self._busy:
                return entry
        return None

    def _unqueue(self, task_id: str) -> None:
        lane = self._waiting.pop(task_id)
        self._waiting_bytes -= self._sizes.pop(task_id)
        queue = self._lanes[lane]
        was_first = queue[0][2] == task_id
        self._lanes[lane] = queue = [entry for entry in queue if entry[2] != task_id]
        if not queue:
            del self._lanes[lane]
        elif was_first and lane not in self._busy:
            heapq.heappush(self._ready, queue[0])

    def _remember(self, task_id: str) -> None:
        self._finished[task_id] = None
        if len(self._finished) > self._max_finished:
            self._finished.popitem(last=False)
