"""A handler on threads, in processes or in concurrent.futures' processes: one scene, its figures as JSON.

Usage: executor_scene.py PLACE SCENE, with PLACE threads, processes or futures, and SCENE first, flat or beside.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median, quantiles

from arinova_agent_sync import ArinovaAgent, ProcessExecutor
from arinova_agent_sync.local import LocalServer

TIMES = 300
CHUNKS = 20_000


def answer(_):
    return "one answer"


def flat(_):
    for _ in range(CHUNKS):
        yield "six ch"


def compute(task):
    until = time.monotonic() + float(task.arguments)
    while time.monotonic() < until:
        pass
    return "computed"


def made(place: str, server: LocalServer) -> ArinovaAgent:
    executor = ProcessExecutor(2) if place == "processes" else None
    agent = ArinovaAgent(server_url=server.url, bot_token=server.bot_token, max_workers=8)
    agent.on_command("answer", answer)  # on a thread, beside those that compute elsewhere
    for name, handler in (("flat", flat), ("compute", compute)):
        agent.on_command(name, handler, executor=executor)
    agent.on_task(answer, executor=executor)
    agent.connect(15)
    return agent


def first(place: str) -> dict[str, float]:
    """From what a user says to the completed answer."""
    if place == "futures":
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            pool.submit(str).result()
            return _spread([_timed(lambda: pool.submit(str, "one answer").result()) for _ in range(TIMES)])
    with LocalServer(duplicate_window=0) as server:
        agent = made(place, server)
        conversation = server.conversation()
        for _ in range(20):
            conversation.say("warm").wait()
        figures = _spread([_timed(lambda: conversation.say("hi").wait()) for _ in range(TIMES)])
        agent.disconnect()
        return figures


def flat_out(place: str) -> dict[str, float]:
    """Pieces of six characters as fast as they come, and what they cost the process that holds the connection."""
    with LocalServer(duplicate_window=0) as server:
        agent = made(place, server)
        server.conversation().say("/flat").wait(60)
        cpu, began = time.process_time(), time.perf_counter()
        server.conversation().say("/flat").wait(60)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        agent.disconnect()
        return {"chunk_wall": wall / CHUNKS, "chunk_cpu": cpu / CHUNKS}


def beside(place: str) -> dict[str, float]:
    """A light task on a thread beside four that compute: on threads, or in processes."""
    with LocalServer(duplicate_window=0) as server:
        agent = made(place, server)
        conversation = server.conversation()
        conversation.say("/answer").wait()
        stop = threading.Event()

        def keep_busy() -> None:
            busy = server.conversation()
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
        agent.disconnect()
        return figures


def _timed(call) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _spread(times: list[float]) -> dict[str, float]:
    return {"p50": median(times), "p99": quantiles(times, n=100)[98]}


if __name__ == "__main__":
    place, scene = sys.argv[1:]
    print(json.dumps({"first": first, "flat": flat_out, "beside": beside}[scene](place)))
