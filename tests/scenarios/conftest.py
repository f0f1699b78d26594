"""The scenarios run on the embedded server, on it over the network, and on a real server if one is named."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from .chat import Chat
from .embedded import EmbeddedDriver
from .real import Pace, RealDriver, RealServer
from .user_socket import SESSION, UserSocket


class NetworkDriver(RealDriver):
    """The driver for real servers, on an embedded server with a users' WebSocket."""

    def __init__(self) -> None:
        self.server = UserSocket().server.start()
        other = self.server.add_agent("Agent1")
        super().__init__(
            RealServer(
                self.server.url,
                [self.server.bot_token, other.token],
                ["Ann", "Agent1"],
                SESSION,
                self.server.conversation().id,
                self.server.conversation(type="group").id,
                Pace(per_minute=0, guard=0.0),
            )
        )

    def close(self) -> None:
        super().close()
        self.server.stop()


@cache
def named_server() -> RealServer | None:
    """Return the server that the environment names; all scenarios keep its pace together."""
    return RealServer.of_environment()


@pytest.fixture(params=["embedded", "network", "real"])
def chat(request: pytest.FixtureRequest) -> Iterator[Chat]:
    """A chat on one server after the other."""
    driver: EmbeddedDriver | RealDriver
    if request.param == "embedded":
        driver = EmbeddedDriver()
    elif request.param == "network":
        driver = NetworkDriver()
    else:
        real = named_server()
        if real is None:
            pytest.skip("no real server: docs/testing.md says how to name one")
        driver = RealDriver(real)
    chat = Chat(driver)
    try:
        yield chat
    finally:
        chat.close()
        driver.close()
