"""One budget of time shared by several waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import overload

__all__ = ["Deadline"]


class Deadline:
    """Remember by when something must be done. Thread-safe: it never changes.

    Args:
        seconds: the whole budget, from now on; None for no limit.
        clock: what tells the time, in seconds.
    """

    __slots__ = ("_clock", "at", "seconds")

    def __init__(self, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self.seconds = seconds
        self.at = None if seconds is None else clock() + seconds  # on the clock; None for never

    @overload
    def left(self, at_most: float) -> float: ...

    @overload
    def left(self, at_most: None = None) -> float | None: ...

    def left(self, at_most: float | None = None) -> float | None:
        """Return the seconds that are left, never below 0; None for no limit.

        Args:
            at_most: seconds; another limit, of which the shorter counts. None for none.
        """
        if self.at is None:
            return at_most
        left = max(0.0, self.at - self._clock())
        return left if at_most is None else min(left, at_most)

    def require(self) -> float | None:
        """Return the seconds that are left, None for no limit; raise TimeoutError if there are none."""
        left = self.left()
        if left == 0.0:
            raise TimeoutError(f"nothing is left of {self.seconds:g} s")
        return left

    @property
    def expired(self) -> bool:
        """Whether nothing is left."""
        return self.left() == 0.0
