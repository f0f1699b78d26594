"""A playground with agents of a test's own, and a page of it without a browser."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import websocket

from arinova_agent_sync import ArinovaAgent, Skill, Task
from arinova_agent_sync.playground.agents import InProcess
from arinova_agent_sync.playground.playground import Playground

PATIENCE = 20.0  # seconds; what takes so long never comes
QUICK: dict[str, Any] = {"reconnect_interval": 0.01, "connect_timeout": 5.0, "shutdown_timeout": 5.0}
SKILLS = (Skill("shout", "Shout", "Say it loudly"), Skill("sing", "Sing", "Sing it"))

Handler = Callable[[Task], Any]


def echo(task: Task) -> str:
    return f"echo: {task.content}"


@pytest.fixture
def make_playground() -> Iterator[Callable[..., Playground]]:
    """Start playgrounds whose agents run a handler; ``Ada`` unless other names are given."""
    made: list[Playground] = []

    def make(
        handler: Handler = echo,
        names: tuple[str, ...] = ("Ada",),
        settings: dict[str, Any] = QUICK,
        **options: Any,
    ) -> Playground:
        def agent(server_url: str, bot_token: str) -> ArinovaAgent:
            agent = ArinovaAgent(server_url=server_url, bot_token=bot_token, skills=SKILLS, **settings)
            agent.on_task(handler)
            return agent

        agents = {
            name: lambda url, token, changed: InProcess(lambda: agent(url, token), changed) for name in names
        }
        playground = Playground(agents, **{"duplicate_window": 0, **options})
        made.append(playground)
        return playground.start()

    yield make
    for playground in made:
        playground.stop()


class Tab:
    """An open page without a browser: it keeps what it is told as the real page does.

    Args:
        playground: whose page it is.
        token: another one than the playground's.
        origin, host: what a foreign page would send.
    """

    def __init__(
        self,
        playground: Playground,
        *,
        token: str | None = None,
        origin: str | None = None,
        host: str | None = None,
    ) -> None:
        parts = urlsplit(playground.url)
        cookie = f"arinova-playground-{parts.port}={token or parts.query.removeprefix('token=')}"
        self.socket = websocket.create_connection(
            f"ws://{parts.netloc}/playground/live",
            timeout=PATIENCE,
            cookie=cookie,
            origin=origin or f"http://{parts.netloc}",
            host=host or parts.netloc,
        )
        self.updates: list[dict[str, Any]] = []
        self.sections: dict[str, Any] = {}
        self.conversations: dict[str, dict[str, Any]] = {}
        self.messages: dict[str, dict[str, Any]] = {}
        self.frames: list[dict[str, Any]] = []
        self.left_out = 0
        self.current = ""
        self._last = 0

    def ask(self, what: str, **parameters: Any) -> Any:
        """Ask for something; return the answer, raise ValueError for an error."""
        self._last += 1
        self.socket.send(json.dumps({**parameters, "do": what, "id": self._last}))
        while True:
            message = self.read()
            if message["type"] == "answer" and message["id"] == self._last:
                if "error" in message:
                    raise ValueError(message["error"])
                return message.get("value")

    def read(self) -> dict[str, Any]:
        """Take the next message."""
        message: dict[str, Any] = json.loads(self.socket.recv())
        if message["type"] == "update":
            self._take(message)
        return message

    def until(self, found: Callable[[], Any]) -> Any:
        """Read until something is found."""
        deadline = time.monotonic() + PATIENCE
        while not (result := found()):
            assert time.monotonic() < deadline, f"it never came; the messages are {self.messages}"
            self.read()
        return result

    def open(self, kind: str = "h2a") -> str:
        """Show the first conversation of a type."""

        def found() -> str | None:
            return next((id for id, each in self.conversations.items() if each["type"] == kind), None)

        self.current = self.until(found)
        self.messages.clear()
        self._apply(self.ask("open", conversation=self.current))
        return self.current

    def say(self, text: str, **more: Any) -> None:
        """Say something in the conversation that is shown."""
        self.ask("say", conversation=self.current, text=text, **more)

    def answers(self, *statuses: str) -> list[dict[str, Any]]:
        """Return the agents' messages with one of some statuses, all without one."""
        return [
            message
            for message in self.messages.values()
            if message["role"] == "agent" and (not statuses or message["status"] in statuses)
        ]

    def close(self) -> None:
        """Close the page."""
        self.socket.shutdown()  # close() does nothing once the other side has closed

    def _take(self, update: dict[str, Any]) -> None:
        self.updates.append(update)
        self.sections.update(update)
        for summary in update.get("conversations", ()):
            self.conversations[summary["id"]] = summary
        if update.get("conversation"):
            self._apply(update["conversation"])
        if "frames" in update:
            self.frames += update["frames"]["items"]
            self.left_out += update["frames"]["skipped"]

    def _apply(self, news: dict[str, Any]) -> None:
        self.sections["news"] = news
        for op in news["ops"]:
            if op["op"] == "message":
                self.messages[op["id"]] = dict(op)
            elif op["op"] == "remove":
                del self.messages[op["id"]]
            else:
                self.messages[op["id"]]["text"] += op["text"]
                self.messages[op["id"]]["status"] = op.get("status", "streaming")


@pytest.fixture
def open_tab() -> Iterator[Callable[..., Tab]]:
    """Open pages without a browser, which are closed at the end."""
    tabs: list[Tab] = []

    def open_tab(playground: Playground, **options: Any) -> Tab:
        tab = Tab(playground, **options)
        tabs.append(tab)
        return tab

    yield open_tab
    for tab in tabs:
        tab.close()


class Answered:
    """An answer over HTTP."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def text(self) -> str:
        return self.body.decode()


@pytest.fixture
def fetch() -> Callable[..., Answered]:
    """Send one request to a playground."""

    def fetch(
        playground: Playground,
        path: str,
        *,
        method: str = "GET",
        token: str | None = "right",
        body: bytes | None = None,
        **headers: str,
    ) -> Answered:
        parts = urlsplit(playground.url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            right = parts.query.removeprefix("token=")
            sent["cookie"] = f"arinova-playground-{parts.port}={right if token == 'right' else token}"
        try:
            connection.request(method, path, body, sent)
            return Answered(connection.getresponse())
        finally:
            connection.close()

    return fetch
