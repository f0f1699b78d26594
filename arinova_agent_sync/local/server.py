"""The embedded server as its users hold it. Thread-safe: every method may be called from any thread."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from starlette.routing import BaseRoute

from ..argument_checks import one_of
from .actions import Action, ActionFunction, ActionStatus
from .agent_frames import Report
from .agent_socket import AgentSocket
from .conversations import LocalConversation
from .faults import FaultName, Injection
from .framelog import Direction, FrameRecord
from .hosting import Host
from .hub import Hub
from .owner import Owner
from .records import GROUPS, AgentAccount, ConversationType, ListenMode
from .replies import LocalReply
from .rest.app import application
from .rest.skills import of_platform
from .rest.store import Store
from .rules import Generation, Rules
from .telemetry import TelemetryRow


class LocalServer:
    """Run an Arinova server in a background thread of this process.

    Args:
        port: where to listen; 0 takes a free port.
        host: the address to listen on.
        agent_name: the name of the agent that is there from the start.
        generation: "march" behaves like the server whose source is public, "august" adds what the clients of
            August 2026 show: action calls, wakeups, tasks that outlive a reconnect, ``agentId`` in
            ``auth_ok``.
        pure_delta: append chunks as they are, instead of guessing which ones repeat the answer so far.
        auth_timeout: seconds a connection has to authenticate.
        idle_limit: seconds a task may go without chunk or heartbeat.
        stale_after: seconds after which a running task no longer makes new messages wait.
        duplicate_window: seconds in which the same text to the same agent makes no second task, as on the
            March 2026 server; 0 turns that off, which tests that repeat a text want.
        history_limit: messages that a task's history tells.
        platform_skills: what is installed for every agent, ``{"slug", "name", "slashCommand",
            "description"}`` each, and ``"promptContent"`` if an agent may ask for it; all but the slug may be
            left out.
        data: a file that keeps the accounts, conversations, notes and so on for the next server with this
            file, which takes agents up again by their names; without, they end with this object.
        max_file_size: bytes that the body of a request may have, such as an upload with all that is around it.
        routes: further HTTP and WebSocket routes, as Starlette has them; they come before the server's own.
        max_frames: frames that ``frames`` keeps.

    Attributes:
        agent: the first agent's account.
        owner: what the agents' owner has: notebooks, boards, skills, and what agents left there.

    Raises OSError if the file cannot be used or another server uses it, ValueError if it is something else or of
    another version.

    Example::

        with LocalServer() as server:
            agent = ArinovaAgent(server_url=server.url, bot_token=server.bot_token)
            ...
            reply = server.conversation().say("hi")
            assert reply.wait() == "completed"
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        agent_name: str = "Agent",
        generation: Generation = "march",
        pure_delta: bool = False,
        auth_timeout: float = Rules.auth_timeout,
        idle_limit: float = Rules.idle_limit,
        stale_after: float = Rules.stale_after,
        duplicate_window: float = Rules.duplicate_window,
        history_limit: int = Rules.history_limit,
        platform_skills: Sequence[Mapping[str, Any]] = (),
        data: str | os.PathLike[str] | None = None,
        max_file_size: int = Rules.max_file_size,
        routes: Sequence[BaseRoute] = (),
        max_frames: int = 10_000,
    ) -> None:
        rules = Rules(
            generation=generation,
            pure_delta=pure_delta,
            auth_timeout=auth_timeout,
            idle_limit=idle_limit,
            stale_after=stale_after,
            duplicate_window=duplicate_window,
            history_limit=history_limit,
            max_file_size=max_file_size,
        )
        # What other rooms of this package work with: the database, and the chat behind its lock. Not for users.
        self.store = Store(data)
        self.hub = Hub(rules, of_platform(platform_skills), max_frames, self.store)
        self._host = Host(self.hub, host, port)
        self._app = application(self.hub, routes, self._host.drop)
        self.agent = self.add_agent(agent_name)
        self.owner = Owner(self.hub, self.agent)

    # Life

    def start(self) -> LocalServer:
        """Listen and serve; at once if it does already.

        After ``stop()`` it starts again on the same port with the same accounts and conversations, like a
        server that was restarted.

        Returns itself. Raises OSError if the port is taken or the file of ``data`` cannot be used, ValueError if
        another server has changed the file since.
        """
        self._host.start(self._app)
        return self

    def stop(self) -> None:
        """Drop every connection and end the thread; answers that are open have failed. Idempotent.

        Like after the death of a real server, their messages stay unfinished until the next start makes errors
        of them.
        """
        self._host.stop()

    def __enter__(self) -> LocalServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self.hub.running

    @property
    def port(self) -> int:
        """The port; 0 before the first start unless one was asked for."""
        return self._host.port

    @property
    def url(self) -> str:
        """The ``server_url`` for agents, such as ``http://127.0.0.1:40123``."""
        return self._host.url

    # Agents

    @property
    def bot_token(self) -> str:
        """The token of the first agent."""
        return self.agent.token

    @property
    def agents(self) -> list[AgentAccount]:
        """All accounts, the first agent's first; those of an earlier run only if they were added again."""
        with self.hub.lock:
            roster = self.hub.chat.roster
            return [roster.accounts[agent_id] for agent_id in roster.added]

    def add_agent(
        self,
        name: str,
        token: str | None = None,
        *,
        listen_mode: ListenMode = "owner_unmention_others_mention",
        allowed_users: Sequence[str] = (),
        system_prompt: str = "",
    ) -> AgentAccount:
        """Make an account for another agent; with ``data``, one of that name may be there already.

        Args:
            name: what users read.
            token: its bot token; one is made unless it is given.
            listen_mode: whose messages it gets in groups and communities.
            allowed_users: user names that the allow-list modes let through.
            system_prompt: what the server puts before every text that the agent reads.

        Raises ValueError if the token is taken, or there is no such mode.
        """
        one_of("listen_mode", listen_mode, get_args(ListenMode))
        wanted = AgentAccount("", name, token or "", listen_mode, tuple(allowed_users), system_prompt)
        with self.hub.turn() as chat:
            return chat.add_agent(wanted)

    def add_bootstrap_token(self, agent: AgentAccount | None = None, *, onboarding: bool = False) -> str:
        """Make a token ``obt_...`` that can be exchanged once for an agent's bot token.

        Args:
            agent: whose; the first agent's by default.
            onboarding: let the ``auth_ok`` after the exchange carry an onboarding seed.

        Raises ValueError with generation "march", which knows no such tokens.
        """
        with self.hub.turn() as chat:
            if not chat.rules.august:
                raise ValueError('bootstrap tokens need LocalServer(generation="august")')
            return chat.roster.add_claim(agent or self.agent, onboarding)

    @property
    def agent_connected(self) -> bool:
        """Whether the first agent is connected."""
        return self.is_connected()

    def is_connected(self, agent: AgentAccount | None = None) -> bool:
        """Return whether an agent, the first by default, has a registered connection."""
        with self.hub.lock:
            return (agent or self.agent).agent_id in self.hub.chat.roster.connections

    def wait_for_agent(
        self, timeout: float = 10.0, *, agent: AgentAccount | None = None, times: int = 1
    ) -> None:
        """Wait until an agent is connected.

        Args:
            timeout: seconds.
            agent: which one; the first by default.
            times: how often it must have authenticated since the server was made; 2 waits for a reconnect.

        Raises TimeoutError.
        """
        self.hub.wait_connected(agent or self.agent, timeout, times)

    def wait_for_disconnect(self, timeout: float = 10.0, *, agent: AgentAccount | None = None) -> None:
        """Wait until an agent is not connected; raise TimeoutError if it still is after so many seconds."""
        self.hub.wait_disconnected(agent or self.agent, timeout)

    @property
    def connection_count(self) -> int:
        """How many agents' sockets are open, authenticated or not."""
        return len(self.hub.sockets)

    def skills(self, agent: AgentAccount | None = None) -> list[dict[str, Any]]:
        """Return the skills that a connected agent, the first by default, announced."""
        with self.hub.lock:
            return list(self.hub.chat.roster.skills.get((agent or self.agent).agent_id, []))

    # Users

    def conversation(
        self,
        agent: AgentAccount | None = None,
        type: ConversationType = "h2a",
        members: Sequence[AgentAccount] = (),
    ) -> LocalConversation:
        """Open a conversation.

        Args:
            agent: with whom; the first agent by default. Not for groups.
            type: "h2a" is one user with one agent; "group" and "community" have members.
            members: the agents of a group or community; all agents by default.

        Raises ValueError for members or an agent where the type has none.
        """
        grouped = type in GROUPS
        if (grouped and agent is not None) or (members and not grouped):
            raise ValueError("a group or community has members, and any other conversation one agent")
        taking_part = (members or self.agents) if grouped else [agent or self.agent]
        with self.hub.turn() as chat:
            return LocalConversation(self.hub, chat.open_conversation(type, taking_part))

    @property
    def conversations(self) -> list[LocalConversation]:
        """All conversations, oldest first; with ``data``, also those of earlier runs."""
        with self.hub.lock:
            return [LocalConversation(self.hub, each) for each in self.hub.chat.conversations.values()]

    def send_task(self, *, agent: AgentAccount | None = None, **payload: Any) -> LocalReply:
        """Give an agent a task with a payload of one's own; the server follows it like any other.

        Args:
            agent: who gets it; the first agent by default.
            payload: the keys of the frame, such as ``conversationId`` and ``content``. A ``taskId`` is made
                unless it is given; no other key is added. A wakeup of August 2026 has
                ``taskKind="cron_wakeup"`` or "trigger".

        Raises TypeError for a ``taskId`` that is no text, ValueError for one that was used; for such frames
        there is ``send_frame``.
        """
        return self.hub.ask(agent or self.agent, payload)

    def send_frame(
        self, frame: Mapping[str, Any] | str | bytes, *, agent: AgentAccount | None = None
    ) -> None:
        """Send an agent, the first by default, whatever one likes.

        Args:
            frame: an object, sent as JSON; a text, sent as it is; or bytes, sent as a binary message.
            agent: who gets it.

        Raises RuntimeError if the agent is not connected.
        """
        account = agent or self.agent
        with self.hub.lock:
            connection = self.hub.chat.roster.connections.get(account.agent_id)
            if not isinstance(connection, AgentSocket):
                raise RuntimeError(f"the agent {account.name!r} is not connected; use wait_for_agent() first")
            self.hub.post(connection.deliver, frame)

    # What agents sent

    @property
    def frames(self) -> list[FrameRecord]:
        """Every frame in and out, in order; the newest ``max_frames``, and at most 64 MiB of them."""
        return self.hub.log.records()

    def wait_for_frame(
        self,
        type: str | None = None,
        timeout: float = 10.0,
        *,
        direction: Direction | None = "in",
        after: FrameRecord | None = None,
        **fields: object,
    ) -> FrameRecord:
        """Return the first frame that fits; wait for it if there is none yet.

        Args:
            type: its type; None for any.
            timeout: seconds.
            direction: "in" from agents, "out" to them, None for both.
            after: only frames behind this one count.
            fields: what it must hold, such as ``taskId=reply.message_id``.

        Raises TimeoutError.
        """
        return self.hub.log.wait(type, timeout, direction, after, fields)

    def forget(self) -> None:
        """Drop the messages, answers and frames of the past, which otherwise are kept for good; for long runs."""
        self.hub.forget()

    @property
    def telemetry(self) -> list[TelemetryRow]:
        """What agents' telemetry left in the database."""
        with self.hub.lock:
            return list(self.hub.incoming.telemetry)

    @property
    def reports(self) -> list[Report]:
        """What agents told about themselves: "hud_update" and so on; in March 2026, what came on /api/v1/hud."""
        with self.hub.lock:
            return list(self.hub.incoming.reports)

    def on_action(
        self,
        name: str,
        function: ActionFunction,
        *,
        progress: Sequence[ActionStatus] = (),
        manifest: Mapping[str, Any] | None = None,
    ) -> None:
        """Answer agents' calls of one action, over the socket or HTTP; only with generation "august".

        Args:
            name: the action.
            function: is given an ``ActionCall`` on a thread of its own; returns the result of a success, or
                an ``ActionReply`` that says something else. What it raises becomes an error result. A call
                that it wants confirmed comes again with a ``confirmationId`` in its frame.
            progress: statuses to send first, such as ("received", "processing").
            manifest: what the manifest says of it, such as ``{"inputSchema": {...}}``; the description is the
                first line of the function's docstring unless it is among these.
        """
        with self.hub.lock:
            self.hub.calls.actions[name] = Action(function, tuple(progress), dict(manifest or {}))

    # Faults

    def inject(
        self, name: FaultName, *, agent: AgentAccount | None = None, **parameters: object
    ) -> Injection:
        """Make something go wrong; the table is in ``arinova_agent_sync.local.faults``.

        Args:
            name: which fault.
            agent: whose connections it hits; everyone's by default.
            parameters: the fault's own, such as ``seconds=2.0`` of "late-auth".

        Returns the injection, which has struck when this returns; ``heal()`` it or use it in a ``with``.
        Raises ValueError or TypeError for an unknown fault or parameter, RuntimeError if the server is not
        running and the fault would strike at once.
        """
        return self.hub.board.inject(name, agent, parameters)

    def heal(self, name: FaultName | None = None) -> None:
        """End all faults, or those of one name."""
        self.hub.board.heal(name)

    def __repr__(self) -> str:
        state = self.url if self.hub.running else "stopped"
        return f"<LocalServer {state}, {len(self.agents)} agents, {self.connection_count} connections>"
