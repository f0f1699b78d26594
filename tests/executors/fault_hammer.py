"""A thousand faults under the feet of running handlers: ``python -m tests.executors.fault_hammer``.

Processes are killed and frozen: those that run handlers, the gateway's, Redis's, a whole Celery worker; connections
to Redis and to the server are reset. Meanwhile users talk. Each answer must end once; its text must be numbered
pieces from the first on, none twice and none missing, all of them unless an error says why. Prints the counts, and
ends with 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import redis

from arinova_agent_sync.local import LocalConversation, LocalServer

from .hammered import CAPACITY, WHOLE
from .test_celery import ROOT, Redis, Worker

USERS = 6
REASONS = (  # what an answer that is not whole may say
    "ended unexpectedly",
    "cannot be reached any more",
    "a part of the answer was lost on its way",
    "No worker took the task",
    "Celery's broker did not take the task",
    "ended while it loaded them",
    "gave up, since it could not reach",
    "given up",
    "disconnected",
    "not connected",
    "Agent reconnected",
    "connection",
)
TERMINALS = ("agent_complete", "agent_error")


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:
            continue
    return found


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class FaultHammer:
    """Users who talk, and one who breaks things.

    Args:
        place: "processes" or "celery".
        seed: what the faults are drawn by.
        folder: for logs.
        freezes: how long processes are frozen, as a part of what else they are.
    """

    def __init__(self, place: str, seed: int, folder: Path, freezes: float = 1.0) -> None:
        self.place = place
        self.random = random.Random(f"{place} {seed}")
        self.folder = folder
        self.freezes = freezes
        self.lock = threading.Lock()
        self.faults: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.terminals: defaultdict[str, set[str]] = defaultdict(set)
        self.seen_frames = 0
        self.conversations: list[LocalConversation] = []
        self.over = threading.Event()

    def run(self, faults: int) -> None:
        """Break things so many times, and judge every answer."""
        with LocalServer(duplicate_window=0) as self.server:
            self.environment = {
                "ARINOVA_SERVER_URL": self.server.url,
                "ARINOVA_BOT_TOKEN": self.server.bot_token,
                "HAMMER_PLACE": self.place,
            }
            if self.place == "celery":
                self.redis = Redis()
                self.environment["ARINOVA_TEST_REDIS_URL"] = self.redis.url
                self._start_worker()
            self._start_gateway()
            users = [threading.Thread(target=self._talk, args=(number,)) for number in range(USERS)]
            try:
                self.server.wait_for_agent(20)
                for user in users:
                    user.start()
                self._break_things(faults)
            finally:
                self.over.set()
                for user in users:
                    user.join()
                self._look_at_frames()
                self._stop()
            self._look_at_messages()
        for task_id, ends in self.terminals.items():
            if len(ends) > 1:
                self._wrong(f"task {task_id} has {len(ends)} ends: {ends}")

    # Users

    def _talk(self, number: int) -> None:
        chance = random.Random(f"{self.place} {number}")
        while not self.over.is_set():
            conversation = self.server.conversation()
            try:
                reply = conversation.say(f"{chance.choice([0, 0.001, 0.005, 0.02])} go", wait_for_agent=60)
                status = reply.wait(90)
            except TimeoutError as error:
                self._wrong(f"hung: {error}")
                continue
            self._judge(status, reply.text)
            self.conversations.append(conversation)

    def _judge(self, status: str, text: str) -> None:
        said, _, why = text.partition("\n\n")
        if not said[:1].isdigit():
            said, why = "", text
        fits = said == WHOLE and not why
        outcome = "whole" if fits else next((reason for reason in REASONS if reason in why), "")
        with self.lock:
            self.outcomes[outcome or "wrong"] += 1
        if not outcome or not WHOLE.startswith(said):
            self._wrong(f"{status}: {text!r}")

    def _wrong(self, what: str) -> None:
        with self.lock:
            self.wrong.append(what)

    def _look_at_messages(self) -> None:
        """Judge what has come behind an answer that the server had given up."""
        for conversation in self.conversations:
            answers = [message.content for message in conversation.messages if message.content[:2] == "0,"]
            for text in answers:
                said, _, why = text.partition("\n\n")
                if len(answers) > 1 or (said != WHOLE and not (why and WHOLE.startswith(said))):
                    self._wrong(f"messages: {answers!r}")

    # Faults

    def _break_things(self, faults: int) -> None:
        kinds: dict[Callable[[], None], int] = {
            self.kill_a_process: 30,
            self.freeze_a_process: 20,
            self.kill_the_gateway: 10,
            self.freeze_the_gateway: 10,
            self.reset_the_socket: 10,
        }
        if self.place == "celery":
            kinds |= {
                self.reset_redis: 20,
                self.freeze_redis: 10,
                self.restart_redis: 10,
                self.kill_the_worker: 3,
                self.freeze_the_worker: 10,
            }
        for _ in range(faults):
            time.sleep(self.random.uniform(0.02, 0.3))
            fault = self.random.choices(list(kinds), list(kinds.values()))[0]
            self.faults[fault.__name__.replace("_", " ")] += 1
            fault()
            self._look_at_frames()

    def kill_a_process(self) -> None:
        if pids := children_of(self._parent()):
            send(self.random.choice(pids), signal.SIGKILL)

    def freeze_a_process(self) -> None:
        if pids := children_of(self._parent()):
            self._freeze(self.random.choice(pids), 2.5)

    def kill_the_gateway(self) -> None:
        self.gateway.kill()
        self.gateway.wait()
        self._start_gateway()

    def freeze_the_gateway(self) -> None:
        self._freeze(self.gateway.pid, 1.0)

    def reset_the_socket(self) -> None:
        self.server.inject("drop", mid_frame=self.random.random() < 0.5)

    def reset_redis(self) -> None:
        try:
            with redis.Redis.from_url(self.redis.url) as client:
                for kind in ("normal", "pubsub"):
                    client.client_kill_filter(_type=kind)
        except redis.RedisError:
            pass  # its own connection was one of them

    def freeze_redis(self) -> None:
        self._freeze(self.redis.process.pid, 3.0)

    def restart_redis(self) -> None:
        self.redis.process.kill()
        self.redis.process.wait()
        self.redis.start()

    def kill_the_worker(self) -> None:
        self.worker.stop()
        self._start_worker()

    def freeze_the_worker(self) -> None:
        self.worker.signal(signal.SIGSTOP)
        self._sleep(3.0)
        self.worker.signal(signal.SIGCONT)

    def _freeze(self, pid: int, longest: float) -> None:
        send(pid, signal.SIGSTOP)
        self._sleep(longest)
        send(pid, signal.SIGCONT)

    def _sleep(self, longest: float) -> None:
        time.sleep(self.random.uniform(0.05, longest) * self.freezes)

    def _parent(self) -> int:
        return self.worker.process.pid if self.place == "celery" else self.gateway.pid

    # Processes

    def _start_worker(self) -> None:
        self.worker = Worker(
            self.environment,
            self.folder / f"worker-{time.monotonic()}",
            app="tests.executors.hammered:celery",
            processes=CAPACITY,
        )

    def _start_gateway(self) -> None:
        with (self.folder / "gateways").open("a") as log:
            self.gateway = subprocess.Popen(
                [sys.executable, "-c", "from tests.executors.hammered import agent; agent.run()"],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )

    def _stop(self) -> None:
        self.gateway.terminate()
        self.gateway.wait(30)
        if self.place == "celery":
            self.worker.stop()
            self.redis.stop()

    def _look_at_frames(self) -> None:
        for record in self.server.frames:
            if record.number > self.seen_frames and record.direction == "in" and record.type in TERMINALS:
                self.terminals[record["taskId"]].add(repr(record.frame))
            self.seen_frames = max(self.seen_frames, record.number)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=500, help="in each place")
    parser.add_argument("--place", choices=["processes", "celery"], action="append")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    bad = 0
    for place in given.place or ["processes", "celery"]:
        folder = Path(tempfile.mkdtemp(prefix=f"hammer-{place}-"))
        began = time.monotonic()
        hammer = FaultHammer(place, given.seed, folder)
        hammer.run(given.faults)
        print(f"{place}: {given.faults} faults in {time.monotonic() - began:.0f} s: {dict(hammer.faults)}")
        print(f"  {sum(hammer.outcomes.values())} answers: {dict(hammer.outcomes)}")
        for what in hammer.wrong[:20]:
            print("  WRONG:", what)
        print(f"  {len(hammer.wrong)} wrong; logs in {folder}")
        bad += len(hammer.wrong)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
