"""arinova-agent-sdk 0.0.1, the asyncio SDK, as a client."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from arinova_agent import ArinovaAgent
from scenario import Scenario, Work, task_number

scenario = Scenario.load()
work = Work(scenario)
turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # a conversation's
workers = asyncio.Semaphore(scenario.workers)


def handle(task) -> None:
    """Stream what the scenario says, and end the task. Runs on the event loop, as this SDK has it."""
    number = task_number(task.task_id)
    work.stream(number, task.send_chunk)
    task.send_complete(work.answer(number, task.content))
    work.end()


async def handle_async(task) -> None:
    """Stream as fast as it can, with a turn for the event loop behind each chunk, and end the task."""
    number = task_number(task.task_id)
    for text in work.chunks(number):
        task.send_chunk(text)
        await asyncio.sleep(0)
    if scenario.pause:
        await asyncio.sleep(scenario.pause)
    task.send_complete(work.answer(number, task.content))


async def handle_in_order(task) -> None:
    """Do the same once it is this task's turn: what it takes to keep a conversation in order with this SDK."""
    async with turns[task.conversation_id], workers:
        await handle_async(task)


async def main() -> None:
    """Keep the scenario's agents connected."""
    agents = [ArinovaAgent(server_url=scenario.url, bot_token=scenario.token) for _ in range(scenario.agents)]
    for agent in agents:
        if scenario.in_order:
            agent.on_task(handle_in_order)
        else:
            agent.on_task(handle_async if scenario.asynchronous else handle)
    await asyncio.gather(*(agent.connect() for agent in agents))


asyncio.run(main())
