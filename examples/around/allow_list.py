"""Only some people get an answer of the handler; the others are told so."""

import os
from collections.abc import Iterator

from arinova_agent_sync import ArinovaAgent, Task

allowed = set(os.environ.get("ALLOWED", "ann,bob").split(","))
agent = ArinovaAgent()


@agent.around_task
def allow(task: Task) -> Iterator[None]:
    if task.sender_username not in allowed:
        task.send_complete("Ask Ann to let you in.")
        return  # before the yield: no handler is called
    yield


@agent.on_task
def handle(task: Task) -> str:
    return f"Come in, {task.sender_username}!"


agent.run()
