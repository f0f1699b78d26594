"""What the server may not have read yet.

It reads the frames of a connection in order, so a pong tells that it has read whatever left before the ping.
What a lost connection leaves here was taken by the kernel and may never have arrived. Not thread-safe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .answer import Answer
from .pieces import Receipt, Terminal

_MOST = 10_000  # frames that are kept until they are proven
_MOST_BYTES = 16 * 1024 * 1024  # of them
_MANY = 100  # frames after which a pong is asked for
_MANY_BYTES = 1024 * 1024  # of them


class _Ping(NamedTuple):
    """A ping under way: how many frames left before it, and how many characters of each answer in doubt."""

    frames: int
    texts: Sequence[tuple[Answer, int]]


class Receipts:
    """What left on one connection, until a pong proves that it was read.

    Attributes:
        repairing: the answer that was repaired first, until a pong has come.
    """

    def __init__(self) -> None:
        self.repairing: Answer | None = None
        self._unproven: deque[Receipt] = deque()
        self._bytes = 0
        self._proven = 0  # how many were proven or forgotten
        self._pings: deque[_Ping] = deque()
        self._unasked = 0  # frames since the last ping
        self._unasked_bytes = 0

    def __len__(self) -> int:
        return len(self._unproven)

    @property
    def pong_wanted(self) -> bool:
        """Whether so much has left since the last ping that it is time for one."""
        return self._unasked >= _MANY or self._unasked_bytes >= _MANY_BYTES

    def written(self, frame: Receipt) -> list[Receipt]:
        """Note a frame that is handed to the kernel now; return the oldest, forgotten, if there are too many."""
        size = len(frame.payload)
        self._unproven.append(frame)
        self._bytes += size
        self._unasked += 1
        self._unasked_bytes += size
        forgotten: list[Receipt] = []
        while len(self._unproven) > _MOST or (self._bytes > _MOST_BYTES and len(self._unproven) > 1):
            forgotten.append(self._take())
        return forgotten

    def repaired(self, answer: Answer) -> None:
        """Note that an answer's whole text is handed to the kernel now."""
        self.repairing = self.repairing or answer

    def pinged(self, answers: Iterable[Answer] = ()) -> None:
        """Note that a ping follows what was written, all that was of these answers included."""
        texts = [(answer, answer.written) for answer in answers if answer.in_doubt]
        self._pings.append(_Ping(self._proven + len(self._unproven), texts))
        self._unasked = self._unasked_bytes = 0

    def ponged(self) -> list[Receipt]:
        """Return what the pong to the oldest ping under way proves."""
        if not self._pings:
            return []
        ping = self._pings.popleft()
        self.repairing = None
        for answer, written in ping.texts:
            answer.proven = max(answer.proven, written)
        proven = []
        while self._proven < ping.frames:
            frame = self._take()
            if isinstance(frame, Terminal):
                frame.answer.proven = frame.answer.written
            proven.append(frame)
        return proven

    def take_unproven(self) -> list[Receipt]:
        """Remove and return what may not have been read, oldest first: the connection is over."""
        unproven = list(self._unproven)
        self._proven += len(unproven)
        self._unproven.clear()
        self._bytes = 0
        return unproven

    def _take(self) -> Receipt:
        frame = self._unproven.popleft()
        self._bytes -= len(frame.payload)
        self._proven += 1
        return frame
