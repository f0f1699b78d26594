"""Whether to connect again after a connection ended, and when. Not thread-safe: call it under the state lock."""

from __future__ import annotations

from typing import NamedTuple

from .session import Refused

_JITTER = 0.2


class Again(NamedTuple):
    """Connect again in so many seconds."""

    delay: float


class GiveUp(NamedTuple):
    """Do not connect again: the server refused the token so many times in a row, the last time like this."""

    refusal: Refused
    refusals: int


class Reconnect:
    """How the attempts to connect went, and what follows from it.

    Args:
        base: seconds before the first new attempt; doubled each time.
        longest: seconds between attempts at the most.
        auth_attempts: refused authentications in a row after which the agent gives up.
    """

    def __init__(self, *, base: float, longest: float, auth_attempts: int) -> None:
        self._base = base
        self._longest = longest
        self._auth_attempts = auth_attempts
        self._unproven = 0  # connections in a row that did not prove themselves
        self._refusals = 0  # in a row
        self._proven = False
        self.authenticated_once = False

    def begin(self) -> None:
        """Note that a new connection is attempted."""
        self._proven = False

    def authenticated(self) -> None:
        """Note that the server accepted the token."""
        self.authenticated_once = True
        self._refusals = 0

    def prove(self) -> None:
        """Note that the connection has proved itself: a pong came, or it lasted.

        Before that, a server that accepts connections and drops them at once would be asked without a pause.
        """
        self._proven = True

    def refused(self, refusal: Refused, random: float) -> Again | GiveUp:
        """Return what follows from a refused token; ``random`` is from 0 to 1.

        After a first success a refusal may be a failing database on the March 2026 server, which calls it by the
        same name as a wrong token; so it is tried again then.
        """
        self._refusals += 1
        if self._refusals >= self._auth_attempts or not (refusal.retryable or self.authenticated_once):
            return GiveUp(refusal, self._refusals)
        return Again(delay(self._refusals - 1, self._base, self._longest, random))

    def ended(self, random: float, retry_after: float | None = None) -> Again:
        """Return when to connect again after a connection failed or ended.

        Args:
            random: from 0 to 1.
            retry_after: the seconds that the server asked for; more than the longest wait count as that.
        """
        if self._proven:
            self._unproven = 0
        self._unproven += 1
        wait = delay(self._unproven - 1, self._base, self._longest, random)
        if retry_after is None:
            return Again(wait)
        # Never earlier than asked for, but for the bound; spread as well: others were told the same.
        return Again(max(wait, min(self._longest, retry_after * (1 + _JITTER * random))))


def delay(attempt: int, base: float, longest: float, random: float) -> float:
    """Return the seconds to wait: base x 2^attempt, spread by up to a fifth, at most longest.

    Args:
        attempt: how many attempts failed before this one; 0 gives about base.
        base, longest: seconds.
        random: from 0 to 1. Without the spread, all agents of a restarted server would come back at once.
    """
    wanted = base * 2.0 ** min(attempt, 64)
    if wanted >= longest:
        return longest * (1 - _JITTER * random)
    return min(longest, wanted * (1 + _JITTER * random))
