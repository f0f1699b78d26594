"""Work beside a target that connects its agent itself and then goes on with something else, perhaps for ever."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from ..agent import ArinovaAgent

__all__ = ["BesideTarget"]

_GOES_ON_AFTER = 0.5  # seconds; a target that only tries its agent before it calls run() is through by then


class BesideTarget:
    """Do the work on a thread of its own while the target's code has the main thread. Thread-safe.

    What is typed is for the work: a target that waits for input, from the moment at which it connects its agent,
    waits until it is interrupted.

    Args:
        work: is given the agent. When it returns the target is interrupted, as by Ctrl-C.
    """

    def __init__(self, work: Callable[[ArinovaAgent], None]) -> None:
        self._work = work
        self._main = threading.get_ident()
        self._lock = threading.Lock()  # guards the rest
        self._timer: threading.Timer | None = None  # its thread does the work
        self._closed = False  # the target has come to its end, or to its run()
        self._begun = False
        self._ended = False
        self._interrupted = False  # by the user
        self._failure: BaseException | None = None
        self._silence: int | None = None  # the other end of the target's input

    def begin_later(self, agent: ArinovaAgent) -> None:
        """Begin if the target still goes on in a while with this agent, which it is about to connect."""
        with self._lock:
            if self._timer is not None or self._closed:
                return
            self._take_input()
            self._timer = timer = threading.Timer(_GOES_ON_AFTER, self._begin, [agent])
            timer.name, timer.daemon = "arinova-beside-target", True
        timer.start()

    @property
    def begun(self) -> bool:
        """Whether the work is being done, or was."""
        return self._begun

    def call_off(self) -> bool:
        """Let the work not begin, nor interrupt the target any more; return False if it has begun."""
        with self._lock:
            self._closed = True
            if self._timer is not None and not self._begun:
                self._timer.cancel()
            return not self._begun

    def join(self) -> None:
        """Wait for the end of the work, unless the user has interrupted the target; raise what the work raised."""
        if self._interrupted:
            raise KeyboardInterrupt
        assert self._timer is not None
        self._timer.join()
        if self._failure is not None:
            raise self._failure

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Run the target's code inside this; its interruption at the end of the work stops here."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before, keyboard = signal.getsignal(signal.SIGINT), sys.stdin

        def on_signal(number: int, frame: FrameType | None) -> None:
            if self._ended:
                raise KeyboardInterrupt
            if callable(before):
                try:
                    before(number, frame)
                except KeyboardInterrupt:
                    self._interrupted = True
                    raise

        signal.signal(signal.SIGINT, on_signal)
        try:
            yield
        except KeyboardInterrupt:
            if not self._ended:
                raise
        finally:
            if signal.getsignal(signal.SIGINT) is on_signal:
                signal.signal(signal.SIGINT, before)
            self._give_input_back(keyboard)

    def _begin(self, agent: ArinovaAgent) -> None:
        is_over = agent.stats().life in ("stopped", "failed")
        with self._lock:
            if is_over:
                self._timer = None  # the target may connect another one, or this one again
            if is_over or self._closed:
                return
            self._begun = True
        try:
            self._work(agent)
        except BaseException as error:  # noqa: BLE001 - join() raises it
            self._failure = error
        with self._lock:
            self._ended = True
            if not self._closed:
                self._interrupt_target()

    def _take_input(self) -> None:
        if self._silence is None:
            reader, self._silence = os.pipe()
            sys.stdin = open(reader)  # noqa: SIM115 - it stays open

    def _give_input_back(self, keyboard: TextIO) -> None:
        with self._lock:
            silence, self._silence = self._silence, None
        if silence is not None:
            os.close(silence)  # first, so that nobody waits any more at the other end
            sys.stdin.close()
            sys.stdin = keyboard

    def _interrupt_target(self) -> None:
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(self._main, signal.SIGINT)  # ends a sleep, too
        else:
            _thread.interrupt_main()
