"""An ``async def`` handler, as the asyncio SDK has them; it runs in an event loop of its own on a worker thread.

A program for ``arinova-agent-sdk`` looks like this with its import line changed.
"""

import asyncio

from arinova_agent_sync import ArinovaAgent, Task

agent = ArinovaAgent()


@agent.on_task
async def handle(task: Task) -> None:
    text = "Echo: " + task.content
    for word in text.split(" "):
        task.send_chunk(word + " ")
        await asyncio.sleep(0.01)
    task.send_complete()


agent.run()
