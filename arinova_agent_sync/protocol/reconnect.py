"""How long to wait before the next attempt."""

from __future__ import annotations

_JITTER = 0.2


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
