"""What runs the agents of a playground, and how they are. Thread-safe."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

from .._internals import engine_of
from ..agent import ArinovaAgent
from ..errors import ArinovaError
from .logtail import LogTail, LogTap

Changed = Callable[[], None]
Json = dict[str, Any]

LOGGER = "arinova_agent_sync"
_ON_THE_WAY = (f"{LOGGER}.runtime.", f"{LOGGER}.handlers")  # from a thread to the handler
_CONNECTS_WITHIN = 10.0  # seconds


class Runner(Protocol):
    """What starts and stops one agent."""

    def start(self) -> None:
        """Start the agent; return before it is connected if that takes long."""

    def stop(self, timeout: float) -> None:
        """End it, within so many seconds."""

    def restart(self) -> None:
        """End it and start it anew."""

    def stats(self, timeout: float) -> Json | None:
        """Return its counters, None if it does not answer in so many seconds."""
        ...

    def log(self) -> list[str]:
        """Return its latest log records, oldest first."""
        ...

    def state(self) -> Json:
        """Return its ``state``, the ``problem`` as a text or None, and how often it was restarted."""
        ...


class AgentStatus:
    """Remember how an agent is. Thread-safe.

    Args:
        changed: called after every change, without a lock held.
    """

    def __init__(self, changed: Changed) -> None:
        self._lock = threading.Lock()
        self._changed = changed
        self._state: Json = {"state": "stopped", "problem": None, "restarts": 0}

    def set(self, state: str | None = None, problem: str | None = None, restarts: int = 0) -> None:
        """Note a new state; the problem is gone unless there is one, None leaves the state as it is."""
        with self._lock:
            self._state = {
                "state": state or self._state["state"],
                "problem": problem,
                "restarts": self._state["restarts"] + restarts,
            }
        self._changed()

    def get(self) -> Json:
        """Return the latest."""
        with self._lock:
            return dict(self._state)


def described(error: BaseException) -> str:
    """Return an error as the page tells it: with its traceback, unless it is one of ours, which say it all."""
    if isinstance(error, ArinovaError):
        return str(error)
    trace = error.__traceback__
    while trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith(_ON_THE_WAY):
        trace = trace.tb_next  # it is the same for all, and nobody's to mend
    return "".join(traceback.format_exception(type(error), error, trace or error.__traceback__)).strip()


class InProcess:
    """Run an agent in this process.

    Args:
        make: returns the agent, with its settings.
        changed: called when its state changes.
    """

    def __init__(self, make: Callable[[], ArinovaAgent], changed: Changed) -> None:
        self._make = make
        self._state = AgentStatus(changed)
        self._agent: ArinovaAgent | None = None
        self._log = LogTail()
        self._tap = LogTap(self._log.add)
        self._tap.addFilter(self._is_own)  # the log is that of all agents of this process

    def start(self) -> None:
        agent = self._agent = self._make()
        logging.getLogger(LOGGER).addHandler(self._tap)
        state = self._state
        agent.on("connected", lambda: state.set("connected"))
        agent.on("disconnected", lambda: state.set("disconnected"))
        agent.on("auth_failed", lambda error: state.set("failed", described(error)))
        agent.on("error", lambda error: state.set(problem=described(error)))
        state.set("starting")
        try:
            agent.connect(_CONNECTS_WITHIN)
        except ArinovaError as error:
            state.set("failed", described(error))

    def stop(self, timeout: float) -> None:
        logging.getLogger(LOGGER).removeHandler(self._tap)
        if self._agent is not None:
            self._agent.disconnect(timeout)
            self._state.set("stopped")

    def restart(self) -> None:
        self.stop(2.0)
        self._state.set("starting", restarts=1)
        self.start()

    def stats(self, timeout: float) -> Json | None:  # noqa: ARG002
        return asdict(self._agent.stats()) if self._agent is not None else None

    def log(self) -> list[str]:
        return self._log.texts()

    def state(self) -> Json:
        return self._state.get()

    def _is_own(self, record: logging.LogRecord) -> bool:
        engine = None if self._agent is None else engine_of(self._agent)
        return engine is None or record.thread in [thread.ident for thread in engine.own_threads()]
