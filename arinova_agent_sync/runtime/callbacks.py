"""The thread that runs lifecycle callbacks and on_cancel functions, in order, so that they may block.

It starts with the first callback that there is something to run for, and never while the interpreter exits.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from ..net.deadline import Deadline
from .listeners import Listeners

logger = logging.getLogger("arinova_agent_sync")


class Callbacks:
    """Run callbacks one after another.

    Args:
        listeners: who listens.
        failed: called when a callback raised.
    """

    def __init__(self, listeners: Listeners, failed: Callable[[], None]) -> None:
        self._listeners = listeners
        self._failed = failed
        self._queue: SimpleQueue[tuple[str, Callable[[], object]] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._context = contextvars.copy_context()  # that of connect(), as for handlers

    @property
    def thread(self) -> threading.Thread | None:
        """The thread, once there is one."""
        return self._thread

    def fire(self, event: str, *values: object) -> None:
        """Call all that listen to an event."""
        for function, accepted in self._listeners.to(event):
            self.call(f"on_{event}", partial(function, *values[:accepted]))

    def call(self, name: str, function: Callable[[], object]) -> None:
        """Call one function."""
        with self._lock:
            if self._closed:
                return
            self._queue.put((name, function))
            if self._thread is None:
                self._start()

    def close(self) -> None:
        """End the thread once what waits has run."""
        with self._lock:
            self._closed = True
            self._queue.put(None)

    def join(self, deadline: Deadline) -> None:
        """Wait for the thread's end, unless this is it."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(deadline.left())

    def _start(self) -> None:
        target = partial(self._context.run, self._run)
        thread = threading.Thread(target=target, name="arinova-callbacks", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            logger.debug("callbacks are not run any more: the interpreter is exiting")
        else:
            self._thread = thread

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            name, function = item
            try:
                function()
            except BaseException:
                logger.exception("a callback of %s raised", name)
                self._failed()
            del item, function  # or what they hold would live until the next one comes
