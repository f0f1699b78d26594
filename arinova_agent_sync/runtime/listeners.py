"""Who listens to which lifecycle event."""

from __future__ import annotations

import threading
from collections.abc import Callable

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
