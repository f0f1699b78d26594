"""Handlers in one place, in one scene: the figures as JSON.

Usage: executor_scene.py PLACE SCENE; the places are threads, processes, celery (with a Redis and a worker of its
own), futures (concurrent.futures' processes) and bare (two Python processes, and nothing else).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).parents[2]))

from arinova_agent_sync import ArinovaAgent, ProcessExecutor
from arinova_agent_sync.executors.protocol import Job
from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.net.deadline import Deadline
from benchmarks.clients import executor_handlers
from benchmarks.clients.executor_handlers import CHUNKS, PROCESSES, fitted

ROOT = Path(__file__).parents[2]
TIMES = 300
IDLE = 10.0  # seconds


class Place:
    """A server, and an agent whose handlers run somewhere.

    Args:
        server: the server.
        agent: connected.
        pids: the processes beside this one that belong to it.
    """

    def __init__(self, server: LocalServer, agent: ArinovaAgent, pids: Callable[[], Sequence[int]]) -> None:
        self.server = server
        self.agent = agent
        self.pids = pids


@contextmanager
def made(place: str, processes: int = PROCESSES) -> Iterator[Place]:
    """Make it, and end it whole."""
    with LocalServer(duplicate_window=0) as server:
        if place == "celery":
            with _celery(server) as (agent, pids):
                yield Place(server, agent, pids)
            return
        executor = ProcessExecutor(processes, kill_after=1.0) if place == "processes" else None
        options = {"server_url": server.url, "bot_token": server.bot_token, "max_workers": 8}
        agent = fitted(ArinovaAgent(**options), executor)
        agent.connect(15)
        yield Place(server, agent, lambda: _children(os.getpid()))
        agent.disconnect()


@contextmanager
def _celery(server: LocalServer) -> Iterator[tuple[ArinovaAgent, Callable[[], Sequence[int]]]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    store = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    environment = {
        "SCENE_REDIS": url,
        "ARINOVA_SERVER_URL": server.url,
        "ARINOVA_BOT_TOKEN": server.bot_token,
    }
    arguments = ["-A", "benchmarks.clients.executor_handlers:celery", "worker", "-P", "prefork"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", *arguments, "-c", str(PROCESSES), "-l", "error"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        executor_handlers.celery.conf.broker_url = url
        from arinova_agent_sync import _internals

        agent = executor_handlers.celery_agent
        _internals.redirect(agent, server_url=server.url, bot_token=server.bot_token)
        _until(lambda: _listens(port))
        agent.connect(15)
        server.conversation().say("is a worker there?").wait(60)
        yield agent, lambda: [store.pid, worker.pid, *_children(worker.pid)]
        agent.disconnect()
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        store.kill()
        worker.wait()
        store.wait()


def first(place: str) -> dict[str, float]:
    """From what a user says to the completed answer."""
    if place == "futures":
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            pool.submit(str).result()
            return _spread([_timed(lambda: pool.submit(str, "one answer").result()) for _ in range(TIMES)])
    with made(place) as there:
        conversation = there.server.conversation()
        for _ in range(20):
            conversation.say("warm").wait()
        return _spread([_timed(lambda: conversation.say("hi").wait()) for _ in range(TIMES)])


class Served:
    """An agent as an executor sees it, and one of its tasks: no server, no connection."""

    server_url, token, proxy, ssl_context, error_text = "http://127.0.0.1:1", "x", None, None, str
    handlers = {None: executor_handlers.say}  # noqa: RUF012 - made once
    around, made_at, is_connected, is_open = (), None, False, True

    def __init__(self) -> None:
        self.is_ready = threading.Event()
        self.began = self.said = 0.0
        self.over = threading.Event()

    def ready(self, _: BaseException | None) -> None:
        self.is_ready.set()

    def in_background(self, work: Callable[[], None]) -> None:
        work()

    def chunk(self, _: str) -> None:
        self.said = time.perf_counter()

    def ended(self, _: BaseException | None = None) -> None:
        self.over.set()


def piece(place: str) -> dict[str, float]:
    """From a task that is handed over to the first piece of its answer, without an agent around."""
    if place != "processes":
        pool = (
            ThreadPoolExecutor(PROCESSES)
            if place == "threads"
            else ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"))
        )
        with pool:
            pool.submit(str).result()
            return _spread([_timed(lambda: pool.submit(str, "piece").result()) for _ in range(TIMES)])
    served, times = Served(), []
    session = ProcessExecutor(PROCESSES).open(served)
    served.is_ready.wait()
    for number in range(TIMES + 20):
        served.over.clear()
        began = time.perf_counter()
        session.submit(Job(str(number), None, {"taskId": str(number), "content": "hi"}, None), served)
        served.over.wait()
        times.append(served.said - began)
    session.close(Deadline(5.0), 5.0)
    return _spread(times[20:])


def flat(place: str) -> dict[str, float]:
    """Pieces of six characters as fast as they come, and what they cost the process that holds the connection."""
    with made(place) as there:
        there.server.conversation().say("/flat").wait(60)
        cpu, began = time.process_time(), time.perf_counter()
        there.server.conversation().say("/flat").wait(60)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        return {"chunk_wall": wall / CHUNKS, "chunk_cpu": cpu / CHUNKS}


def beside(place: str) -> dict[str, float]:
    """A light task on a thread beside four that compute: on threads, or in processes."""
    with made(place) as there:
        conversation = there.server.conversation()
        conversation.say("/answer").wait()
        stop = threading.Event()

        def keep_busy() -> None:
            busy = there.server.conversation()
            while not stop.is_set():
                busy.say("/compute 0.5").wait()

        threads = [threading.Thread(target=keep_busy) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        figures = _spread([_timed(lambda: conversation.say("/answer").wait()) for _ in range(60)])
        stop.set()
        for thread in threads:
            thread.join()
        return figures


def speed(place: str) -> dict[str, float]:
    """Two handlers that compute, at once."""
    if place == "bare":
        program = (
            "from benchmarks.clients.executor_handlers import work; print(flush=1); input(); work(); work()"
        )
        pair = [
            subprocess.Popen(
                [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            for _ in range(PROCESSES)
        ]
        for each in pair:
            each.stdout.readline()  # it has imported

        def run() -> None:
            for each in pair:
                each.stdin.write(b"\n")
                each.stdin.flush()
            for each in pair:
                each.wait()

        wall = _timed(run)
        for each in pair:
            each.stdin.close()
            each.stdout.close()
        return {"wall": wall}
    with made(place) as there:
        conversations = [there.server.conversation() for _ in range(PROCESSES)]

        def both() -> None:
            for _ in range(2):
                for reply in [conversation.say("/work") for conversation in conversations]:
                    reply.wait(60)

        return {"wall": _timed(both)}


def cancel(place: str) -> dict[str, float]:
    """From the press on stop to the finally of a handler that sleeps."""
    with made(place) as there, tempfile.TemporaryDirectory() as folder:
        times = []
        for number in range(40):
            mark = Path(folder) / str(number)
            reply = there.server.conversation().say(f"/sleep {mark}")
            reply.wait_for_text(" ")
            time.sleep(0.01)
            began = time.monotonic()
            reply.cancel()
            times.append(float(_until(lambda: mark.exists() and mark.read_text())) - began)  # noqa: B023
        return _spread(times)


def stuck(place: str) -> dict[str, float]:
    """From the press on stop to the end of a process whose handler sits in C; kill_after is a second."""
    with made(place) as there:
        reply = there.server.conversation().say("/sit")
        pid = int(reply.wait_for_text(" "))
        began = time.monotonic()
        reply.cancel()
        _until(lambda: not _is_alive(pid))
        return {"wall": time.monotonic() - began}


def killed(place: str) -> dict[str, float]:
    """From kill -9 on a handler's process to the answer that says so."""
    with made(place) as there:
        times = []
        for _ in range(10):
            reply = there.server.conversation().say("/sleep /dev/null")
            pid = int(reply.wait_for_text(" "))
            began = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            reply.wait(60)
            times.append(time.monotonic() - began)
            time.sleep(0.5)
        return {"p50": median(times), "most": max(times)}


def idle(place: str) -> dict[str, float]:
    """What the processes beside this one use of a core while nothing happens."""
    with made(place, 4) as there:
        time.sleep(1)
        before = sum(map(_cpu, there.pids()))
        time.sleep(IDLE)
        return {"share": (sum(map(_cpu, there.pids())) - before) / IDLE}


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _spread(times: list[float]) -> dict[str, float]:
    return {"p50": median(times), "p99": quantiles(times, n=100)[98]}


def _until(condition, timeout: float = 20.0):
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come true in time")
        time.sleep(0.0005)
    return found


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(word) for word in task.read_text().split()]
    return found


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _cpu(pid: int) -> float:
    """Return the seconds that a process has used, by the scheduler's clock."""
    return (
        sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    )


SCENES = {scene.__name__: scene for scene in (first, piece, flat, beside, speed, cancel, stuck, killed, idle)}

if __name__ == "__main__":
    place, scene = sys.argv[1:]
    print(json.dumps(SCENES[scene](place)))
