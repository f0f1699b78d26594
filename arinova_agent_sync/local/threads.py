"""How threads wait for something to happen in the chat, and how they reach the event loop.

Thread-safe, under the hub's lock.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")

_LOOP_ANSWERS_WITHIN = 10.0  # seconds; far more than a turn of the event loop takes


class Waiting:
    """Wake threads by the id of what they wait for.

    Args:
        lock: the hub's.

    Attributes:
        running: whether the server serves; nobody waits for one that does not.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self.lock = lock
        self.running = False
        self._bells: dict[object, threading.Condition] = {}  # those that someone waits for
        self._listeners: tuple[Callable[[object], None], ...] = ()

    def listen(self, listener: Callable[[object], None]) -> None:
        """Call a function with every key that rings, under the lock: it may only note what it hears."""
        with self.lock:
            self._listeners = (*self._listeners, listener)

    def ring(self, key: object) -> None:
        """Wake those who wait for something about a task, a conversation or an agent, named by its id."""
        with self.lock:
            for listener in self._listeners:
                listener(key)
            if (bell := self._bells.get(key)) is not None:
                bell.notify_all()

    def open(self) -> None:
        """Let threads wait."""
        with self.lock:
            self.running = True

    def close(self) -> None:
        """Wake everyone: nothing more will happen."""
        with self.lock:
            self.running = False
            for bell in self._bells.values():
                bell.notify_all()

    def wait(self, key: object, look: Callable[[], R | None], timeout: float, what: Callable[[], str]) -> R:
        """Return the first thing that ``look`` finds; it looks again whenever the key rings.

        It is called under the lock, and None means not yet. Raises TimeoutError, which tells ``what`` was missed,
        after so many seconds, RuntimeError if the server stops meanwhile.
        """
        deadline = time.monotonic() + timeout
        with self.lock:
            bell = self._bells.setdefault(key, threading.Condition(self.lock))
            while (found := look()) is None:
                left = deadline - time.monotonic()
                if not self.running:
                    raise RuntimeError(f"the server is not running: {what()}")
                if left <= 0:
                    raise TimeoutError(f"{what()} within {timeout:g} s")
                bell.wait(left)
            return found


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
