"""The least that a task costs with threads: this package's transport, a queue, and nothing that keeps a promise."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from scenario import Scenario, Work, task_number

from arinova_agent_sync.net.deadline import Deadline
from arinova_agent_sync.protocol import frames
from arinova_agent_sync.runtime.websocket import WebSocket

scenario = Scenario.load()
work = Work(scenario)
tasks: SimpleQueue[dict] = SimpleQueue()
turn = threading.Lock()


def send(payload: bytes) -> None:
    """Write a frame: one thread at a time."""
    with turn:
        link.send_text(payload)


def handle() -> None:
    """Stream what the scenario says, and end the task; then the next one."""
    while True:
        task = tasks.get()
        task_id, said = task["taskId"], []
        prefix = frames.chunk_prefix(task_id)

        def chunk(text: str, prefix: bytes = prefix, said: list[str] = said) -> None:
            said.append(text)
            send(prefix + frames.encode_text(text) + b"}")

        work.stream(task_number(task_id), chunk)
        send(frames.agent_complete(task_id, "".join(said), None))
        work.end()


link = WebSocket(
    f"{scenario.url}/ws/agent", max_message_bytes=1 << 24, send_timeout=20.0, silence_timeout=120.0
)
link.open(Deadline(10.0))
send(frames.agent_auth(f"{scenario.token}_0", (), "0", "cpython"))
for _ in range(scenario.workers):
    threading.Thread(target=handle, daemon=True).start()
while True:
    message = frames.decode(link.receive())
    if message is not None and message["type"] == "task":
        tasks.put(message)
