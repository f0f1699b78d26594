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

# Each event, and how many values it hands over; a function may take fewer.
EVENTS = {
    "connected": 0,
    "disconnected": 1,
    "error": 1,
    "auth_failed": 1,
    "token_claimed": 1,
    "undelivered": 1,
}

Callback = Callable[..., object]

logger = logging.getLogger("arinova_agent_sync")


class Listeners:
    """Who listens to what. Thread-safe; one function, or one with the same qualified name, listens once."""

    def __init__(self) -> None:
        self.make_lock()
        self._functions: dict[str, dict[object, tuple[Callback, int]]] = {event: {} for event in EVENTS}

    def make_lock(self) -> None:
        """Make the lock, anew in a forked child, where a thread that is gone may have held it."""
        self._lock = threading.Lock()

    def add(self, event: str, function: Callback) -> None:
        """Listen; raise ValueError for an unknown event, TypeError for what cannot be called with its values."""
        check_event(event)
        accepted = _accepted(event, function)
        with self._lock:
            self._functions[event].pop(_identity(function), None)
            self._functions[event][_identity(function)] = (function, accepted)

    def remove(self, event: str, function: Callback) -> None:
        """Listen no more; do nothing if it did not."""
        check_event(event)
        with self._lock:
            self._functions[event].pop(_identity(function), None)

    def to(self, event: str) -> list[tuple[Callback, int]]:
        """Return the functions that listen, and how many values each takes."""
        with self._lock:
            return list(self._functions[event].values())


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


def check_event(event: object) -> None:
    """Raise ValueError for an event that does not exist."""
    if event not in EVENTS:
        raise ValueError(f"there is no event {event!r}; there are {', '.join(EVENTS)}")


def _accepted(event: str, function: Callback) -> int:
    if not callable(function):
        raise TypeError(f"on_{event} needs a function, not {type(function).__name__}")
    most = EVENTS[event]
    import inspect  # here: it is slow to load, and only some programs listen

    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C tell nothing
        return most
    for accepted in range(most, -1, -1):
        try:
            signature.bind(*range(accepted))
        except TypeError:
            continue
        return accepted
    raise TypeError(f"on_{event} hands over {most} value(s); {function!r} needs others")


def _identity(function: Callback) -> object:
    # A notebook cell that is run again makes a new function of the same name, which takes the old one's place.
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if hasattr(function, "__self__"):
        return function  # a bound method is made anew each time, and equal to the one before
    if module is None or name is None or "<lambda>" in name:
        return id(function)  # an object may be unhashable; it is kept, so its id stays its own
    return module, name
