"""What every client does: read its orders, stream the same text, report what only it can see.

Runs in each peer's own environment, so it imports the standard library only; and of that little, for the
memory of an idle client is measured too.
"""

from __future__ import annotations

import ast
import os
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

_PROFILE = os.environ.get("BENCHMARK_PROFILE")  # where the profile of the first task's handler goes


class Scenario:
    """The orders of one client, from the command line. Times are in seconds."""

    url: str
    cores: list[int]
    tasks: int = 1
    agents: int = 1  # in the one process
    workers: int = 64  # handlers at a time, where there are worker threads
    queued: int = 10_000  # tasks that may wait, where there is a bound
    chunks: int = 0  # a task
    corpus: str = ""  # file of chunks, a NUL behind each
    interval: float = 0.0  # between two chunks of a task; 0: as fast as it can
    before: float = 0.0  # how long a handler blocks before it answers
    pause: float = 0.0  # between the last chunk and the end, so that the end costs the chunks nothing
    digest: bool = False  # answer with the length and the checksum of the task's content
    hog: bool = False  # a thread beside the handlers computes all the time
    ticker: bool = False  # a thread beside them notes how late it wakes up
    times: str = ""  # file for the start and the end of every send
    certificate: str = ""  # of the authority that signed the server's
    timeout: float | None = None  # of a socket of websocket-client
    asynchronous: bool = False  # the seed's handler is a coroutine
    in_order: bool = False  # and takes its turn: one at a time in a conversation, so many workers' at all
    together: int = 1  # frames in one sendall of the raw client
    texts: tuple[str, ...] = ()

    def __init__(self, **orders: object) -> None:
        self.__dict__.update(orders)

    @classmethod
    def load(cls) -> Scenario:
        """Read the orders, and move to the cores they name."""
        orders = ast.literal_eval(sys.argv[1])
        if orders.get("corpus"):
            with open(orders["corpus"], encoding="utf-8") as file:
                orders["texts"] = tuple(file.read().split("\0")[:-1])
        scenario = cls(**orders)
        os.sched_setaffinity(0, scenario.cores)
        return scenario

    @property
    def token(self) -> str:
        """A bot token that tells the server which process to watch."""
        return f"ari_{os.getpid()}"

    def tls(self) -> ssl.SSLContext | None:
        """Return the TLS settings, or None for a plain connection."""
        if not self.certificate:
            return None
        import ssl

        return ssl.create_default_context(cafile=self.certificate)


def task_number(task_id: str) -> int:
    """Return which of the scenario's tasks this is."""
    return int(task_id[-12:], 16)


class Work:
    """The handlers' work, and what is known once all of it is done. Thread-safe."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.done = threading.Event()
        self._left = scenario.tasks
        self._lock = threading.Lock()
        self._stamped = bool(scenario.times)
        count = scenario.tasks * scenario.chunks if self._stamped else 0
        self._starts = array("q", bytes(8 * count))
        self._ends = array("q", bytes(8 * count))
        self._lateness: list[float] = []
        self._workers: set[int] = set()
        self._switches = 0
        self._beside: list[Callable[[], None]] = []
        if scenario.hog:
            self._beside.append(self._compute)
        if scenario.ticker:
            self._beside.append(self._tick)

    def chunks(self, number: int) -> Iterator[str]:
        """Return the texts that this task streams."""
        texts, chunks = self.scenario.texts, self.scenario.chunks
        start = number * 97 % len(texts) if texts else 0
        if start + chunks <= len(texts):
            return iter(texts[start : start + chunks])
        return islice(cycle(texts[start:] + texts[:start]), chunks)

    def stream(self, number: int, send: Callable[[str], object]) -> None:
        """Send this task's chunks the way the scenario says."""
        self._begin()
        if _PROFILE and number == 0:
            import cProfile  # not for the others: it would count as their memory

            profile = cProfile.Profile()
            profile.runcall(self._stream, number, send)
            profile.dump_stats(f"{_PROFILE}-{os.path.basename(sys.argv[0])[:-3]}.prof")
        else:
            self._stream(number, send)

    def _stream(self, number: int, send: Callable[[str], object]) -> None:
        if self.scenario.before:
            time.sleep(self.scenario.before)
        if self._stamped:
            self._stream_stamped(number, send)
        elif self.scenario.interval:
            for index, text in enumerate(self.chunks(number)):
                if index:
                    time.sleep(self.scenario.interval)
                send(text)
        else:
            for text in self.chunks(number):
                send(text)
        if self.scenario.pause:
            time.sleep(self.scenario.pause)

    def _stream_stamped(self, number: int, send: Callable[[str], object]) -> None:
        interval, now = self.scenario.interval, time.monotonic_ns
        at = number * self.scenario.chunks
        due = time.monotonic() + interval * number / self.scenario.tasks
        for index, text in enumerate(self.chunks(number), at):
            if interval:
                due += interval
                time.sleep(max(0.0, due - time.monotonic()))
            self._starts[index] = now()
            send(text)
            self._ends[index] = now()

    def answer(self, number: int, content: str) -> str:
        """Return the text that this task ends with, as the protocol wants it: the whole of it."""
        return self.digest(content) or "".join(self.chunks(number))

    def digest(self, content: str) -> str | None:
        """Return the text that a task ends with if that is another than what was streamed."""
        if not self.scenario.digest:
            return None
        import zlib

        return f"{len(content)}:{zlib.crc32(content.encode())}"

    def end(self) -> None:
        """Count a task as done; with the last one, report."""
        with self._lock:
            self._left -= 1
            if self._left:
                return
        if self.scenario.times or self.scenario.ticker:
            switches = self._others_switches() - self._switches
            time.sleep(0.05)  # the last frame leaves first
            self._report(switches)
        self.done.set()

    def _begin(self) -> None:
        with self._lock:
            first = not self._workers
            self._workers.add(threading.get_native_id())
            if first:
                beside, self._beside = self._beside, []
                for target in beside:
                    threading.Thread(target=target, daemon=True).start()
                if self._stamped:
                    self._switches = self._others_switches()

    def _others_switches(self) -> int:
        """Count how often the threads that run no handler have waited: each hand-off makes one wait."""
        total = 0
        for thread in os.listdir("/proc/self/task"):
            if int(thread) not in self._workers:
                with open(f"/proc/self/task/{thread}/status") as status:
                    total += int(status.read().split("\nvoluntary_ctxt_switches:")[1].split()[0])
        return total

    def _compute(self) -> None:
        value = 1
        while not self.done.is_set():
            for _ in range(10_000):
                value = value * 1_103_515_245 % 2_147_483_647

    def _tick(self) -> None:
        while not self.done.is_set():
            before = time.monotonic()
            time.sleep(0.001)
            self._lateness.append(time.monotonic() - before - 0.001)

    def _report(self, switches: int) -> None:
        if self._stamped:
            with open(self.scenario.times, "wb") as file:
                self._starts.tofile(file)
                self._ends.tofile(file)
        print(f'{{"switches": {switches}, "lateness": {max(self._lateness, default=0.0)}}}', flush=True)
