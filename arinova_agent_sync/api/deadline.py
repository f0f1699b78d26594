"""One budget of seconds, shared by every wait of one call."""

from __future__ import annotations

import time
from collections.abc import Callable


class Deadline:
    """A point in time that a call must not outlive. Safe to read from several threads."""

    __slots__ = ("_clock", "_end", "seconds")

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left, 0 if there are none."""
        return max(0.0, self._end - self._clock())

    def require(self) -> float:
        """Return the seconds that are left; raise TimeoutError if there are none."""
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError(f"nothing is left of {self.seconds:g} s")
        return left
