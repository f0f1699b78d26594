"""Whether a peer that sends nothing is dead. Not thread-safe: call it under the state lock."""

from __future__ import annotations

_LATE = 0.25  # part of the patience; who comes later than that did not run


class Liveness:
    """When one connection's peer was asked for a sign of life, and for how long it may still stay silent.

    Silence counts only while this process ran: after a suspension, a breakpoint or a call that held the interpreter
    the peer is asked first. All times are in seconds, moments on a clock of the caller's.

    Args:
        patience: how long a ping may stay unanswered.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._asked_at: float | None = None  # by the oldest ping that no pong answered
        self._left = False  # whether that one has left
        # What was due when this process did not run, as far as it was judged.
        self._excused: float | None = None

    def pinged(self, now: float, due: float) -> None:
        """Note that a ping is to leave now that was due at a moment."""
        if self._asked_at is None or now - due > _LATE * self._patience:
            self._asked_at = now
            self._left = False

    def left(self, now: float) -> None:
        """Note that what waited leaves: a ping may wait for a long frame to a peer that reads slowly."""
        if self._asked_at is not None and not self._left:
            self._asked_at = now
        self._left = True

    def ponged(self) -> None:
        """Note that a ping was answered."""
        self._asked_at = None

    def patience_left(self, now: float, due: float | None, *, waiting: bool = False) -> float:
        """Return how much longer to wait for a peer that was silent for too long; 0 if it is dead.

        Args:
            now: the moment.
            due: when the next ping, or anything before it, was or is to leave.
            waiting: whether a ping waits for a write to end, which fails by itself if the peer takes no more bytes.
        """
        if waiting:
            return self._patience
        late = due is not None and due != self._excused and now - due > _LATE * self._patience
        if late:
            self._excused = due  # once: the one who pings may hang in a write to this very peer
        if self._asked_at is None or late:
            self._asked_at = now
        return max(0.0, self._asked_at + self._patience - now)
