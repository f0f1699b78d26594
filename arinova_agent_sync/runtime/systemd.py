"""What systemd is told of a service with ``Type=notify``: that it is ready, that it stops, that it is not stuck."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..log import logger
from .state import LinkState

if TYPE_CHECKING:
    from .engine import Engine
    from .state import State

__all__ = ["Systemd"]

_PATIENCE = 1.0  # seconds for systemd to take a message
_MICROSECONDS = 1_000_000


class Systemd:
    """The way to systemd, if it started this process and wants to be told. Thread-safe.

    Args:
        environment: where it says so.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address_in(environment)
        self._interval = _interval_in(environment)
        self._engines: Sequence[Engine] = ()
        self._lock = threading.Lock()  # guards what follows
        self._stopping = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, engines: Sequence[Engine]) -> None:
        """Say when all agents are connected or stand by, and from then on that they are not stuck."""
        if self._address is None:
            return
        self._engines = tuple(engines)
        self._thread = threading.Thread(target=self._watch, name="arinova-systemd", daemon=True)
        self._thread.start()

    def stopping(self) -> None:
        """Say that the service stops; the first call alone does."""
        with self._lock:
            first, self._stopping = not self._stopping, True
        self._ended.set()
        if first:
            self._tell("STOPPING=1")

    def close(self) -> None:
        """Say nothing more, once all agents have ended."""
        self.stopping()
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def _watch(self) -> None:
        for engine in self._engines:
            _wait_until_ready(engine.state)
        if all(engine.state.stopping for engine in self._engines):
            return
        self._tell(f"READY=1\nSTATUS={self._status()}")
        while self._interval is not None and not self._ended.wait(self._interval):
            stuck = [engine for engine in self._engines if engine.stuck()]
            if stuck:
                logger.critical("a thread of the agent is stuck: systemd's watchdog is not told otherwise")
            else:
                self._tell(f"WATCHDOG=1\nSTATUS={self._status()}")

    def _status(self) -> str:
        states = [engine.state for engine in self._engines]
        return ", ".join(f"{state.agent_name or 'agent'} {state.link_state.value}" for state in states)

    def _tell(self, message: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(_PATIENCE)
                sock.connect(self._address)
                sock.send(message.encode())
        except OSError as error:
            logger.warning("systemd cannot be told %s: NOTIFY_SOCKET: %s", message.partition("\n")[0], error)


def _address_in(environment: Mapping[str, str]) -> str | None:
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return None
    if address[0] not in "/@" or not hasattr(socket, "AF_UNIX"):
        logger.warning("systemd cannot be told anything: NOTIFY_SOCKET is no path of a socket: %r", address)
        return None
    return "\0" + address[1:] if address[0] == "@" else address  # @ stands for a name without a file


def _interval_in(environment: Mapping[str, str]) -> float | None:
    """Return how often the watchdog wants to hear of this process, in seconds: twice as often as it must."""
    given, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not given or (process and process != str(os.getpid())):
        return None
    if (
        not given.isascii()
        or not given.isdecimal()
        or not 0 < int(given[:20]) < _MICROSECONDS * threading.TIMEOUT_MAX
    ):
        logger.warning("the watchdog is not told anything: WATCHDOG_USEC is no time: %r", given)
        return None
    return int(given) / _MICROSECONDS / 2


def _wait_until_ready(state: State) -> None:
    state.changes.wait_for(
        lambda: state.stopping or state.reconnect.authenticated_once or state.link_state is LinkState.STANDBY
    )
