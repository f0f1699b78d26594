"""Scope: what a cancelled task may end. Thread-safe; knows no HTTP library and no socket.

A scope owns what its task waits for. A cancel shuts down what is owned, under the scope's lock. Giving something up
takes the same lock, so whoever gave it up knows that no cancel can touch it any more. The clients' adapters give a
connection up before their pool, and so another task, can get it, and before its descriptor is closed, and so its
number can be used again. Then they look whether the scope has ended, and drop what they have read if it has.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from ..errors import TaskCancelled


class Owned(Protocol):
    """What a scope can own."""

    def shut(self) -> None:
        """End the wait for it, in no time and without raising; called under the scope's lock, on any thread."""
        ...

    def abandon(self) -> None:
        """Release its resources: the task has ended without giving it up. Called without a lock."""
        ...


class Scope:
    """The waits of one task.

    Args:
        task_id: for the text of TaskCancelled.
    """

    __slots__ = ("__weakref__", "_lock", "_owned", "_task_id", "_wakers", "cancelled", "closed")

    def __init__(self, task_id: str) -> None:
        self._task_id = task_id
        # Re-entrant: the garbage collector may close a response, which gives it up, in the midst of anything.
        self._lock = threading.RLock()
        self._owned: set[Owned] = set()
        self._wakers: set[Callable[[], object]] = set()
        self.cancelled = False
        self.closed = False

    def enter(self) -> None:
        """Make this the scope of the current context."""
        entered.set(self)

    def check(self) -> None:
        """Raise TaskCancelled if the task was cancelled, or has ended."""
        if self.cancelled or self.closed:
            raise TaskCancelled(f"task {self._task_id} {'was cancelled' if self.cancelled else 'has ended'}")

    def own(self, thing: Owned) -> None:
        """Let a cancel shut something down from now on; raise TaskCancelled if it is too late for that."""
        with self._lock:
            self.check()
            self._owned.add(thing)

    def give_up(self, thing: Owned) -> None:
        """Let no cancel reach something any more. The caller then calls ``check``: it may have been shut down."""
        with self._lock:
            self._owned.discard(thing)

    @contextmanager
    def waking(self, wake: Callable[[], object]) -> Iterator[None]:
        """Have a quick function called at a cancel while the block runs, which calls ``check`` in the end.

        Raises TaskCancelled if there was one.
        """
        with self._lock:
            self.check()
            self._wakers.add(wake)
        try:
            yield
        finally:
            with self._lock:
                self._wakers.discard(wake)

    def wait(self, event: threading.Event, timeout: float | None = None) -> bool:
        """Wait for an event up to so many seconds, return whether it is set; raise TaskCancelled at a cancel."""
        with self.waking(event.set):
            event.wait(timeout)
            self.check()
            return event.is_set()

    def cancel(self) -> None:
        """End what the task waits for, and all that it will wait for. Any thread may call it."""
        with self._lock:
            self.cancelled = True
            self._shut()
            wakers = tuple(self._wakers)
        for wake in wakers:  # without the lock, since they take others
            wake()

    def close(self) -> None:
        """End what the task left unfinished: it is over."""
        with self._lock:
            self.closed = True
            if not self._owned:
                return
            self._shut()
            left, self._owned = self._owned, set()
        for thing in left:
            thing.abandon()

    def _shut(self) -> None:
        for thing in tuple(self._owned):
            thing.shut()


entered: ContextVar[Scope | None] = ContextVar("arinova_task_scope", default=None)


def current_scope() -> Scope | None:
    """Return the scope of the task whose handler runs in this context, if it has not ended without a cancel."""
    scope = entered.get()
    return None if scope is None or (scope.closed and not scope.cancelled) else scope
