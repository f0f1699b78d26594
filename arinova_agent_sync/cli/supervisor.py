"""``arinova-agent run --reload``: the agents in a process of their own, started anew when a file changes."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing

from ..playground.reload import reloading
from ..runtime.foreground import Events, signals_to
from .lifeline import RELOAD
from .target import folder_of

logger = logging.getLogger("arinova_agent_sync.cli")

_REPLACED_WITHIN = 5.0  # seconds
_KILLED_WITHIN = 2.0  # seconds
_LEAVES_WITHIN = 3.0  # seconds after a second signal
_INTERRUPTED = 130  # exit code
_CHANGED = object()


def supervise(targets: Sequence[str]) -> int:
    """Run this process's own command line in another process, without --reload; return the exit code.

    It ends with a signal alone: an agent that ended by itself waits for a file to change.
    """
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # what it tells is told below
    folders = sorted({folder_of(target) for target in targets})
    arguments = [argument for argument in sys.argv[1:] if argument != "--reload"]
    del arguments[: arguments.index("run") + 1]
    with closing(Events()) as events, signals_to(events), reloading(folders, lambda: events.put(_CHANGED)):
        return _Supervisor(arguments, events=events).run()


class _Supervisor:
    """Keep one process with the agents running.

    Args:
        arguments: of its command line.
        events: signals, and what tells that a file changed.
    """

    def __init__(self, arguments: Sequence[str], *, events: Events) -> None:
        self._arguments = arguments
        self._events = events

    def run(self) -> int:
        child = _ReloadedProcess(self._arguments, events=self._events)
        signals, alive = 0, True
        try:
            while True:
                event = self._events.get(None if signals < 2 else _LEAVES_WITHIN)
                if event is None:
                    return _INTERRUPTED
                if event is _CHANGED:
                    if signals:
                        continue
                    logger.info("a file changed: starting anew")
                    child.replace()
                    child, alive = _ReloadedProcess(self._arguments, events=self._events), True
                elif event is child:
                    if signals:
                        return child.exit_code
                    alive = False
                    logger.warning(
                        "the agent's process ended with exit code %d; it is started anew when a file changes",
                        child.exit_code,
                    )
                elif not isinstance(event, _ReloadedProcess):
                    signals += 1
                    if not alive:
                        return 0
                    child.end()
        finally:
            child.kill()


class _ReloadedProcess:
    """One process with the agents. Its end is put to the events.

    Ctrl-C in a terminal reaches it as well, so it is asked by its lifeline, not by a signal of its own: two signals
    would let it leave at once.

    Args:
        arguments: of its command line.
        events: where it puts itself when it has ended.
    """

    def __init__(self, arguments: Sequence[str], *, events: Events) -> None:
        theirs, self._lifeline = os.pipe()
        command = [sys.executable, "-m", "arinova_agent_sync", "run", "--lifeline", str(theirs)]
        try:
            self._process = subprocess.Popen([*command, *arguments], pass_fds=(theirs,))
        except BaseException:
            self._close()
            raise
        finally:
            os.close(theirs)
        self._thread = threading.Thread(
            target=self._watch, args=(events,), name="arinova-reload-child", daemon=True
        )
        self._thread.start()

    @property
    def exit_code(self) -> int:
        """As a shell has it."""
        code = self._process.wait()
        return code if code >= 0 else 128 - code

    def end(self) -> None:
        """Let it finish in its own time."""
        self._close()

    def replace(self) -> None:
        """Let it finish quickly, and wait for that."""
        if self._lifeline >= 0:
            try:
                os.write(self._lifeline, RELOAD)
            except OSError:
                pass  # it has ended
        self._close()
        try:
            self._process.wait(_REPLACED_WITHIN)
        except subprocess.TimeoutExpired:
            logger.warning("the agent's process did not end in %g s and was killed", _REPLACED_WITHIN)
        self.kill()

    def kill(self) -> None:
        """End it now, if it has not ended."""
        self._close()
        self._process.kill()
        self._thread.join(_KILLED_WITHIN)

    def _close(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def _watch(self, events: Events) -> None:
        self._process.wait()
        events.put(self)
