"""The playground as a whole: the embedded server, the agents on it, and the site that shows both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..local import Generation, LocalServer
from .agents import Changed, Json, Runner
from .changes import Changes
from .doorman import Doorman
from .faultbox import FaultBox
from .room import Room
from .site import Site
from .uploads import Uploads

RunnerMaker = Callable[[str, str, Changed], Runner]  # server_url, bot_token, called when its state changes

_STOPS_WITHIN = 5.0  # seconds
_AGENTS = object()  # tells the pages that how an agent is has changed


class Playground:
    """Show agents in the browser. Thread-safe.

    Args:
        agents: the name of each agent and what makes its runner.
        port: where to listen; 0 takes a free port.
        host: an address of the loopback interface.
        generation: which server to be like; see ``LocalServer``.
        data: the file that keeps the conversations across runs.
        source: what the agents were made of, for the page's title.

    Example::

        with Playground({"Iris": lambda url, token, changed: InProcess(...)}) as playground:
            print(playground.url)
    """

    def __init__(
        self,
        agents: Mapping[str, RunnerMaker],
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        generation: Generation = "march",
        data: Path | None = None,
        source: str = "sample agent",
        duplicate_window: float | None = None,
    ) -> None:
        names = list(agents)
        if not names:
            raise ValueError("a playground needs an agent")
        doorman = Doorman()
        options: dict[str, Any] = {} if data is None else {"data": data}
        if duplicate_window is not None:
            options["duplicate_window"] = duplicate_window
        self.server = LocalServer(
            port=port,
            host=host,
            agent_name=names[0],
            generation=generation,
            routes=Site(self, doorman).routes,
            **options,
        )
        for name in names[1:]:
            self.server.add_agent(name)
        self._accounts = self.server.agents
        self.uploads = Uploads(self.server)
        self.changes = Changes(self.server)
        self.room = Room(self.server)
        self.faults = FaultBox(self.server)
        self._token = doorman.token
        self._makers = list(agents.values())
        self._runners: dict[str, Runner] = {}
        self._about: Json = {
            "source": source,
            "generation": generation,
            "data": None if data is None else data.name,
        }

    def start(self) -> Playground:
        """Start the server and the agents; return itself."""
        self.server.start()
        self.room.find_files()
        for account, make in zip(self._accounts, self._makers, strict=True):
            self._runners[account.agent_id] = make(self.server.url, account.token, self._agents_changed)
        if not self.room.conversation_ids():
            if len(self._accounts) > 1:
                self.server.conversation(type="group")
            self.server.conversation()
        for runner in self._runners.values():
            runner.start()
        return self

    def stop(self) -> None:
        """End the agents, then the server. Idempotent."""
        for runner in self._runners.values():
            runner.stop(_STOPS_WITHIN)
        self.server.stop()

    def __enter__(self) -> Playground:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The page's address, with the token."""
        return f"{self.server.url}/playground/?token={self._token}"

    # What the pages ask

    def about(self) -> Json:
        """Return what this playground is."""
        return self._about

    def agents(self) -> list[Json]:
        """Return every agent: who it is, what it can do, how it is."""
        runners = self._runners
        return [
            {**agent, **(runners[agent["id"]].state() if agent["id"] in runners else {})}
            for agent in self.room.agents()
        ]

    def stats(self, timeout: float) -> list[Json]:
        """Return the counters of every agent, asked for now; None for one that does not answer in time."""
        return [
            {"agent": agent_id, "stats": runner.stats(timeout)} for agent_id, runner in self._runners.items()
        ]

    def say(
        self,
        conversation_id: str,
        text: str,
        *,
        sender: str | None = None,
        reply_to: str | None = None,
        uploads: Sequence[str] = (),
        mentions: Sequence[str] = (),
    ) -> None:
        """Send a message with uploaded files, named by their ids; raise ValueError if it cannot be sent so."""
        with self.uploads.sent(uploads, conversation_id) as attachments:
            self.room.say(
                conversation_id,
                text,
                sender=sender,
                reply_to=reply_to,
                attachments=attachments,
                mentions=mentions,
            )

    def inject(self, name: str, agent_id: str | None, parameters: Mapping[str, object]) -> None:
        """Make something go wrong; see ``LocalServer.inject``."""
        self.faults.inject(name, agent_id, parameters)
        self._agents_changed()

    def heal(self, name: str | None) -> None:
        """End the faults of a name, or all."""
        self.faults.heal(name)
        self._agents_changed()

    def restart_agents(self) -> None:
        """Start every agent anew; the conversations stay."""
        for runner in self._runners.values():
            runner.restart()

    def _agents_changed(self) -> None:
        self.changes.tell(_AGENTS)
