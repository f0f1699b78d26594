"""The lives of one agent, one engine each: which one is current, and what connect and disconnect do with it."""

from __future__ import annotations

import _thread
import itertools
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import ConnectionLost, ConnectTimeout
from ..net.deadline import Deadline
from ..net.forks import renew_after_fork
from ..protocol.life import Life, on_connect
from .program_end import tell_unanswered
from .shutdown import interrupted_own_code
from .state import DISCONNECTED

if TYPE_CHECKING:
    from .engine import Engine

_GRACE = 0.7  # seconds beyond a call's timeout, for threads to end whose work is done


class Lives:
    """Start, stop and wait for an agent. Thread-safe, and safe in signal handlers.

    Args:
        make: makes an engine that has not begun.
        stopped: called after each stop that found no engine, or ended it.
    """

    def __init__(self, make: Callable[[], Engine], *, stopped: Callable[[], None]) -> None:
        self._make = make
        self._stopped = stopped
        self._lock = threading.Lock()  # guards the exchange of the engine for a new one
        self._stops = itertools.count()
        self._latest_stop = next(self._stops)
        self.engine: Engine | None = None  # the current or latest one
        renew_after_fork(self.after_fork)

    def start(self, deadline: Deadline) -> Engine:
        """Return the engine that runs, a new one if there is none.

        Raises ConnectTimeout if the end of the one before takes longer than the deadline, ConnectionLost if the
        start is called off, RuntimeError in a handler or a callback while the agent ends, and in a child process
        that only runs the main script again.
        """
        latest_stop = self._latest_stop
        refuse_in_imported_main()
        while True:
            engine = self.engine
            life = Life.NEW if engine is None else engine.state.life
            step = on_connect(life, engine is not None and _is_own_thread(engine))
            if engine is None or step == "start":
                engine = self._begin(engine, latest_stop)
                if engine is not None:
                    return engine
            elif step == "wait":
                return engine
            elif step == "refuse":
                raise RuntimeError(
                    "connect() was called in a handler or a callback of an agent that ends, and would wait for "
                    "itself: call it in another thread, or after disconnect() has returned elsewhere"
                )
            elif not engine.shutdown.wait(deadline.left()):
                raise ConnectTimeout(
                    f"no connection within {deadline.seconds or 0:g} s: "
                    "the agent is still ending after disconnect()"
                )

    def _begin(self, before: Engine | None, latest_stop: int) -> Engine | None:
        """Begin a new life after an earlier one; None, and nothing, if another thread has begun one."""
        engine: Engine | None = None
        try:
            with self._lock:
                if self.engine is not before:
                    return None
                engine = self._make()
                engine.state.life = Life.RUNNING
                self.engine = engine
            # Looked at after the engine was published: disconnect() does the two the other way round.
            if self._latest_stop != latest_stop:
                raise ConnectionLost(DISCONNECTED)
            engine.start()
        except BaseException:  # it was called off, Ctrl-C came, or a thread could not be started
            if engine is not None and engine is self.engine:
                engine.call_off()
            raise
        return engine

    def stop(self, timeout: float) -> None:
        """Ask for the end and wait for it, up to timeout seconds.

        From a handler or a callback, which are part of what ends, it returns at once; so it does where it has
        interrupted another call of this package.
        """
        self._latest_stop = next(self._stops)  # a start under way sees that it is called off
        engine = self.engine
        if threading.current_thread() is threading.main_thread() and interrupted_own_code():
            # A signal handler: the call that it interrupted may hold any lock, till the handler has returned.
            _thread.start_new_thread(self._ask, (engine, timeout))
            return
        self._ask(engine, timeout)
        if engine is None or _is_own_thread(engine):
            return
        if not engine.shutdown.wait(timeout):
            engine.abort_link()  # frees a pinger that still writes
        grace = Deadline(_GRACE)
        engine.shutdown.wait(grace.left())
        engine.join(grace)
        if engine.state.over:
            self._stopped()

    def tell_interrupted(self, cause: object) -> None:
        """Say what the end will wait for, if Ctrl-C is its cause."""
        if isinstance(cause, KeyboardInterrupt) and self.engine is not None:
            tell_unanswered([self.engine.shutdown])

    def _ask(self, engine: Engine | None, timeout: float) -> None:
        if engine is None:
            self._stopped()  # there may be something of its agent's to close all the same
        else:
            engine.shutdown.stop(timeout)

    def running(self) -> Engine:
        """Return the engine that has not ended; raise ConnectionLost if there is none."""
        engine = self.engine
        if engine is None or engine.state.over:
            raise ConnectionLost("the agent is not connected; call connect() first")
        return engine

    def wait(self, timeout: float | None) -> bool:
        """Block until the end; return False if the time is up, raise what stopped the agent if it failed."""
        engine = self.engine
        if engine is None:
            return True
        if not engine.shutdown.wait(timeout):
            return False
        engine.join(Deadline(_GRACE))
        if engine.state.failure is not None:
            raise engine.state.failure
        return True

    def after_fork(self) -> None:
        """Be as new in a forked child, where the threads are gone and the connection is the parent's."""
        engine, self.engine = self.engine, None
        self._lock = threading.Lock()
        if engine is not None and not engine.state.over:
            engine.abandon()


def refuse_in_imported_main() -> None:
    """Raise RuntimeError in a process that multiprocessing started, while it runs the main script again.

    It would connect with the same token, and take the tasks of the process that started it.
    """
    again = sys.modules.get("__mp_main__")
    if again is not None and sys.modules.get("__main__") is not again:
        raise RuntimeError(
            "a process that multiprocessing started runs the main script again, and must not connect: put what "
            'starts the agent under a guard:\n\n    if __name__ == "__main__":\n        agent.run()\n'
        )


def _is_own_thread(engine: Engine) -> bool:
    return threading.current_thread() in engine.own_threads()
