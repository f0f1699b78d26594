"""What the pytest plugin's fixtures give: an embedded server, and agents connected to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from .. import _internals
from ..agent import ArinovaAgent
from ..handlers import TaskHandler, check_handler

if TYPE_CHECKING:
    from ..local import LocalServer

_PATIENCE = 10.0  # seconds to connect
_PARTING = 5.0  # seconds that handlers may take at the end of a test
_RECONNECTS_AFTER = 0.1  # seconds


class AgentFactory:
    """Make agents and connect them to a server; they are disconnected at the end of the test.

    Args:
        server: where they connect.
    """

    def __init__(self, server: LocalServer) -> None:
        self._server = server
        self._agents: list[ArinovaAgent] = []
        self._endings = ExitStack()

    def __call__(
        self, handler: TaskHandler | ArinovaAgent, *, bot_token: str | None = None, **options: Any
    ) -> ArinovaAgent:
        """Return a connected agent.

        Args:
            handler: answers all tasks; or an agent of yours, which speaks with this server until the end of the
                test, whatever it was made for.
            bot_token: of an account that ``server.add_agent`` made; by default the server's first.
            options: further options of the ArinovaAgent that is made.

        Raises TypeError or ValueError for wrong arguments, and if the account or your agent is connected already.
        """
        token = self._server.bot_token if bot_token is None else bot_token
        if any(_internals.token_of(agent) == token and not _is_over(agent) for agent in self._agents):
            raise ValueError(
                "this account has a connected agent, and the server would send tasks to the newer one only; make "
                'another account: arinova_agent(handler, bot_token=arinova_server.add_agent("Bob").token)'
            )
        if isinstance(handler, ArinovaAgent):
            if options:
                raise TypeError(
                    f"{', '.join(options)}: options are for an agent that is made here; this one has its own"
                )
            agent, restore = self._borrowed(handler, token)
        else:
            check_handler(handler, "arinova_agent")
            options = {"reconnect_interval": _RECONNECTS_AFTER, "shutdown_timeout": _PARTING, **options}
            agent = ArinovaAgent(server_url=self._server.url, bot_token=token, **options)
            agent.on_task(handler)
            restore = None
        self._agents.append(agent)
        if restore is not None:
            self._endings.callback(restore)
        self._endings.callback(agent.disconnect, _PARTING)
        agent.connect(timeout=_PATIENCE)
        return agent

    def close(self) -> None:
        """Disconnect the agents, the latest first."""
        self._endings.close()

    def _borrowed(self, agent: ArinovaAgent, token: str) -> tuple[ArinovaAgent, Callable[[], None]]:
        if not _is_over(agent):
            raise ValueError("this agent is connected already; arinova_agent connects it itself")
        restore = _internals.redirect(
            agent,
            server_url=self._server.url,
            bot_token=token,
            reconnect_interval=_RECONNECTS_AFTER,
            proxy="",
        )
        return agent, restore


def _is_over(agent: ArinovaAgent) -> bool:
    return agent.stats().life in ("new", "stopped", "failed")


def serve() -> Iterator[LocalServer]:
    """Yield an embedded server that takes the same text twice; raise ImportError without the extra."""
    from ..local import LocalServer

    with LocalServer(duplicate_window=0) as server:
        yield server


def connect(server: LocalServer) -> Iterator[AgentFactory]:
    """Yield what connects agents to a server."""
    factory = AgentFactory(server)
    try:
        yield factory
    finally:
        factory.close()
