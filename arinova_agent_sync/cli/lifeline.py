"""The pipe between a supervisor and the process that it starts anew: what ends the one ends the other."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

__all__ = ["RELOAD", "Lifeline"]

RELOAD = b"r"  # what is written before the process is to be replaced
_QUICKLY = 2.0  # seconds that handlers may take when it is


class Lifeline:
    """Listen to the pipe, and stop when the supervisor says so, or is gone.

    Args:
        descriptor: the pipe's end for reading.
        stop: ends the agents within so many seconds, None for their own time; False if none runs yet.
    """

    def __init__(self, descriptor: int, stop: Callable[[float | None], bool]) -> None:
        self._descriptor = descriptor
        self._stop = stop

    def start(self) -> None:
        """Listen on a thread of its own."""
        threading.Thread(target=self._listen, name="arinova-lifeline", daemon=True).start()

    def _listen(self) -> None:
        replaced = os.read(self._descriptor, 1) == RELOAD
        if not self._stop(_QUICKLY if replaced else None):
            os._exit(0)  # the target is still loading: there is nothing to finish
