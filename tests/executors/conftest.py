"""An August server with actions, and a way to play all shapes of handlers on an agent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from arinova_agent_sync import ArinovaAgent
from arinova_agent_sync.local import ActionReply, LocalServer

from .shapes import AROUND, SHAPES, Came, Shape, shown


@contextmanager
def actions_server() -> Iterator[LocalServer]:
    """An August server that runs actions."""
    with LocalServer(generation="august", duplicate_window=0) as server:
        over = threading.Event()
        server.on_action("note.create", lambda call: {"id": 7})
        broken = {"code": "BROKEN", "message": "it broke"}
        server.on_action("note.break", lambda call: ActionReply("error", error=broken))
        server.on_action("note.sleep", lambda call: {"slept": over.wait(2)})
        yield server
        over.set()


@pytest.fixture
def august() -> Iterator[LocalServer]:
    with actions_server() as server:
        yield server


def set_handlers(agent: ArinovaAgent) -> None:
    for name, shape in SHAPES.items():
        agent.on_command(name, shape.handler)
    for function in AROUND:
        agent.around_task(function)


@pytest.fixture
def shaped_agent(make_agent) -> Callable[..., ArinovaAgent]:
    """Make an agent with all the handlers."""

    def make(server: LocalServer, **options: object) -> ArinovaAgent:
        agent = make_agent(server, error_text=shown, **options)
        set_handlers(agent)
        return agent

    return make


def play_all(server: LocalServer, agent: ArinovaAgent) -> dict[str, Came]:
    """Return what came of each shape."""
    return {name: play(server, agent, name, shape) for name, shape in SHAPES.items()}


def play(server: LocalServer, agent: ArinovaAgent, name: str, shape: Shape) -> Came:
    conversation = server.conversation()
    say = partial(conversation.say, f"/{name} {shape.words}".strip())
    if name == "history":
        conversation.say("/text before").wait(10)
    if name == "attachment":
        file = agent.api.files.upload(conversation.id, b"content of a file", file_name="a.txt")
        described = {
            "id": "f",
            "fileName": "a.txt",
            "fileType": "text/plain",
            "fileSize": 17,
            "url": file.url,
        }
        say = partial(say, attachments=[described])
    reply = say(extra={"big": 1 << 70})
    if shape.cancel is not None:
        reply.wait_for_text(shape.cancel, timeout=10)
        assert reply.cancel()
    status = reply.wait(10)
    return Came(status, reply.text, reply.error if status == "error" else None, tuple(reply.mentions))
