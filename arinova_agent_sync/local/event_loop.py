"""The way from any thread to the server's event loop. Thread-safe, under the hub's lock."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")

_LOOP_ANSWERS_WITHIN = 10.0  # seconds; far more than a turn of the event loop takes


class EventLoop:
    """Let the event loop call functions, while there is one.

    Args:
        lock: the hub's.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take over the event loop; called on its thread."""
        with self._lock:
            self._loop, self._thread = loop, threading.get_ident()

    def detach(self) -> None:
        """Let go of the event loop before it closes; called on its thread."""
        with self._lock:
            self._loop = None

    @property
    def running(self) -> bool:
        """Whether there is one."""
        return self._loop is not None

    def post(self, function: Callable[..., object], *arguments: object) -> bool:
        """Let the event loop call a function, after all that was posted before; return False if there is none."""
        with self._lock:
            if self._loop is None:
                return False
            if threading.get_ident() == self._thread:
                self._loop.call_soon(function, *arguments)
            else:
                self._loop.call_soon_threadsafe(function, *arguments)
            return True

    def call(self, function: Callable[[], R]) -> R:
        """Let the event loop call a function and return what it returns; not for the loop's own thread.

        Raises RuntimeError if the server is not running.
        """

        async def run() -> R:
            return function()

        with self._lock:
            if self._loop is None:
                raise RuntimeError("the server is not running; call start() or use it as a context manager")
            outcome = asyncio.run_coroutine_threadsafe(run(), self._loop)
        return outcome.result(_LOOP_ANSWERS_WITHIN)
