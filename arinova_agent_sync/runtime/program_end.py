"""The end of the program: live agents end with it, in good order and not in silence."""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Sequence
from functools import cache

from ..log import logger
from ..net.forks import importing
from ..protocol.life import Life
from .shutdown import Shutdown, live_engines

__all__ = ["stop_at_exit", "tell_unanswered"]

_LATER = 1.0  # seconds beyond its deadline that an engine's end is waited for


@cache
def stop_at_exit() -> None:
    """Have every live engine end while the interpreter exits, before its thread pools refuse work.

    What is registered last is called first, so the standard library's pools must be there already. threading's own
    list of such functions is not public: atexit's come too late, but they come.
    """
    with importing():
        import concurrent.futures.thread  # noqa: F401

    register = getattr(threading, "_register_atexit", atexit.register)
    register(_stop_all)


def _stop_all() -> None:
    engines = live_engines()
    _tell(engines)
    for engine in engines:
        engine.stop(engine.state.settings.exit_timeout)
    for engine in engines:
        engine.wait(engine.state.settings.exit_timeout + _LATER)


def _tell(engines: Sequence[Shutdown]) -> None:
    """Say to whoever ran a script why it is over, and what it waits for."""
    if logger.speaks or not any(engine.state.life is Life.RUNNING for engine in engines):
        return  # run() tells of itself
    # No news after an error or Ctrl-C, which has been shown, nor to a person at a prompt.
    if not (hasattr(sys, "last_value") or hasattr(sys, "ps1") or sys.flags.interactive):
        logger.last_word(
            "the program has come to its end, and its agent with it: agent.run() or agent.wait() keeps it connected"
        )
    tell_unanswered(engines)


def tell_unanswered(engines: Sequence[Shutdown]) -> None:
    """Say which answers an end will wait for."""
    if answers := sum(engine.state.open_tasks() for engine in engines):
        logger.last_word("finishing %d answer%s; Ctrl-C again to leave", answers, "" if answers == 1 else "s")
