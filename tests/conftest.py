"""What every test shares: nothing may be left behind, and a quick way to an agent and its server."""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from arinova_agent_sync import ArinovaAgent
from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.runtime.writer import Writer

# A shell that starts the tests in its background has them ignore Ctrl-C, and the programs that they start, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SETTLE = 3.0  # seconds that threads and descriptors may take to go
QUICK = {"reconnect_interval": 0.01, "connect_timeout": 5.0, "shutdown_timeout": 5.0}


def descriptors() -> set[str]:
    """Return the open descriptors that are sockets, pipes or files, by number and target."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
        except OSError:
            pass  # the descriptor of the listing itself
    return found


@pytest.fixture(autouse=True)
def log_as_it_was() -> Iterator[None]:
    """Fail a test after which the package's log is silent, or speaks elsewhere."""
    logger = logging.getLogger("arinova_agent_sync")

    def settings() -> tuple[object, ...]:
        return (
            logger.level,
            logger.disabled,
            logger.propagate,
            logging.root.manager.disable,
            logging.root.level,
        )

    before = settings()
    yield
    after = settings()
    logger.level, logger.disabled, logger.propagate, logging.root.manager.disable, root = (
        before  # for the next one
    )
    logging.root.setLevel(root)
    assert after == before


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread or a descriptor."""
    if not os.path.isdir("/proc/self/fd"):
        yield
        return
    threads, files = set(threading.enumerate()), descriptors()
    yield
    deadline = time.monotonic() + SETTLE
    while True:
        left = [thread.name for thread in threading.enumerate() if thread not in threads]
        opened = descriptors() - files
        if not left and not opened:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"left behind: threads {left}, descriptors {sorted(opened)}")
        gc.collect()
        time.sleep(0.01)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    """An embedded server that repeats are fine with."""
    with LocalServer(duplicate_window=0) as server:
        yield server


@pytest.fixture
def make_agent() -> Iterator[Callable[..., ArinovaAgent]]:
    """Make agents of an embedded server, which are disconnected at the end.

    Keyword arguments that begin with an underscore set what is not for users to set, such as
    ``_heartbeat_interval``.
    """
    made: list[ArinovaAgent] = []

    def make(server: LocalServer, **options: object) -> ArinovaAgent:
        hidden = {name[1:]: options.pop(name) for name in list(options) if name.startswith("_")}
        given = {"server_url": server.url, "bot_token": server.bot_token, **QUICK, **options}
        agent = ArinovaAgent(**given)  # type: ignore[arg-type]
        agent._settings = replace(agent._settings, **hidden)  # type: ignore[arg-type]
        made.append(agent)
        return agent

    yield make
    for agent in made:
        agent.disconnect(timeout=2.0)


@contextmanager
def holding(writer: Writer) -> Iterator[None]:
    """Keep the turn to write: everything waits, until the block's end writes it."""
    writer._turn = holder = object()
    try:
        yield
    finally:
        assert writer._turn is holder
        writer._end_turn()
        writer.flush()


class PackageLog(logging.Handler):
    """What the package logs, for tests that have to wait for a line: another thread writes it."""

    def __init__(self) -> None:
        super().__init__()
        self._written = threading.Condition()
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        with self._written:
            self._lines.append(record.getMessage())
            self._written.notify_all()

    def wait_for(self, text: str, timeout: float) -> None:
        with self._written:
            if not self._written.wait_for(lambda: any(text in line for line in self._lines), timeout):
                pytest.fail(f"nothing with {text!r} was logged within {timeout:g} s, but {self._lines}")


@pytest.fixture
def package_log() -> Iterator[PackageLog]:
    """The package's log, which can be waited for."""
    log, logger = PackageLog(), logging.getLogger("arinova_agent_sync")
    logger.addHandler(log)
    yield log
    logger.removeHandler(log)
