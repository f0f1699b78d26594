"""What the tests' gateway and Celery's workers import: an app, and an agent with handlers of every shape."""

from __future__ import annotations

import os

from celery import Celery, signals

from arinova_agent_sync import ArinovaAgent, CeleryExecutor

from .processes import handlers
from .shapes import AROUND, SHAPES, shown

celery = Celery("tests", broker=os.environ.get("ARINOVA_TEST_REDIS_URL", "redis://127.0.0.1:1/0"))
celery.conf.update(worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)
# "abandoned" has a queue that no worker takes from; "limited" is ended by Celery itself.
celery.conf.task_routes = {"arinova.abandoned": {"queue": "celery-abandoned"}}
celery.conf.task_annotations = {"arinova.limited": {"time_limit": 0.3}}
executor = CeleryExecutor(celery, name="tests", capacity=2, lease=1.5, start_timeout=10, kill_after=0.3)
agent = ArinovaAgent(
    server_url=os.environ.get("ARINOVA_SERVER_URL", "http://127.0.0.1:1"),
    bot_token=os.environ.get("ARINOVA_BOT_TOKEN", "ari_none"),
    executor=executor,
    error_text=shown,
    reconnect_interval=0.01,
)
for name, shape in SHAPES.items():
    agent.on_command(name, shape.handler)
for function in AROUND:
    agent.around_task(function)
agent.on_task(handlers.who)
for name in ("who", "sleeps", "receives", "loops", "computes_in_c", "dies", "waits_for_file", "floods"):
    agent.on_command(name, getattr(handlers, name))
for name, handler in (("abandoned", handlers.who), ("limited", handlers.sleeps)):
    agent.on_command(name, handler, executor=CeleryExecutor(celery, name=name, start_timeout=0.5))
agent.on_command(
    "finishes_alone",
    handlers.finishes_alone,
    executor=CeleryExecutor(celery, name="finishing", lease=1.5, on_gateway_loss="finish"),
)


@signals.task_postrun.connect(weak=False)
def close_connections(**_):
    """Leave no idle connection to the server in the tests' own process."""
    agent._credentials.close()
