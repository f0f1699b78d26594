"""Raw agents for the tests of the embedded server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from arinova_agent_sync.local import AgentAccount, LocalServer

from .raw_agent import RawAgent

Connect = Callable[..., RawAgent]


@pytest.fixture
def connect(server: LocalServer) -> Iterator[Connect]:
    """Connect raw agents, to the test's server unless another is given; they are closed at the end."""
    made: list[RawAgent] = []

    def make(account: AgentAccount | None = None, *, to: LocalServer = server, **options: object) -> RawAgent:
        made.append(RawAgent(to, account, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for agent in made:
        agent.close()


@pytest.fixture
def agent(connect: Connect) -> RawAgent:
    """The server's first agent, connected."""
    return connect()
