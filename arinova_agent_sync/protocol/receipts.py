"""Which answers the server may not have read yet.

It reads the frames of a connection in order, so a pong tells that it has read whatever left before the ping.
What a lost connection leaves here was taken by the kernel and may never have arrived. Not thread-safe.
"""

from __future__ import annotations

from collections import deque

from .outbox import Terminal

_MOST = 100  # answers: one ping's interval of a busy agent's
_MOST_BYTES = 4 * 1024 * 1024  # of them


class Receipts:
    """The last frames of tasks that left on one connection, until a pong proves that they were read.

    The oldest are forgotten when there are too many.
    """

    def __init__(self) -> None:
        self._unproven: deque[Terminal] = deque()
        self._bytes = 0
        self._proven = 0  # how many were proven or forgotten
        self._pings: deque[int] = deque()  # for each that is under way, how many left before it

    def written(self, terminal: Terminal) -> None:
        """Note a frame that is handed to the kernel now."""
        self._unproven.append(terminal)
        self._bytes += len(terminal.payload)
        while len(self._unproven) > _MOST or self._bytes > _MOST_BYTES:
            self._forget()

    def pinged(self) -> None:
        """Note that a ping follows what was written."""
        self._pings.append(self._proven + len(self._unproven))

    def ponged(self) -> None:
        """Note the pong to the oldest ping under way."""
        if self._pings:
            read = self._pings.popleft()
            while self._proven < read:
                self._forget()

    def unproven(self) -> list[Terminal]:
        """Return what may not have been read, oldest first."""
        return list(self._unproven)

    def _forget(self) -> None:
        self._bytes -= len(self._unproven.popleft().payload)
        self._proven += 1
