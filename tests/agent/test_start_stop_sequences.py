"""Random sequences of calls and mishaps, from several threads at once, at a switch interval of a microsecond.

ARINOVA_SEQUENCES=200 plays so many, from ARINOVA_SEED on.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable

import pytest

from arinova_agent_sync import ArinovaAgent, ConnectionLost, ConnectTimeout
from arinova_agent_sync.local import LocalServer

FIRST = int(os.environ.get("ARINOVA_SEED", "1"))
SEQUENCES = range(FIRST, FIRST + int(os.environ.get("ARINOVA_SEQUENCES", "4")))
PLAYERS = 4
MOVES = 25  # of each
MOST_MOVES = 64  # of handlers and callbacks at once
LATE = 1.0  # seconds that a call may take beyond its timeout


class Sequence:
    """One agent, and what is done with it."""

    def __init__(self, server: LocalServer, agent: ArinovaAgent, seed: int) -> None:
        self.server = server
        self.agent = agent
        self.seed = seed
        self.calm = False  # handlers and callbacks do nothing more
        self.faults: list[str] = []
        self._dice = random.Random(seed)
        self._injecting = threading.Lock()
        self._moving = threading.Semaphore(MOST_MOVES)
        agent.on_task(self.handle)
        for event in ("connected", "disconnected", "error", "undelivered"):
            agent.on(event, self.called_back)

    def timed(self, name: str, timeout: float, call: Callable[[], object], *allowed: type[Exception]) -> None:
        begin = time.monotonic()
        try:
            call()
        except allowed:
            pass
        except BaseException as error:
            self.faults.append(f"{name} raised {error!r}")
        took = time.monotonic() - begin
        if took > timeout + LATE:
            self.faults.append(f"{name} took {took:.2f} s")

    def connect(self, timeout: float = 0.3) -> None:
        call = lambda: self.agent.connect(timeout)  # noqa: E731
        self.timed(f"connect({timeout})", timeout, call, ConnectionLost, ConnectTimeout, RuntimeError)

    def disconnect(self, timeout: float = 0.2) -> None:
        self.timed(f"disconnect({timeout})", timeout, lambda: self.agent.disconnect(timeout))

    def wait(self) -> None:
        self.timed("wait(0.05)", 0.05, lambda: self.agent.wait(0.05))

    def run(self) -> None:
        """Run until somebody disconnects it; in the main thread a signal does."""
        timer = threading.Timer(0.1, self.disconnect)
        timer.start()
        # Another connect() may come between the two: then it ends with the next disconnect.
        helper = threading.Timer(1.0, self.disconnect)
        helper.start()
        self.timed("run()", 3.0, self.agent.run, ConnectionLost, ConnectTimeout, RuntimeError)
        for one in (timer, helper):
            one.cancel()
            one.join()

    def drop(self) -> None:
        self.server.inject("drop")

    def refuse(self) -> None:
        if self._injecting.acquire(blocking=False):
            try:
                with self.server.inject("refuse-auth", error="busy", retryable=True):
                    self.drop()
                    time.sleep(0.02)
            finally:
                self._injecting.release()

    def task(self) -> None:
        try:
            self.server.conversation().say("hi", wait_for_agent=0.1)
        except Exception:
            pass  # nobody is there to take it

    def fork(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # there are other threads: that is the point
            child = os.fork()
        if child == 0:
            try:
                signal.alarm(5)
                self.agent.disconnect(0.1)
                self.agent.wait(0.1)
                os._exit(0 if self.agent.stats().threads == 0 else 1)
            finally:
                os._exit(2)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            self.faults.append(f"a forked child ended with {status}")

    def signal(self) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)  # whose handler disconnects, in the main thread

    def use(self) -> None:
        self.agent.stats()
        repr(self.agent)
        self.timed("send_telemetry", 0.0, lambda: self.agent.send_telemetry("x", {}), ConnectionLost)

    def on_signal(self, *_: object) -> None:
        self.disconnect(0.1)

    def called_back(self) -> None:
        with self._moving:
            if self.calm:
                return
            move = self._dice.choice([None, None, self.disconnect, self.use, self.connect])
            if move is not None:
                move()

    def calm_down(self) -> None:
        """Let no handler and no callback do anything more, and wait for what they do: it could connect anew."""
        self.calm = True
        for _ in range(MOST_MOVES):
            assert self._moving.acquire(timeout=10)
        self._moving.release(MOST_MOVES)

    def handle(self, task) -> str:
        for number in range(3):
            task.send_chunk(f"{number} ")
            self.called_back()
        return "0 1 2 end"

    def player(self, number: int) -> Callable[[], None]:
        dice = random.Random(self.seed * 100 + number)
        often = [self.connect, self.disconnect, self.wait, self.drop, self.task, self.task, self.use]
        moves = [
            dice.choice([*often, *often, self.refuse, self.signal, self.fork, self.run]) for _ in range(MOVES)
        ]

        def play() -> None:
            for move in moves:
                move()

        return play


@pytest.fixture
def hurried():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("seed", SEQUENCES)
def test_any_sequence_of_calls_and_mishaps(server, make_agent, hurried, seed):
    agent = make_agent(server, auth_attempts=1_000, shutdown_timeout=0.3)
    sequence = Sequence(server, agent, seed)
    before = signal.signal(signal.SIGUSR1, sequence.on_signal)
    try:
        players = [threading.Thread(target=sequence.player(number)) for number in range(1, PLAYERS)]
        for player in players:
            player.start()
        sequence.player(0)()  # in the main thread, where the signals come
        for player in players:
            player.join(40)
            assert not player.is_alive()
        sequence.calm_down()
        sequence.disconnect(2)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert agent.wait(1)
    assert not agent.connected
    assert agent.stats().life in ("new", "stopped")
    server.wait_for_disconnect(5) if server.agent_connected else None
    sent = len(server.frames)
    time.sleep(0.05)
    assert len(server.frames) == sent  # nothing comes after the end
    assert sequence.faults == []
