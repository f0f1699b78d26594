"""Daemon worker threads, on demand: a blocked handler keeps neither the process alive nor another one waiting.

Where there are some threads already, and work is over after no time, further work waits a moment for one of them:
dozens of threads for a burst of such work would only take the interpreter's lock from each other.
"""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Callable
from functools import partial

from ..log import logger
from ..net.deadline import Deadline
from .state_changes import StateChanges

_IDLE = 10.0  # seconds after which a worker without work ends
_FEW = 4  # threads, up to which work never waits
_MOMENT = 0.005  # seconds: as long as a thread may keep the interpreter's lock

Work = Callable[[], None]


class Workers:
    """Threads that run what is submitted, one thing at a time each; how many at once is the scheduler's to say."""

    def __init__(self) -> None:
        # By its module's name: gevent may have put its own in that place after this file was loaded.
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()  # None once closed, for good
        self._lock = threading.Lock()
        self._idle = 0  # threads that wait for work that is not queued yet
        self._owed = 0  # queued works that no idle thread was woken for: the first free one takes them
        self._queued = 0  # works that ever were
        self._over_at = float("-inf")  # when a work was over last
        self._watched = False  # a thread looks whether what is owed is taken soon
        self._started = 0
        self._threads: set[threading.Thread] = set()
        self._busy: set[threading.Thread] = set()
        self._closed = threading.Event()
        self._changes = StateChanges(self._lock)  # of the threads, once closed
        # That of connect(). By it a notebook knows under which cell to show what a handler prints.
        self._context = contextvars.copy_context()

    @property
    def behind(self) -> bool:
        """Whether work waits for a thread."""
        return self._owed > 0

    def threads(self) -> list[threading.Thread]:
        """Return the threads that have not ended."""
        with self._lock:
            return list(self._threads)

    def submit(self, work: Work) -> bool:
        """Run something on a worker; after ``close`` do nothing.

        If the system gives no more threads, it runs on one that is busy now, once that is free. Returns False,
        and nothing is run, if there is none.
        """
        failure: RuntimeError | None = None
        # All of it under the lock: close() must find the thread started, and the work put before its end.
        with self._lock:
            if self._closed.is_set():
                return True
            if self._idle:
                self._idle -= 1
                self._queued += 1
                self._queue.put(work)
                return True
            # Where some is owed it goes first: after a failure nobody may watch it.
            if not self._owed and (len(self._threads) < _FEW or time.monotonic() - self._over_at > _MOMENT):
                failure = self._start(partial(self._run, [work]))
                if failure is None:
                    return True
            elif not self._watched:
                failure = self._start(self._watch)
                self._watched = failure is None
            accepted = bool(self._threads)  # none of them is idle
            if accepted:
                self._owed += 1
                self._queued += 1
                self._queue.put(work)
        if failure is not None:
            _warn(failure)
        return accepted

    def close(self, deadline: Deadline, grace: float = 0.0) -> None:
        """End the idle workers, and the busy ones once they are free; wait for the idle ones.

        Args:
            deadline: for all of it.
            grace: seconds that the busy ones are waited for, all together.
        """
        with self._lock:
            if not self._closed.is_set():
                self._closed.set()
                self._queue.put(None)
            idle = self._threads - self._busy
        # One that was woken for work becomes busy yet.
        self._changes.wait_for(lambda: not self._threads - self._busy, deadline.left())
        for thread in idle.difference(self.threads()):
            thread.join(deadline.left())
        busy_deadline = Deadline(deadline.left(grace))
        for thread in self.threads():
            thread.join(busy_deadline.left())

    def _start(self, target: Work) -> RuntimeError | None:
        """Start a thread, which counts as busy; return why there is none. Under the lock."""
        name = f"arinova-worker-{self._started + 1}"
        thread = threading.Thread(target=partial(self._context.copy().run, target), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # a limit of the system's, or the interpreter is exiting
            return error
        self._started += 1
        self._threads.add(thread)
        self._busy.add(thread)
        return None

    def _run(self, first: list[Work]) -> None:
        """Live as a worker: run what comes, until nothing does for a while.

        Args:
            first: what to begin with, if anything; it is taken out, or its task would live as long as the thread.
        """
        me = threading.current_thread()
        try:
            work = first.pop() if first else self._next(me)
            while work is not None:
                try:
                    work()
                except BaseException as error:  # what is owed may have no other thread
                    logger.critical("a worker failed: this is a bug of arinova_agent_sync", exc_info=error)
                del work  # or its task would live until the next one comes
                with self._lock:
                    self._over_at = time.monotonic()
                    if self._owed:
                        self._owed -= 1
                    else:
                        self._rest(me)
                work = self._next(me)
        finally:
            with self._lock:
                self._threads.discard(me)
                self._busy.discard(me)
                self._changes.notify_all()

    def _next(self, me: threading.Thread) -> Work | None:
        while True:
            try:
                work = self._queue.get(timeout=_IDLE)
            except queue.Empty:
                with self._lock:
                    if self._idle:
                        self._idle -= 1
                        self._threads.discard(me)  # at once: what is accepted now is not for this one
                        return None
                continue
            if work is None:
                self._queue.put(None)  # for the others
                return None
            self._busy.add(me)
            if self._closed.is_set():
                with self._lock:
                    self._changes.notify_all()
            return work

    def _watch(self) -> None:
        """Start threads for work that is not taken soon; look as long as any is owed, then live as a worker."""
        looks = True
        while looks:
            with self._lock:
                mark = self._queued
            closed = self._closed.wait(_MOMENT)
            with self._lock:
                since = self._queued - mark
                late = self._owed if closed else max(0, min(self._queue.qsize() - since, self._owed))
                looks = late < self._owed
                if not looks:
                    late -= self._take_part()
            if not self._start_owed(late) and looks:
                looks = False
                with self._lock:
                    self._take_part()
        self._run([])

    def _take_part(self) -> bool:
        """Have the thread that watches be a worker; return whether it takes a work that is owed. Under the lock."""
        self._watched = False
        if self._owed:
            self._owed -= 1
            return True
        self._rest(threading.current_thread())
        return False

    def _start_owed(self, count: int) -> bool:
        """Start so many threads for works that are owed; return False if the system gives none."""
        for _ in range(count):
            with self._lock:
                if not self._owed:
                    break
                failure = self._start(partial(self._run, []))
                if failure is None:
                    self._owed -= 1
            if failure is not None:
                _warn(failure)
                return False
        return True

    def _rest(self, me: threading.Thread) -> None:
        """Count a thread as one that waits for work. Under the lock."""
        self._busy.discard(me)
        self._idle += 1


def _warn(failure: RuntimeError) -> None:
    logger.warning("no thread could be started for a handler: %s", failure)
