"""What the scenarios are written in: a user, agents, and what each sees.

``User`` and ``Place`` are what a driver has to give; everything else here is the same for every server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest

from arinova_agent_sync import ArinovaAgent, Task

from .tcp_proxy import TcpProxy

Event = Mapping[str, Any]
SECONDS = 15.0  # a step that takes longer has failed
QUICK = {"reconnect_interval": 0.05, "connect_timeout": 10.0, "shutdown_timeout": 5.0}


class User(Protocol):
    """The owner of the agents, as one client of the server."""

    def send(
        self,
        conversation_id: str,
        text: str,
        *,
        reply_to: str | None = None,
        mentions: Sequence[str] = (),
        hurry: bool = False,
    ) -> None:
        """Say something; with ``hurry`` at once, although the duplicate guard may swallow it."""
        ...

    def cancel(self, conversation_id: str, message_id: str) -> None:
        """Press the stop button of an answer."""
        ...

    def cancel_queued(self, conversation_id: str, message_id: str) -> None:
        """Take back a message of one's own that waits."""
        ...

    def count(self, conversation_id: str) -> int:
        """Return how many events came so far."""
        ...

    def find(
        self, conversation_id: str, fits: Callable[[Event], bool], after: int, timeout: float
    ) -> tuple[int, Event]:
        """Return the first event that fits, behind so many, and its number from 1; raise TimeoutError."""
        ...


class Driver(Protocol):
    """A server with agents and a user on it. What it cannot do ends the scenario as skipped."""

    url: str
    user: User

    def token(self, number: int) -> str:
        """Return the bot token of an agent, from 0."""
        ...

    def conversation(self) -> str:
        """Return the id of a conversation of the user with the first agent."""
        ...

    def group(self, modes: Sequence[str | None]) -> str:
        """Return the id of a group of so many agents with these listen modes; None is the default mode."""
        ...

    def name(self, number: int) -> str:
        """Return an agent's name."""
        ...

    def special(self, what: str) -> Any:
        """Return what only some servers offer, such as the embedded server itself."""
        ...


@dataclass
class Answer:
    """One message of an agent as the user sees it come."""

    talk: Talk
    message_id: str
    sender: str
    begun: int  # the number of its first event
    status: str = "streaming"
    text: str = ""
    chunks: list[str] = field(default_factory=list)

    def end(self) -> Answer:
        """Wait for the end; return itself."""
        seen = self.begun
        self.chunks = []
        while True:
            seen, event = self.talk.find(lambda event: event.get("messageId") == self.message_id, seen)
            if event["type"] == "stream_chunk":
                self.chunks.append(event["chunk"])
            elif event["type"] == "stream_error":
                self.status, self.text = "error", event["error"]
                return self
            elif event["type"] == "stream_end":
                reason = event["reason"]
                self.text = "".join(self.chunks) if reason == "cancelled" else event["content"]
                blank = reason == "completed" and not self.text.strip()
                self.status = "dismissed" if blank else reason
                return self

    def wait_for(self, text: str) -> Answer:
        """Wait until a text was streamed; return itself."""
        said = ""
        seen = self.begun
        while text not in said:
            seen, event = self.talk.find(
                lambda event: event.get("messageId") == self.message_id and event["type"] == "stream_chunk",
                seen,
            )
            said += event["chunk"]
        return self

    def cancel(self) -> Answer:
        """Press the stop button; return itself."""
        self.talk.user.cancel(self.talk.id, self.message_id)
        return self

    @property
    def ended(self) -> tuple[str, str]:
        """Status and text."""
        return self.status, self.text


class Talk:
    """The user's side of one conversation."""

    def __init__(self, user: User, conversation_id: str) -> None:
        self.user = user
        self.id = conversation_id
        self._seen = self._queued = user.count(conversation_id)

    def find(self, fits: Callable[[Event], bool], after: int) -> tuple[int, Event]:
        return self.user.find(self.id, fits, after, SECONDS)

    def say(self, text: str, **options: Any) -> Talk:
        self.user.send(self.id, text, **options)
        return self

    def started(self) -> Answer:
        """Wait for the next message of an agent to begin."""
        self._seen, event = self.find(lambda event: event["type"] == "stream_start", self._seen)
        return Answer(self, event["messageId"], event["senderAgentName"], self._seen)

    def answer(self) -> Answer:
        """Wait for the next message of an agent to come to its end."""
        return self.started().end()

    def ask(self, text: str, **options: Any) -> Answer:
        """Say something and return the whole answer."""
        return self.say(text, **options).answer()

    def queued(self) -> str:
        """Wait until the server says that a message waits; return its id."""
        self._queued, event = self.find(lambda event: event["type"] == "stream_queued", self._queued)
        message_id: str = event["messageId"]
        return message_id


class Chat:
    """One scenario's server, user and agents."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self._agents: list[ArinovaAgent] = []
        self._proxy: TcpProxy | None = None

    def talk(self) -> Talk:
        """Open a conversation of the user with the first agent."""
        return Talk(self.driver.user, self.driver.conversation())

    def group(self, *modes: str | None) -> Talk:
        """Open a group of agents with these listen modes."""
        return Talk(self.driver.user, self.driver.group(modes))

    def agent(
        self, handler: Callable[[Task], Any] | None = None, number: int = 0, **options: Any
    ) -> ArinovaAgent:
        """Connect an agent; without a handler it says what it was asked."""
        agent = self.offline_agent(handler, number, **options)
        agent.connect(SECONDS)
        return agent

    def offline_agent(
        self, handler: Callable[[Task], Any] | None = None, number: int = 0, **options: Any
    ) -> ArinovaAgent:
        """Make an agent that is not connected."""
        given = {"server_url": self.driver.url, "bot_token": self.driver.token(number), **QUICK, **options}
        agent = ArinovaAgent(**given)
        agent.on_task(handler or (lambda task: f"you said {task.content}"))
        self._agents.append(agent)
        return agent

    @property
    def proxy(self) -> TcpProxy:
        """A way to the server that can be cut; its url is for an agent's ``server_url``."""
        if self._proxy is None:
            if self.driver.url.startswith("https"):
                pytest.skip("the way to a server with TLS cannot be cut in the middle")
            self._proxy = TcpProxy(self.driver.url)
        return self._proxy

    def rows(self, talk: Talk, most: int) -> list[tuple[str, str]]:
        """Return the conversation's last messages as (status, text)."""
        page = self._agents[0].api.messages.history(talk.id, limit=most).page
        return [(row.status or "", row.content or "") for row in page.items][-most:]

    def close(self) -> None:
        """End the agents and the way to them."""
        if self._proxy is not None:
            self._proxy.close()
        for agent in self._agents:
            agent.disconnect(timeout=2.0)


def streaming(pieces: Iterable[str]) -> Callable[[Task], Any]:
    """Return a handler that yields these pieces."""
    pieces = list(pieces)

    def handle(task: Task) -> Any:
        yield from pieces

    return handle


def doing(*steps: tuple[Any, ...]) -> Callable[[Task], Any]:
    """Return a handler that calls these methods of its task: (name, argument, ...) each."""

    def handle(task: Task) -> Any:
        for name, *arguments in steps:
            getattr(task, name)(*arguments)

    return handle
