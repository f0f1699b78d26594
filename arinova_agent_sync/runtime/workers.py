"""Daemon worker threads, on demand: a blocked handler keeps neither the process alive nor another one waiting."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable
from functools import partial

from ..log import logger
from ..net.deadline import Deadline

_IDLE = 10.0  # seconds after which a worker without work ends


class Workers:
    """Threads that run what is submitted, one thing at a time each; how many at once is the scheduler's to say."""

    def __init__(self) -> None:
        # By its module's name: gevent may have put its own in that place after this file was loaded.
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0  # threads that wait for work that is not queued yet
        self._owed = 0  # queued works that no thread was started for: busy ones take them
        self._started = 0
        self._threads: set[threading.Thread] = set()
        self._busy: set[threading.Thread] = set()
        self._closed = False
        # That of connect(). By it a notebook knows under which cell to show what a handler prints.
        self._context = contextvars.copy_context()

    def threads(self) -> list[threading.Thread]:
        """Return the threads that have not ended."""
        with self._lock:
            return list(self._threads)

    def submit(self, work: Callable[[], None]) -> bool:
        """Run something on a worker; after ``close`` do nothing.

        If the system gives no more threads, it runs on one that is busy now, once that is free. Returns False,
        and nothing is run, if there is none.
        """
        failure: RuntimeError | None = None
        # All of it under the lock: close() must find the thread started, and the work put before its end.
        with self._lock:
            if self._closed:
                return True
            if self._idle:
                self._idle -= 1
            else:
                failure = self._start()
                self._owed += failure is not None and bool(self._busy)
            accepted = failure is None or bool(self._busy)
            if accepted:
                self._queue.put(work)
        if failure is not None:
            logger.warning("no thread could be started for a handler: %s", failure)
        return accepted

    def close(self, deadline: Deadline, grace: float = 0.0) -> None:
        """End the idle workers, and the busy ones once they are free; wait for the idle ones.

        Args:
            deadline: for all of it.
            grace: seconds that the busy ones are waited for, all together.
        """
        with self._lock:
            self._closed = True
            idle, busy = self._threads - self._busy, self._threads & self._busy
        for _ in idle | busy:
            self._queue.put(None)
        for thread in idle:
            thread.join(deadline.left())
        busy_deadline = Deadline(deadline.left(grace))
        for thread in busy:
            thread.join(busy_deadline.left())

    def _start(self) -> RuntimeError | None:
        target = partial(self._context.copy().run, self._run)
        thread = threading.Thread(target=target, name=f"arinova-worker-{self._started + 1}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # a limit of the system's, or the interpreter is exiting
            return error
        self._started += 1
        self._threads.add(thread)
        return None

    def _run(self) -> None:
        me = threading.current_thread()
        try:
            while (work := self._next()) is not None:
                with self._lock:
                    self._busy.add(me)
                work()
                del work  # or its task would live until the next one comes
                with self._lock:
                    self._busy.discard(me)
                    if self._owed:
                        self._owed -= 1
                    else:
                        self._idle += 1
        finally:
            with self._lock:
                self._threads.discard(me)
                self._busy.discard(me)

    def _next(self) -> Callable[[], None] | None:
        while True:
            try:
                return self._queue.get(timeout=_IDLE)
            except queue.Empty:
                with self._lock:
                    if self._idle:
                        self._idle -= 1
                        return None
