"""Who listens to which lifecycle event, and the thread that calls them, in order, so that they may block.

It starts with the first callback that there is something to run for, and never while the interpreter exits.
"""

from __future__ import annotations

import contextvars
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from ..log import logger
from ..net.deadline import Deadline
from ..net.forks import renew_after_fork
from .workers import Workers

_MOST = 1_000  # events that wait for a function that blocks
_WHOLE = 10  # of them that keep all that their tracebacks hold

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


class Listeners:
    """Who listens to what. Thread-safe; one function, or one with the same qualified name, listens once."""

    def __init__(self) -> None:
        self.after_fork()
        renew_after_fork(self.after_fork)
        self._functions: dict[str, dict[object, tuple[Callback, int]]] = {event: {} for event in EVENTS}

    def after_fork(self) -> None:
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


class _Call(NamedTuple):
    """A function to be called, the event that it listens to, and the event's values."""

    event: str
    function: Callable[[], object]
    values: Sequence[object]


class Callbacks:
    """Run callbacks one after another, on a thread that starts with the first.

    Args:
        listeners: who listens.
        workers: run what must not wait for a callback that blocks.
        failed: called when a callback raised.

    Attributes:
        dropped: how many events were dropped because too many waited for a function that blocks.
    """

    def __init__(self, listeners: Listeners, *, workers: Workers, failed: Callable[[], None]) -> None:
        self._listeners = listeners
        self._workers = workers
        self._failed = failed
        self._lock = threading.Lock()
        self._due = threading.Condition(self._lock)
        self._waiting: deque[_Call] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._context = contextvars.copy_context()  # that of connect(), as for handlers
        self.dropped = 0

    @property
    def thread(self) -> threading.Thread | None:
        """The thread, once there is one."""
        return self._thread

    def fire(self, event: str, *values: object) -> None:
        """Call all that listen to an event, in order."""
        for function, accepted in self._listeners.to(event):
            self.call(event, partial(function, *values[:accepted]), values)

    def at_once(self, event: str, functions: Sequence[Callable[[], object]]) -> None:
        """Call functions in order on a worker, whatever the callbacks before them wait for."""

        def call_all() -> None:
            for function in functions:
                self._call(event, function)

        if functions and not self._workers.submit(call_all):
            for function in functions:
                self.call(event, function)

    def close(self) -> None:
        """End the thread once what waits has run."""
        with self._lock:
            self._closed = True
            self._due.notify()

    def join(self, deadline: Deadline) -> None:
        """Wait for the thread's end, unless this is it."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(deadline.left())

    def call(self, event: str, function: Callable[[], object], values: Sequence[object] = ()) -> None:
        """Call one function behind those that wait; ``values`` are what it is called for."""
        with self._lock:
            if self._closed:
                return
            if crowded := len(self._waiting) >= _MOST:
                self._drop_one()
            self._waiting.append(_Call(event, function, values))
            heavy = len(self._waiting) > _WHOLE
            if self._thread is None:
                self._start()
            self._due.notify()
        if heavy:
            _lighten(values)
        if crowded and self.dropped == 1:
            logger.warning(
                "a callback blocks, and %d events wait for it: the oldest are dropped from now on", _MOST
            )

    def _drop_one(self) -> None:
        # An answer that was not delivered is handed over here or nowhere, so others go first.
        others = (place for place, call in enumerate(self._waiting) if call.event != "undelivered")
        del self._waiting[next(others, 0)]
        self.dropped += 1

    def _start(self) -> None:
        target = partial(self._context.run, self._run)
        thread = threading.Thread(target=target, name="arinova-callbacks", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            pass  # the interpreter is exiting: callbacks are not run any more
        else:
            self._thread = thread

    def _run(self) -> None:
        while (call := self._next()) is not None:
            self._call(call.event, call.function)
            del call  # or what it holds would live until the next one comes

    def _next(self) -> _Call | None:
        with self._lock:
            self._due.wait_for(lambda: self._waiting or self._closed)
            return self._waiting.popleft() if self._waiting else None

    def _call(self, event: str, function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as error:
            self._failed()
            logger.error("a callback of on_%s raised", event, exc_info=error)


def _lighten(values: Sequence[object]) -> None:
    """Let go of what the frames of tracebacks hold: hundreds of failures may wait for a callback that blocks."""
    seen: set[int] = set()
    errors = [value for value in values if isinstance(value, BaseException)]
    while errors:
        error = errors.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        errors += [other for other in (error.__cause__, error.__context__) if other is not None]


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
