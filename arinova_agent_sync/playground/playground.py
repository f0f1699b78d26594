"""The playground as a whole: the embedded server, the agents on it, and the site that shows both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.websockets import WebSocket

from ..local import Generation, LocalServer
from .access import AccessControl
from .active_faults import ActiveFaults
from .agents import Changed, Json, Runner
from .changes import Changes
from .page import LivePage, text_in, texts_in
from .room import Room
from .site import Site
from .uploads import PendingUpload, Uploads

RunnerMaker = Callable[[str, str, Changed], Runner]  # server_url, bot_token, called when its state changes

_STOPS_WITHIN = 5.0  # seconds
_LONGEST_NAME = 40  # characters
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
        allowed_hosts: further names under which browsers reach it, such as a reverse proxy's.

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
        allowed_hosts: Sequence[str] = (),
        duplicate_window: float | None = None,
    ) -> None:
        names = list(agents)
        if not names:
            raise ValueError("a playground needs an agent")
        access = AccessControl(allowed_hosts=allowed_hosts)
        options: dict[str, Any] = {} if data is None else {"data": data}
        if duplicate_window is not None:
            options["duplicate_window"] = duplicate_window
        self.server = LocalServer(
            port=port,
            host=host,
            agent_name=names[0],
            generation=generation,
            routes=Site(access=access, keep=self._keep, serve_page=self._serve_page).routes,
            **options,
        )
        for name in names[1:]:
            self.server.add_agent(name)
        self._accounts = self.server.agents
        self.uploads = Uploads(self.server)
        self.changes = Changes(self.server)
        self.room = Room(self.server)
        self.faults = ActiveFaults(self.server)
        self._token = access.token
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

    # What the pages show

    def overview(self) -> Json:
        """Return what every page shows: this playground, its agents and how they are, users, faults."""
        runners = self._runners
        agents = [
            {**agent, **(runners[agent["id"]].state() if agent["id"] in runners else {})}
            for agent in self.room.agents()
        ]
        return {
            "agents": agents,
            "ids": self.room.conversation_ids(),
            "users": self.room.users(),
            "faults": self.faults.lasting(),
            "about": self._about,
        }

    def stats(self, timeout: float) -> list[Json]:
        """Return the counters of every agent, asked for now; None for one that does not answer in time."""
        return [
            {
                "agent": agent_id,
                "stats": runner.stats(timeout),
                "log": runner.log(),
                "pace": self.room.pace(agent_id),
            }
            for agent_id, runner in self._runners.items()
        ]

    # What the pages ask for

    def perform(self, asked: Json) -> str | None:
        """Do what a page asks for; return the id of a new conversation, or the text that it asked for.

        Raises ValueError, TypeError, RuntimeError or TimeoutError that says what is wrong with it.
        """
        match asked.get("do"):
            case "say":
                self.say(
                    text_in(asked, "conversation"),
                    text_in(asked, "text", empty=True),
                    sender=text_in(asked, "sender") if asked.get("sender") else None,
                    reply_to=asked.get("replyTo") or None,
                    uploads=texts_in(asked, "attachments"),
                    mentions=texts_in(asked, "mentions"),
                )
            case "stop":
                self.room.stop(text_in(asked, "conversation"), asked.get("message"))
            case "again":
                self.room.say_again(
                    text_in(asked, "conversation"),
                    text_in(asked, "message"),
                    text_in(asked, "text", empty=True),
                    texts_in(asked, "mentions"),
                )
            case "clear":
                self.room.clear(text_in(asked, "conversation"))
                self.changes.tell(asked["conversation"])
            case "delete":
                self.room.delete(text_in(asked, "conversation"))
                self._agents_changed()
            case "read":
                return self.room.read_by(
                    text_in(asked, "agent"), text_in(asked, "conversation"), text_in(asked, "message")
                )
            case "export" if asked.get("form") == "frames":
                return self.room.all_frames()
            case "export":
                return self.room.markdown(text_in(asked, "conversation"))
            case "new":
                opened = self.room.open_conversation(texts_in(asked, "agents"), asked.get("group") is True)
                self.changes.tell(opened)
                return opened
            case "user":
                self._add_user(text_in(asked, "name").strip())
            case "inject":
                parameters = asked.get("parameters")
                self.inject(
                    text_in(asked, "name"),
                    asked.get("agent") or None,
                    parameters if isinstance(parameters, Mapping) else {},
                )
            case "heal":
                self.heal(asked.get("name") or None)
            case "restart":
                self.restart_agents()
            case other:
                raise ValueError(f"a page cannot ask for {other!r}")
        return None

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

    def _add_user(self, name: str) -> None:
        if len(name) > _LONGEST_NAME or not name.isprintable() or not name:
            raise ValueError(f"a name has 1 to {_LONGEST_NAME} characters, all of them printable")
        self.room.add_user(name)
        self.changes.tell(None)

    def _keep(self, name: str, type: str, content: bytes) -> PendingUpload:
        return self.uploads.add(name, type, content)

    async def _serve_page(self, websocket: WebSocket) -> None:
        page = LivePage(
            websocket,
            room=self.room,
            changes=self.changes,
            overview=self.overview,
            stats=self.stats,
            perform=self.perform,
        )
        await page.serve()

    def _agents_changed(self) -> None:
        self.changes.tell(_AGENTS)
