"""Agents inside web frameworks, schedulers and prompts, written as docs/frameworks.md says."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from arinova_agent_sync.local import LocalServer

from .conftest import PAGE, PATIENCE, SOURCES, Project

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def fetch(port: int, path: str, *, method: str = "GET") -> Any:
    """Ask a web server that may be about to start."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with opener.open(request, timeout=PATIENCE) as answer:
                return json.load(answer)
        except urllib.error.URLError as error:
            if time.monotonic() > deadline or not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.02)


@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["", "preload"])
@pytest.mark.parametrize("worker", ["sync", "gthread", "gevent"])
def test_gunicorn(project: Project, worker: str, preload: list[str]) -> None:
    project.take("bot.py", "gunicorn.conf.py")
    project.write("web.py", "from bot import agent\n\ndef app(environ, start_response): ...\n")
    # One worker: a second one that still begins when the end comes would not hear of it.
    options = ["--bind", f"127.0.0.1:{free_port()}", "--worker-class", worker]
    program = project.start("-m", "gunicorn", *options, *preload, "web:app")
    assert project.ask("hi") == "HI"
    code, output = program.end()
    assert code == 0
    assert output.count("connected as") == 1


def test_django(project: Project) -> None:
    settings = """
        SECRET_KEY = "a test's"
        INSTALLED_APPS = ["shop"]
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
        DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
    """
    project.write("settings.py", settings.replace("\n        ", "\n"))
    for package in ("shop", "shop/management", "shop/management/commands"):
        project.write(f"{package}/__init__.py")
    project.write("shop/models.py", "from django.db import models\n\nclass Order(models.Model): ...\n")
    project.take("shop/management/commands/run_agent.py")
    named = {"DJANGO_SETTINGS_MODULE": "settings"}
    migrated = project.start("-m", "django", "migrate", "--run-syncdb", **named)
    assert migrated.end(0)[0] == 0
    program = project.start("-m", "django", "run_agent", **named)
    assert project.ask("how many?") == "There are 0 orders."
    code, output = program.end()
    assert (code, "connected as" in output) == (0, True)


@pytest.mark.parametrize("debug", [[], ["--debug"]], ids=["", "debug"])
def test_flask(project: Project, server: LocalServer, debug: list[str]) -> None:
    project.take("bot.py", "app.py")
    port = free_port()
    program = project.start("-m", "flask", "--app", "app", "run", "--port", str(port), *debug)
    assert project.ask("hi") == "HI"
    assert fetch(port, "/agent") == {"connected": True}
    _, output = program.end(signal.SIGINT)
    assert output.count("connected as") == 1
    server.wait_for_disconnect()


def test_fastapi(project: Project, server: LocalServer) -> None:
    project.take("bot.py", "api.py")
    port = free_port()
    program = project.start("-m", "uvicorn", "api:app", "--port", str(port))
    assert project.ask("hi") == "HI"
    conversation = server.conversation()
    assert fetch(port, f"/messages/{conversation.id}?text=hello", method="POST") is None
    assert conversation.wait_for_message().content == "hello"
    _, output = program.end(signal.SIGINT)
    assert "Application shutdown complete" in output
    server.wait_for_disconnect()


def test_apscheduler(project: Project, server: LocalServer) -> None:
    project.take("bot.py")
    daily = '"cron", hour=9'
    assert daily in SOURCES["reminders.py"]
    project.write("reminders.py", SOURCES["reminders.py"].replace(daily, '"interval", seconds=0.1'))
    conversation = server.conversation()
    program = project.start("reminders.py", CONVERSATION_ID=conversation.id)
    assert project.ask("hi") == "HI"
    assert conversation.wait_for_message().content == "Good morning!"
    assert program.end(signal.SIGINT)[0] == 0
    server.wait_for_disconnect()


def test_celery_beat(project: Project, server: LocalServer) -> None:
    project.take("bot.py", "jobs.py")
    program = project.start("-m", "celery", "--broker", "memory://", "--app", "jobs", "beat")
    assert project.ask("hi") == "HI"
    program.end()
    server.wait_for_disconnect()


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_green_threads(project: Project, library: str) -> None:
    source = SOURCES["green.py"]
    if library == "eventlet":
        source = source.replace("from gevent import monkey", "import eventlet as monkey")
        source = source.replace("patch_all", "monkey_patch")
    project.take("bot.py")
    project.write("green.py", source)
    program = project.start("-W", "ignore", "green.py")
    assert project.ask("hi") == "HI"
    assert program.end(signal.SIGINT)[0] == 0


@pytest.mark.parametrize(
    "prompt", [["-i"], ["-m", "IPython", "-i", "--simple-prompt"]], ids=["python", "IPython"]
)
def test_prompts(project: Project, server: LocalServer, prompt: list[str]) -> None:
    project.take("bot.py", "prompt.py")
    program = project.start(*prompt, "prompt.py")
    assert project.ask("hi") == "HI"
    code, output = program.end(text="print(agent.connected)\n")
    assert (code, "True" in output) == (0, True)
    server.wait_for_disconnect()


def test_every_program_of_the_page_is_run() -> None:
    assert PAGE.count("```python\n") == len(SOURCES)
