"""What a CeleryExecutor refuses, without a Redis or a worker."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from celery import Celery

from arinova_agent_sync import ArinovaAgent, CeleryExecutor, ExecutorError
from arinova_agent_sync.executors.celery.redis_keys import shown

from .processes import handlers

NOBODY = "redis://:secret@127.0.0.1:1/0"
MADE = {
    name: Celery(name, broker=broker)
    for name, broker in (
        ("amqp", "amqp://x"),
        ("away", NOBODY),
        ("eager", NOBODY),
        ("pickles", NOBODY),
        ("tls", NOBODY),
    )
}
MADE["eager"].conf.task_always_eager = True
MADE["tls"].conf.broker_use_ssl = {"ssl_cert_reqs": "required"}
MADE["pickles"].conf.accept_content = ["pickle"]
# At the top of the module, as a worker would need it.
AGENTS = {
    name: ArinovaAgent(
        server_url="http://127.0.0.1:1", bot_token="x", executor=CeleryExecutor(app, name=name)
    )
    for name, app in MADE.items()
}
for each in AGENTS.values():
    each.on_task(handlers.who)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("amqp", r"broker is not Redis, which brings back what handlers send: give redis_url="),
        ("away", r"Redis at redis://127.0.0.1:1/0 cannot be reached: "),
        ("eager", r"task_always_eager"),
        ("tls", r"broker_use_ssl says nothing to the streams"),
        ("pickles", r"accept_content has no json, in which tasks are sent"),
    ],
)
def test_what_cannot_work_is_an_error_of_connect(name, said):
    with pytest.raises(ExecutorError, match=said) as caught:
        AGENTS[name].connect(10)
    assert "secret" not in str(caught.value)


def test_an_agent_in_a_function(make_agent, server):
    agent = make_agent(server, executor=CeleryExecutor(Celery("x", broker=NOBODY), name="x"))
    agent.on_task(handlers.who)
    with pytest.raises(ExecutorError, match="make it at the top level, not in a function"):
        agent.connect(5)


def test_standard_input(server):
    text = textwrap.dedent("""
        from celery import Celery
        from arinova_agent_sync import ArinovaAgent, CeleryExecutor
        executor = CeleryExecutor(Celery("x", broker="redis://127.0.0.1:1"), name="x")
        agent = ArinovaAgent(server_url="http://127.0.0.1:1", bot_token="x", executor=executor)
        agent.on_task(lambda task: "x")
        agent.connect()
    """)
    done = subprocess.run([sys.executable, "-"], input=text, capture_output=True, text=True, timeout=30)
    assert (
        "ExecutorError: an agent of a notebook, of an interactive session or of standard input" in done.stderr
    )


def test_a_file_without_a_guard_is_told_in_the_worker(tmp_path):
    (tmp_path / "shop.py").write_text(
        textwrap.dedent("""
        from celery import Celery
        from arinova_agent_sync import ArinovaAgent, CeleryExecutor
        celery = Celery("x", broker="redis://127.0.0.1:1")
        agent = ArinovaAgent(
            server_url="http://127.0.0.1:1", bot_token="x", executor=CeleryExecutor(celery, name="x")
        )
        agent.run()
        """)
    )
    command = [sys.executable, "-m", "celery", "-A", "shop:celery", "worker"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert "a Celery worker imports the agent's file, and must not connect it" in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"name": "a:b"}, ValueError, "name must be one word"),
        ({"name": ""}, ValueError, "name must not be empty"),
        ({"redis_url": "http://x"}, ValueError, "redis_url must start with redis://"),
        ({"capacity": 0}, ValueError, "capacity"),
        ({"lease": 0.1}, ValueError, "lease"),
        ({"start_timeout": 0}, ValueError, "start_timeout"),
        ({"on_gateway_loss": "go on"}, ValueError, "on_gateway_loss must be one of 'stop', 'finish'"),
    ],
)
def test_wrong_arguments(options, kind, said):
    with pytest.raises(kind, match=said):
        CeleryExecutor(MADE["away"], **{"name": "y", **options})
    with pytest.raises(TypeError, match="needs a Celery app"):
        CeleryExecutor("redis://", name="y")


def test_a_url_is_shown_without_its_password():
    assert shown("rediss://user:secret@host:6380/2") == "rediss://host:6380/2"
