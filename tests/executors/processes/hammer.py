"""Random cancels and deaths, thousands of them: ``python -m tests.executors.processes.hammer``.

Every answer must be whole: numbered pieces without a gap or a repetition, one end each, and none of a task that
nobody touched may be cut. Prints the counts, and ends with 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import sys
import threading
import time
from collections import Counter

from arinova_agent_sync import ArinovaAgent, ProcessExecutor
from arinova_agent_sync.local import LocalServer

LOST = "The process that was answering ended unexpectedly"
REFUSED = "a process that was to run handlers ended while it loaded them"  # several in a row
PIECES = 40


def counts(task):
    """Say numbered pieces, with all that a handler may be in the midst of when the cancel comes."""
    pace = float(task.content.split()[0])
    for number in range(PIECES):
        yield f"{number},"
        if pace:
            time.sleep(pace)
    return None


class Hammer:
    """Users on one server, some of whom press stop, and deaths."""

    def __init__(self, server: LocalServer, executor: ProcessExecutor, seed: int) -> None:
        self.server = server
        self.executor = executor
        self.seed = seed
        self.lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.left = 0

    def user(self, number: int, deaths: bool) -> None:
        chance = random.Random(f"{self.seed} {number}")
        conversation = self.server.conversation()
        while self._take():
            innocent = number == 0
            pace = chance.choice([0, 0.0002, 0.001])
            reply = conversation.say(f"{pace} go")
            if not innocent and not deaths:
                time.sleep(chance.random() * 0.02)
                reply.cancel()
            elif deaths and chance.random() < 0.7:
                time.sleep(chance.random() * 0.02)
                self._kill_one(chance)
            try:
                status = reply.wait(30)
            except TimeoutError:
                self._wrong(f"hung: {reply.text[:80]!r}")
                continue
            self._judge(status, reply.text, innocent and not deaths)

    def _take(self) -> bool:
        with self.lock:
            self.left -= 1
            return self.left >= 0

    def _kill_one(self, chance: random.Random) -> None:
        pool = self.executor._pool
        pids = [worker.process.pid for worker in pool._placed.workers] if pool is not None else []
        if pids:
            try:
                os.kill(chance.choice(pids), signal.SIGKILL)
            except ProcessLookupError:
                pass

    def _judge(self, status: str, text: str, innocent: bool) -> None:
        whole = "".join(f"{number}," for number in range(PIECES))
        said = text.partition("\n\n")[0] if LOST in text else text
        said = "" if said.startswith((LOST, REFUSED)) else said
        fits = whole.startswith(said)
        if status == "completed" and LOST not in text:
            fits = said == whole
        with self.lock:
            self.outcomes["lost" if LOST in text else "refused" if REFUSED in text else status] += 1
        if not fits or (innocent and (status, text) != ("completed", whole)):
            self._wrong(f"{status}: {text!r}")

    def _wrong(self, what: str) -> None:
        with self.lock:
            self.wrong.append(what)


def run(times: int, *, users: int = 8, processes: int = 2, deaths: bool = False, seed: int = 1) -> Hammer:
    """Hammer so many tasks, and return what came of it."""
    executor = ProcessExecutor(processes, kill_after=5.0)
    with LocalServer(duplicate_window=0) as server:
        agent = ArinovaAgent(
            server_url=server.url, bot_token=server.bot_token, executor=executor, max_queued_tasks=1_000
        )
        agent.on_task(counts)
        agent.connect(15)
        hammer = Hammer(server, executor, seed)
        hammer.left = times
        threads = [threading.Thread(target=hammer.user, args=(number, deaths)) for number in range(users)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stats = agent.stats()
        hammer.outcomes["killed"] = stats.executors[0].killed
        hammer.outcomes["died"] = stats.executors[0].lost
        agent.disconnect(5)
        hammer.outcomes["running at the end"] = agent.stats().executors[0].running
    return hammer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10_000)
    parser.add_argument(
        "--deaths", action="store_true", help="kill processes at random instead of pressing stop"
    )
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.getLogger("arinova_agent_sync").setLevel(logging.CRITICAL)
    began = time.monotonic()
    hammer = run(given.times, deaths=given.deaths, seed=given.seed)
    print(f"{given.times} tasks in {time.monotonic() - began:.0f} s: {dict(hammer.outcomes)}")
    for what in hammer.wrong[:20]:
        print("WRONG:", what)
    print(f"{len(hammer.wrong)} wrong")
    return int(bool(hammer.wrong))


if __name__ == "__main__":
    sys.exit(main())
