"""The promises about locks and idleness."""

from __future__ import annotations

import resource
import threading
import time
from types import SimpleNamespace

import pytest

from arinova_agent_sync.net import guarded_socket as guard_module
from arinova_agent_sync.runtime import state as state_module

# Which locks may be held already when one is taken, as runtime/state.py says.
ALLOWED: dict[str, tuple[str, ...]] = {"state": (), "guard": ()}


class Watch:
    """Locks that remember who holds them, and what was done against the rules."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self.taken: set[str] = set()
        self._mine = threading.local()

    @property
    def held(self) -> list[str]:
        return self._mine.__dict__.setdefault("held", [])

    def lock(self, name: str) -> WatchedLock:
        return WatchedLock(name, self)

    def module(self, name: str) -> SimpleNamespace:
        """A stand-in for a module's `threading`, whose locks are watched."""
        return SimpleNamespace(**{**vars(threading), "Lock": lambda: self.lock(name)})


class WatchedLock:
    def __init__(self, name: str, watch: Watch) -> None:
        self._name, self._watch, self._lock = name, watch, threading.Lock()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        watch, name = self._watch, self._name
        for other in watch.held:
            if other not in ALLOWED[name] and blocking:
                watch.broken.append(f"{name} was taken under {other}")
        if not self._lock.acquire(blocking, timeout):
            return False
        watch.taken.add(name)
        watch.held.append(name)
        return True

    def release(self) -> None:
        self._watch.held.remove(self._name)
        self._lock.release()

    def locked(self) -> bool:
        return self._lock.locked()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self.release()


@pytest.fixture
def watch(monkeypatch):
    watch = Watch()
    monkeypatch.setattr(state_module, "threading", watch.module("state"))
    monkeypatch.setattr(guard_module, "threading", watch.module("guard"))
    return watch


@pytest.mark.slow
def test_locks_are_taken_in_their_order_and_never_held_by_user_code(server, make_agent, watch):
    agent = make_agent(server, max_workers=4, _heartbeat_interval=0.01)
    held_in_user_code: list[str] = []

    def look() -> None:
        held_in_user_code.extend(watch.held)

    @agent.on_task
    def handle(task):
        look()
        task.on_cancel(look)
        for number in range(50):
            yield f"{number} "
            look()
        if task.content == "fail":
            raise RuntimeError("boom")

    agent.on_connected(look)
    agent.on_disconnected(look)
    agent.on_error(look)
    agent.connect(5)
    for round_number in range(3):
        replies = [server.conversation().say("fail" if n == 3 else "go") for n in range(12)]
        replies[5].cancel()
        agent.send_telemetry("session_start", {"sessionId": "s"})
        if round_number == 1:
            server.inject("drop")
            server.wait_for_agent(5, times=2)
        for reply in replies:
            reply.wait(5)
        agent.stats()
    agent.disconnect()
    assert watch.taken == set(ALLOWED)
    assert watch.broken == []
    assert held_in_user_code == []


@pytest.mark.slow
def test_an_idle_agent_uses_no_time(server, make_agent):
    agent = make_agent(server)
    agent.connect(5)
    server.conversation()
    before = resource.getrusage(resource.RUSAGE_SELF)
    quiet = 2.0
    time.sleep(quiet)
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # The embedded server idles in this process too; polling of either would cost far more than this.
    assert used < 0.02 * quiet
