"""What the gateways and Celery's workers of the fault hammer import: one agent, its handler in either place."""

from __future__ import annotations

import os
import time

from celery import Celery

from arinova_agent_sync import ArinovaAgent, CeleryExecutor, ProcessExecutor

PIECES = 40
WHOLE = "".join(f"{number}," for number in range(PIECES))
CAPACITY = 3

celery = Celery("hammered", broker=os.environ.get("ARINOVA_TEST_REDIS_URL", "redis://127.0.0.1:1/0"))
celery.conf.update(worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)
agent = ArinovaAgent(
    server_url=os.environ.get("ARINOVA_SERVER_URL", "http://127.0.0.1:1"),
    bot_token=os.environ.get("ARINOVA_BOT_TOKEN", "ari_none"),
    executor=CeleryExecutor(
        celery, name="hammered", capacity=CAPACITY, lease=1.5, start_timeout=4, kill_after=0.5
    )
    if os.environ.get("HAMMER_PLACE") == "celery"
    else ProcessExecutor(CAPACITY, kill_after=0.5),
    reconnect_interval=0.05,
    max_queued_tasks=1_000,
)


@agent.on_task
def counts(task):
    pace = float(task.content.split()[0])
    for number in range(PIECES):
        yield f"{number},"
        if pace:
            time.sleep(pace)
