"""websockets.sync as a client: a reader, a thread a task, its own lock."""

from __future__ import annotations

import json
import threading

from scenario import Scenario, Work, task_number
from websockets.sync.client import connect

scenario = Scenario.load()
work = Work(scenario)
ws = connect(scenario.url + "/ws/agent", ssl=scenario.tls(), max_size=None)
ws.send(json.dumps({"type": "agent_auth", "botToken": scenario.token}))


def handle(task: dict) -> None:
    """Stream what the scenario says, and end the task."""
    task_id = task["taskId"]

    def send(text: str) -> None:
        ws.send(json.dumps({"type": "agent_chunk", "taskId": task_id, "chunk": text}))

    number = task_number(task_id)
    work.stream(number, send)
    content = work.answer(number, task["content"])
    ws.send(json.dumps({"type": "agent_complete", "taskId": task_id, "content": content}))
    work.end()


seen = set()
for received in ws:
    message = json.loads(received)
    if message["type"] == "task" and message["taskId"] not in seen:
        seen.add(message["taskId"])
        threading.Thread(target=handle, args=(message,), daemon=True).start()
