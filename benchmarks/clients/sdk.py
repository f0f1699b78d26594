"""This package as a client."""

from __future__ import annotations

import threading

from scenario import Scenario, Work, task_number

from arinova_agent_sync import ArinovaAgent

scenario = Scenario.load()
work = Work(scenario)


def handle(task) -> None:
    """Stream what the scenario says, and end the task."""
    work.stream(task_number(task.task_id), task.send_chunk)
    task.send_complete(work.digest(task.content))
    work.end()


agents = []
for number in range(scenario.agents):
    agent = ArinovaAgent(
        server_url=scenario.url,
        bot_token=f"{scenario.token}_{number}",
        max_workers=scenario.workers,
        max_queued_tasks=scenario.queued,
        ssl_context=scenario.tls(),
        proxy="",
    )
    agent.on_task(handle)
    agent.connect()
    agents.append(agent)
threading.Event().wait()
