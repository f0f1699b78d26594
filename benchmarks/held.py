"""What a task holds in memory: ``python -m benchmarks.held``.

An agent with 100 workers is given 1,000 tasks of 1,000 conversations by a server in another process, and its
handlers do not return until all are there. What tracemalloc counts is divided by the tasks.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable

from arinova_agent_sync import ArinovaAgent, Stats, Task

_TASKS = 1_000
_WORKERS = 100
_SERVER = """
import sys
from arinova_agent_sync.local import LocalServer

with LocalServer(duplicate_window=0, max_frames=1) as server:
    print(server.url, server.bot_token, flush=True)
    for line in sys.stdin:
        conversations = [server.conversation() for _ in range(int(line))]
        replies = [conversation.say("What is the weather like in Paris?") for conversation in conversations]
        for reply in replies:
            reply.wait(120)
        print("over", flush=True)
"""


def main() -> None:
    """Measure and print."""
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    url, token = server.stdout.readline().split()
    agent = ArinovaAgent(server_url=url, bot_token=token, max_workers=_WORKERS, max_queued_tasks=10_000)
    go = threading.Event()

    @agent.on_task
    def handle(task: Task) -> str:
        go.wait()
        return f"It rains on {task.content[-6:-1]}."

    def say(count: int) -> None:
        server.stdin.write(f"{count}\n")
        server.stdin.flush()

    with agent:
        go.set()
        say(_WORKERS)  # what is made once: threads, and what is loaded late
        server.stdout.readline()
        tracemalloc.start()
        nothing = _held()
        go.clear()
        say(_WORKERS)
        _until(lambda: agent.stats().running == _WORKERS)
        running = _held() - nothing
        go.set()
        server.stdout.readline()
        go.clear()
        say(_TASKS)
        _until(lambda: agent.stats().queued == _TASKS - _WORKERS)
        waiting = _held() - nothing - running
        go.set()
        server.stdout.readline()
        _until(lambda: _idle(agent.stats()))
        left = _held() - nothing
    server.stdin.close()
    server.wait(10)
    print(f"a running task holds {running / _WORKERS:,.0f} bytes beside its thread")
    print(f"a waiting task holds {waiting / (_TASKS - _WORKERS):,.0f} bytes")
    print(
        f"a finished task leaves {left / (_TASKS + _WORKERS):,.0f} bytes, its id for repetitions of it among them"
    )


def _held() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _idle(stats: Stats) -> bool:
    return not stats.running and not stats.queued


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


if __name__ == "__main__":
    main()
