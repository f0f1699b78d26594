"""The handlers of executor_scene.py, and the Celery app whose workers run them: imported by all places alike."""

from __future__ import annotations

import hashlib
import os
import threading
import time

from celery import Celery

from arinova_agent_sync import ArinovaAgent, CeleryExecutor

CHUNKS = 20_000
WORK = 30_000_000  # turns of a loop
PROCESSES = 2


def answer(_):
    return "one answer"


def say(_):
    yield "piece"


def flat(_):
    for _ in range(CHUNKS):
        yield "six ch"


def compute(task):
    until = time.monotonic() + float(task.arguments)
    while time.monotonic() < until:
        pass
    return "computed"


def work(_=None):
    for _ in range(WORK):
        pass
    return "worked"


def sleep(task):
    """Say which process it is, and note when the sleep has ended."""
    try:
        yield f"{os.getpid()} "
        time.sleep(60)
    finally:
        with open(task.arguments, "w") as file:
            file.write(repr(time.monotonic()))


def sit_in_c(task):
    threading.Timer(0.1, task.send_chunk, [f"{os.getpid()} "]).start()  # from the midst of it
    hashlib.pbkdf2_hmac("sha256", b"x" * 64, b"y", 2**31 - 1)


HANDLERS = {"flat": flat, "compute": compute, "work": work, "sleep": sleep, "sit": sit_in_c}

celery = Celery("scene", broker=os.environ.get("SCENE_REDIS", "redis://127.0.0.1:1/0"))
celery.conf.update(worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)


def fitted(agent: ArinovaAgent, executor: object) -> ArinovaAgent:
    """Return the agent with its handlers: all in one place but the light one."""
    agent.on_command("answer", answer)
    for name, handler in HANDLERS.items():
        agent.on_command(name, handler, executor=executor)
    agent.on_task(answer, executor=executor)
    return agent


celery_agent = fitted(
    ArinovaAgent(
        server_url=os.environ.get("ARINOVA_SERVER_URL", "http://127.0.0.1:1"),
        bot_token=os.environ.get("ARINOVA_BOT_TOKEN", "ari_none"),
        max_workers=8,
    ),
    CeleryExecutor(celery, name="scene", capacity=PROCESSES, kill_after=1.0),
)
