"""``--give-up-after``: how long agents may try before their first connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from .. import _internals
from ..agent import ArinovaAgent


class GiveUpAfter:
    """Give up on agents that have tried for too long. What they wait for while standing by does not count.

    Args:
        seconds: how long each agent may try.
        give_up: called, at most once, on a thread of this object's own.
    """

    def __init__(self, seconds: float, give_up: Callable[[], None]) -> None:
        self._seconds = seconds
        self._give_up = give_up
        self._ended = threading.Event()
        self._agents: Sequence[ArinovaAgent] = ()

    def start(self, agents: Sequence[ArinovaAgent]) -> None:
        """Begin to wait for their connections."""
        self._agents = agents
        threading.Thread(target=self._watch, name="arinova-give-up", daemon=True).start()

    def end(self) -> None:
        """Wait no more."""
        self._ended.set()

    def _watch(self) -> None:
        left: float | None = self._seconds
        while left is not None and not self._ended.wait(left):
            left = self._left()
            if left is not None and left <= 0:
                self._give_up()
                return

    def _left(self) -> float | None:
        """Return the seconds that are left to the agent with the fewest; None if all have been connected."""
        now = time.monotonic()
        left = []
        for agent in self._agents:
            engine = _internals.engine_of(agent)
            if engine is None:  # it is about to start
                left.append(self._seconds)
            elif engine.state.counters.connections == 0:
                since = engine.state.waiting_since
                left.append(self._seconds if since is None else self._seconds - (now - since))
        return min(left, default=None)
