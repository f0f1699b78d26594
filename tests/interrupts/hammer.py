"""Random cancels against clients that share one pool with requests of nobody's: no innocent request may fail.

``python -m tests.interrupts.hammer 10000`` does so many cancels on each stack and prints the outcome.
"""

from __future__ import annotations

import contextvars
import os
import random
import ssl
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from arinova_agent_sync import TaskCancelled, interruptible
from arinova_agent_sync.interrupts.scope import Scope

from .stub import AUTHORITY, stub

VICTIMS, INNOCENTS, PLACES = 8, 4, 8
STACKS = ("httpx", "httpx2", "requests", "urllib3")

Get = Callable[[int], str]


def client(stack: str, url: str, authority: str) -> tuple[Any, Get]:
    """Return an interruptible client with a small pool, and a function that asks for so many pieces."""
    if stack in ("httpx", "httpx2"):
        library = __import__(stack)
        limits = library.Limits(max_connections=PLACES, max_keepalive_connections=PLACES)
        http = library.Client(timeout=20, limits=limits, verify=ssl.create_default_context(cafile=authority))

        def get(count: int) -> str:
            with http.stream("GET", f"{url}/echo-{count}") as answer:
                return "".join(answer.iter_text())

    elif stack == "requests":
        import requests

        http = requests.Session()
        http.verify, http.trust_env = authority, False
        http.mount(url, requests.adapters.HTTPAdapter(pool_maxsize=PLACES, pool_block=True))

        def get(count: int) -> str:
            with http.get(f"{url}/echo-{count}", stream=True, timeout=20) as answer:
                return answer.content.decode()

    else:
        import urllib3

        http = urllib3.PoolManager(maxsize=PLACES, block=True, timeout=20, retries=False, ca_certs=authority)

        def get(count: int) -> str:
            answer = http.request("GET", f"{url}/echo-{count}", preload_content=False)
            text = b"".join(answer.stream(64)).decode()
            answer.release_conn()
            return text

    return interruptible(http), get


class Hammer:
    """Threads that ask, and one that cancels.

    Args:
        get: asks for so many pieces.
        cancels: how many there shall be.
        until_failure: whether to stop at the first failure.
    """

    def __init__(self, get: Get, cancels: int, until_failure: bool = False) -> None:
        self.count: Counter[str] = Counter()
        self.failures: list[str] = []
        self.delays: list[float] = []
        self._get = get
        self._cancels = cancels
        self._until_failure = until_failure
        self._over = threading.Event()
        self._running: dict[int, tuple[Scope, float]] = {}
        self._cancelled: dict[int, float] = {}

    def run(self) -> None:
        """Do it."""
        workers = [
            threading.Thread(target=function, args=(number,))
            for function, count in ((self._victims, VICTIMS), (self._innocents, INNOCENTS))
            for number in range(count)
        ]
        switch = sys.getswitchinterval()
        sys.setswitchinterval(0.0001)
        try:
            for worker in workers:
                worker.start()
            self._cancel()
        finally:
            self._over.set()
            for worker in workers:
                worker.join()
            sys.setswitchinterval(switch)

    def _victims(self, number: int) -> None:
        choose = random.Random(number).choice
        while not self._over.is_set():
            scope = Scope("t1")
            self._running[number] = scope, time.monotonic()
            contextvars.copy_context().run(self._victim, number, scope, choose)

    def _victim(self, number: int, scope: Scope, choose: Callable[[tuple[int, ...]], int]) -> None:
        scope.enter()
        try:
            for _ in range(choose((1, 3, 9))):
                self._ask(choose((1, 1, 1, 2, 5)), "victim")
        except TaskCancelled:
            self.count["ended by a cancel"] += 1
            self.delays.append(time.monotonic() - self._cancelled.get(id(scope), time.monotonic()))
        finally:
            self._running.pop(number, None)
            self._cancelled.pop(id(scope), None)
            scope.close()

    def _innocents(self, number: int) -> None:
        choose = random.Random(1000 + number).choice
        while not self._over.is_set():
            self._ask(choose((1, 1, 2)), "innocent")

    def _ask(self, pieces: int, who: str) -> None:
        try:
            text = self._get(pieces)
        except Exception as error:
            self.count[f"failed {who}"] += 1
            self.failures.append(f"{who}: {error!r}")
        except TaskCancelled:
            if who == "victim":
                raise
            self.count["failed innocent"] += 1
            self.failures.append("innocent: cancelled")
        else:
            self.count["answered"] += 1
            if text != "".join(f"{number} " for number in range(pieces)):
                self.count["wrong"] += 1
                self.failures.append(f"{who}: {text!r} for {pieces}")

    def _cancel(self) -> None:
        chance = random.Random(7)
        while self.count["cancels"] < self._cancels and not (self._until_failure and self.failures):
            time.sleep(chance.choice((0, 0.0002, 0.001, 0.003)))
            running = list(self._running.copy().values())
            for scope, started in chance.sample(running, k=min(3, len(running))):
                if not scope.cancelled and time.monotonic() - started > chance.choice(
                    (0, 0.003, 0.01, 0.03, 0.1)
                ):
                    self._cancelled[id(scope)] = time.monotonic()
                    scope.cancel()
                    self.count["cancels"] += 1


def hammer(stack: str, tls: bool, cancels: int, authority: str, until_failure: bool = False) -> Hammer:
    """Run a hammer; afterwards ask once more on each place of the pool."""
    with stub(tls) as provider:
        http, get = client(stack, provider.url, authority)
        done = Hammer(get, cancels, until_failure)
        done.run()
        after = [threading.Thread(target=done._ask, args=(5, "later")) for _ in range(PLACES)]
        for thread in after:
            thread.start()
        for thread in after:
            thread.join()
        http.clear() if hasattr(http, "clear") else http.close()
    return done


def main() -> None:
    cancels = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder:
        authority = os.path.join(folder, "authority.pem")
        AUTHORITY.cert_pem.write_to_path(authority)
        for stack in sys.argv[2:] or STACKS:
            for tls in (False, True):
                done = hammer(stack, tls, cancels, authority)
                delays = sorted(done.delays) or [0.0]
                print(
                    f"{stack:9} {'tls' if tls else 'plain':5} {dict(done.count)}",
                    f"p50 {delays[len(delays) // 2] * 1e3:.1f} ms",
                    f"p99 {delays[int(len(delays) * 0.99)] * 1e3:.1f} ms",
                    done.failures[:3],
                    flush=True,
                )


if __name__ == "__main__":
    main()
