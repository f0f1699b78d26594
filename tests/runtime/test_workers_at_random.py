"""Worker threads under many submitters: threads that end early, works that raise, a system at its limit."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest

from arinova_agent_sync.net.deadline import Deadline
from arinova_agent_sync.runtime import workers as module
from arinova_agent_sync.runtime.workers import Workers

SOON = 10.0  # seconds; more than enough


class Run:
    """Some threads that submit at random, and what came of it."""

    def __init__(self, seed: int, refused: float) -> None:
        self.workers = Workers()
        self.accepted: list[tuple[int, int]] = []
        self.ran: Counter[tuple[int, int]] = Counter()
        self._seed = seed
        self._refused = refused
        self._random = random.Random(seed)
        self._start = threading.Thread.start
        self._lock = threading.Lock()

    def start(self, thread: threading.Thread) -> None:
        """Stand in for Thread.start, and fail now and then for a worker."""
        if thread.name.startswith("arinova-worker") and self._random.random() < self._refused:
            raise RuntimeError("can't start new thread")
        self._start(thread)

    def play(self) -> None:
        users = [threading.Thread(target=self._submit, args=(number,)) for number in range(3)]
        for user in users:
            user.start()
        for user in users:
            user.join()

    def at_rest(self) -> bool:
        """Whether every thread is idle, and counted as that."""
        pool = self.workers
        with pool._lock, self._lock:
            return (
                sum(self.ran.values()) >= len(self.accepted)
                and (pool._owed, pool._queue.qsize(), pool._watched) == (0, 0, False)
                and pool._idle == len(pool._threads)
            )

    def _submit(self, user: int) -> None:
        own = random.Random(self._seed * 10 + user)
        for number in range(40):
            work = partial(self._work, (user, number), own.choice([0.0, 0.0, 0.0, 0.001]), own.random() < 0.1)
            if self.workers.submit(work):
                with self._lock:
                    self.accepted.append((user, number))
            if own.random() < 0.2:
                time.sleep(own.choice([0.0, 0.0005, 0.003]))

    def _work(self, key: tuple[int, int], seconds: float, raises: bool) -> None:
        if seconds:
            time.sleep(seconds)
        with self._lock:
            self.ran[key] += 1
        if raises:
            raise SystemExit


@pytest.fixture
def switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("refused", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.usefixtures("switching_often")
def test_what_is_accepted_runs_once_and_no_thread_is_left(
    monkeypatch: pytest.MonkeyPatch, seed: int, refused: float
) -> None:
    times = random.Random(seed)
    monkeypatch.setattr(module, "_MOMENT", times.choice([0.0002, 0.001, 0.005]))
    monkeypatch.setattr(module, "_IDLE", times.choice([0.0003, 0.002, 10.0]))
    monkeypatch.setattr(module, "_FEW", times.choice([0, 1, 2]))
    run = Run(seed, refused)
    monkeypatch.setattr(threading.Thread, "start", lambda thread: run.start(thread))
    run.play()
    deadline = Deadline(SOON)
    while not run.at_rest():
        assert not deadline.expired
        time.sleep(0.001)
    run.workers.close(Deadline(SOON), grace=SOON)
    assert run.workers.threads() == []
    assert run.ran == Counter(run.accepted)
