"""A server of each generation, a client for its first agent, and a way to ask without a client."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.local import AgentAccount, Generation, LocalServer


class Answer(NamedTuple):
    """What a server sent back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


Ask = Callable[..., Answer]


@pytest.fixture(params=["march", "august"])
def generation(request: pytest.FixtureRequest) -> Generation:
    """Both; a test for one of them is parametrized with it."""
    return request.param


@pytest.fixture
def server(generation: Generation) -> Iterator[LocalServer]:
    with LocalServer(generation=generation, duplicate_window=0) as made:
        yield made


@pytest.fixture
def client_of() -> Iterator[Callable[..., ArinovaClient]]:
    """Make clients, which are closed at the end and repeat nothing unless they are told to."""
    made: list[ArinovaClient] = []

    def make(server: LocalServer, agent: AgentAccount | None = None, **options: Any) -> ArinovaClient:
        token = (agent or server.agent).token
        given = {"max_retries": 0, "timeout": 10.0, **options}
        made.append(ArinovaClient(server_url=server.url, bot_token=token, **given))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(server: LocalServer, client_of: Callable[..., ArinovaClient]) -> ArinovaClient:
    """The first agent's."""
    return client_of(server)


@pytest.fixture
def ask(server: LocalServer) -> Ask:
    """Ask the server by hand: ``ask("GET", "/conversations")``; a body that is no bytes is sent as JSON."""

    def ask(
        method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, **options: Any
    ) -> Answer:
        sent = {"Authorization": f"Bearer {options.pop('token', server.bot_token)}"}
        if body is not None and not isinstance(body, bytes):
            body, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        sent.update(headers or {})
        path = path if path.startswith(("/api/", "/uploads/")) else "/api/v1" + path
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        try:
            connection.request(method, path, body, {name: value for name, value in sent.items() if value})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    return ask
