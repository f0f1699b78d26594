"""What follows from a call to start or to stop an agent, given the life that it finds. Pure: no clock, no lock."""

from __future__ import annotations

from enum import Enum
from typing import Literal, NamedTuple

_FAREWELL = 2.0  # seconds of a stop, at most, that are kept for what waits, the close frame and the joins
_FAREWELL_SHARE = 0.25  # of a short stop


class Life(Enum):
    """Where an agent is between connect() and the end."""

    NEW = "new"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        """Whether the end has come."""
        return self in (Life.STOPPED, Life.FAILED)


OnConnect = Literal["start", "wait", "wait for the end", "refuse"]


def on_connect(life: Life, own_thread: bool) -> OnConnect:
    """Return what ``connect`` does.

    Args:
        life: the agent's.
        own_thread: whether it is called in a handler or a callback, which are part of what must end first.
    """
    if life is Life.RUNNING:
        return "wait"  # for the first authentication, which may be long past
    if life is Life.DRAINING:
        return "refuse" if own_thread else "wait for the end"
    return "start"


class StopTimes(NamedTuple):
    """The deadlines of a stop, as moments on a clock in seconds.

    Attributes:
        drain_by: until when handlers may run.
        stop_by: when all must be over.
    """

    drain_by: float
    stop_by: float


def stop_times(now: float, timeout: float) -> StopTimes:
    """Return the deadlines of a stop that may take so many seconds."""
    stop_by = now + timeout
    return StopTimes(stop_by - min(_FAREWELL, timeout * _FAREWELL_SHARE), stop_by)


def on_disconnect(life: Life, known: StopTimes | None, asked: StopTimes) -> StopTimes | None:
    """Return the deadlines that hold after ``disconnect``, None if there is nothing to stop.

    Of two calls the earlier deadline holds: a later, more patient one changes nothing.
    """
    if life is Life.NEW or life.over:
        return None
    if life is Life.RUNNING or known is None:
        return asked
    return StopTimes(min(known.drain_by, asked.drain_by), min(known.stop_by, asked.stop_by))
