"""What is due when: a heap of (moment, name), each name once. Not thread-safe: call it under the state lock."""

from __future__ import annotations

import heapq


class TimerHeap:
    """Timers by name, each due at one moment, in seconds on a clock of the caller's."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []  # what is not in the dict any more is passed over

    def set(self, name: str, at: float) -> None:
        """Have a timer come at a moment, whenever it was to come before."""
        self._due[name] = at
        heapq.heappush(self._heap, (at, name))

    def hasten(self, name: str, at: float) -> bool:
        """Have a timer come at a moment or before; return False, and nothing changes, if it does already."""
        known = self._due.get(name)
        if known is not None and known <= at:
            return False
        self.set(name, at)
        return True

    def cancel(self, name: str) -> None:
        """Have a timer not come; do nothing if it was not to."""
        self._due.pop(name, None)

    def next(self) -> float | None:
        """Return the moment of the earliest timer, None if there is none."""
        while self._heap:
            at, name = self._heap[0]
            if self._due.get(name) == at:
                return at
            heapq.heappop(self._heap)
        return None

    def take(self, now: float) -> str | None:
        """Remove and return the earliest timer that is due, None if none is."""
        at = self.next()
        if at is None or at > now:
            return None
        name = heapq.heappop(self._heap)[1]
        del self._due[name]
        return name
