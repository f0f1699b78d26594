"""The scenarios run on the embedded server, on it over the network, and on a real server if one is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arinova_agent_sync.local import LocalServer

from .chat import Chat
from .embedded import EmbeddedDriver
from .real import RealDriver, RealServer
from .user_socket import SESSION, UserSocket


class NetworkDriver(RealDriver):
    """The driver for real servers, on an embedded server with a users' WebSocket."""

    def __init__(self) -> None:
        socket = UserSocket()
        self.server = socket.server = LocalServer(agent_name="Ann", routes=[socket.route]).start()
        other = self.server.add_agent("Agent1")
        super().__init__(
            RealServer(
                self.server.url,
                [self.server.bot_token, other.token],
                ["Ann", "Agent1"],
                SESSION,
                self.server.conversation().id,
                self.server.conversation(type="group").id,
                paced=False,
            )
        )

    def close(self) -> None:
        super().close()
        self.server.stop()


@pytest.fixture(params=["embedded", "network", "real"])
def chat(request: pytest.FixtureRequest) -> Iterator[Chat]:
    """A chat on one server after the other."""
    driver: EmbeddedDriver | RealDriver
    if request.param == "embedded":
        driver = EmbeddedDriver()
    elif request.param == "network":
        driver = NetworkDriver()
    else:
        real = RealServer.of_environment()
        if real is None:
            pytest.skip("no real server: docs/testing.md says how to name one")
        driver = RealDriver(real)
    chat = Chat(driver)
    try:
        yield chat
    finally:
        chat.close()
        driver.close()
