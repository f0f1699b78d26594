"""The limit at a model's pace: a thread a task that sleeps, and calls `sendall` on frames made beforehand."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

from plain_socket import connect, frame
from scenario import Scenario, Work, task_number

scenario = Scenario.load()
work = Work(scenario)
TASK_ID = "00000000-0000-4000-8000-%012x"


def frames_of(number: int) -> Iterator[bytes]:
    """Return a task's frames, the last one among them."""
    task_id = TASK_ID % number
    chunks = [
        frame({"type": "agent_chunk", "taskId": task_id, "chunk": text}) for text in work.chunks(number)
    ]
    whole = "".join(work.chunks(number))
    return iter([*chunks, frame({"type": "agent_complete", "taskId": task_id, "content": whole})])


frames = [frames_of(number) for number in range(scenario.tasks)]
peer = connect(scenario.url, scenario.token)
turn = threading.Lock()


def handle(number: int) -> None:
    """Send a task's frames as the scenario wants it."""

    def send(_: str = "") -> None:
        with turn:
            peer.sendall(next(frames[number]))

    work.stream(number, send)
    send()
    work.end()


received, seen = b"", set()
while data := peer.recv(65_536):
    received += data
    for task_id in re.findall(rb'"taskId":"([^"]{36})"', received):
        if task_id not in seen:
            seen.add(task_id)
            threading.Thread(target=handle, args=(task_number(task_id.decode()),), daemon=True).start()
    received = received[-64:]
