"""A wait for the state to change, which Ctrl-C may interrupt anywhere. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..net.deadline import Deadline


class StateChanges:
    """Have threads wait until something is so.

    A KeyboardInterrupt that comes while threading.Condition acquires its lock again makes the waiting thread
    release a lock that it does not hold, or that another thread holds. Here nothing is held at that time.

    Args:
        lock: guards what is waited for.

    Attributes:
        waiters: those who wait; others may look whether there are any.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self.waiters: list[threading.Lock] = []

    def notify_all(self) -> None:
        """Have all who wait look again. Call it with the lock held."""
        while self.waiters:
            self.notify_one()

    def notify_one(self) -> None:
        """Have the one look again who has waited longest, if anybody waits. Call it with the lock held."""
        if self.waiters:
            waiter = self.waiters[0]
            if waiter.locked():  # if not, an exception from outside came before the next line the last time
                waiter.release()
            del self.waiters[0]

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        """Block until something is so; return whether it is when the time is up. Call it without the lock.

        Args:
            predicate: whether it is so; called with the lock held.
            timeout: seconds; None for no limit.
        """
        deadline = Deadline(timeout)
        waiter: threading.Lock | None = None  # whose notice was not looked at yet
        try:
            while True:
                waiter = threading.Lock()
                waiter.acquire()
                with self._lock:
                    # Before the look: who changes something without the lock, and then finds nobody who waits, has
                    # changed it before this look.
                    self.waiters.append(waiter)
                    if predicate():
                        self.waiters.remove(waiter)
                        waiter = None
                        return True
                if not waiter.acquire(timeout=_bounded(deadline.left())):
                    with self._lock:
                        self._give_up(waiter)
                        waiter = None
                        return predicate()
        finally:
            if waiter is not None:  # interrupted
                with self._lock:
                    self._give_up(waiter)

    def _give_up(self, waiter: threading.Lock) -> None:
        """Wait no more; if the one notice has just come, it is another's."""
        if waiter in self.waiters:
            self.waiters.remove(waiter)
        else:
            self.notify_one()


def _bounded(seconds: float | None) -> float:
    return -1 if seconds is None else min(seconds, threading.TIMEOUT_MAX)
