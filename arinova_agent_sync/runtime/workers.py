"""Daemon worker threads, on demand: a blocked handler keeps neither the process alive nor another one waiting."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue

from .deadline import Deadline

_IDLE = 10.0  # seconds after which a worker without work ends


class Workers:
    """Threads that run what is submitted, one thing at a time each; how many at once is the scheduler's to say."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0  # threads that wait for work that is not queued yet
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

    def submit(self, work: Callable[[], None]) -> None:
        """Run something on a worker."""
        # All of it under the lock: close() must find the thread started, and the work put before its end.
        with self._lock:
            if self._closed:
                return
            if self._idle:
                self._idle -= 1
            else:
                self._started += 1
                target = partial(self._context.copy().run, self._run)
                thread = threading.Thread(target=target, name=f"arinova-worker-{self._started}", daemon=True)
                thread.start()
                self._threads.add(thread)
            self._queue.put(work)

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
                    self._idle += 1
        finally:
            with self._lock:
                self._threads.discard(me)
                self._busy.discard(me)

    def _next(self) -> Callable[[], None] | None:
        while True:
            try:
                return self._queue.get(timeout=_IDLE)
            except Empty:
                with self._lock:
                    if self._idle:
                        self._idle -= 1
                        return None
