"""The reader thread: connect, authenticate, receive, wait, again.

It owns the link: it makes it, reads it and closes it, and a connection ends in one way only: its receive raises.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial

from .._version import __version__
from ..argument_checks import bot_token
from ..credentials import Credentials
from ..errors import ProtocolError
from ..log import logger
from ..net.chance import chance
from ..net.deadline import Deadline
from ..net.proxies import Proxy, proxy_for
from ..net.tls import default_context
from ..protocol import frames
from ..protocol.pieces import Passing, PongReply, Terminal
from ..protocol.reconnect import Again, GiveUp
from ..protocol.session import (
    ActionSettled,
    Authenticated,
    Event,
    Ignored,
    Ponged,
    Refused,
    Session,
    TaskArrived,
    TaskMalformed,
    TaskStopped,
    TokenClaim,
)
from ..redaction import redact
from .action_calls import ActionCalls
from .callbacks import Callbacks
from .connection import Connection
from .state import LinkState, State
from .task_runner import TaskRunner
from .trouble import Trouble, auth_error
from .websocket import WebSocket
from .websocket_errors import BinaryMessage, MessageTooLarge, WebSocketError

_LATE_TOKEN = 60.0  # seconds that a token may be under way


class _Reconnect(Exception):
    """This connection has served its purpose; the next one follows at once."""


class Reader:
    """The work of the reader thread.

    Args:
        state: the agent's state.
        runner: takes tasks in.
        actions: gets the results of action calls.
        callbacks: is told what happens to the connection.
        credentials: the token in use.
        give_up: called with what stops the agent for good.
        proven: called, without a lock, with answers that the server has read, but may have had no use for, since
            their tasks came on an earlier connection. They are counted in ``rescues`` already.

    Raises ValueError for an environment that names a proxy or certificates that cannot be used.
    """

    def __init__(
        self,
        state: State,
        *,
        runner: TaskRunner,
        actions: ActionCalls,
        callbacks: Callbacks,
        credentials: Credentials,
        give_up: Callable[[BaseException], None],
        proven: Callable[[Sequence[Terminal]], None],
    ) -> None:
        self._state = state
        self._settings = state.settings
        self._runner = runner
        self._lifecycle = runner.lifecycle
        self._actions = actions
        self._callbacks = callbacks
        self._give_up = give_up
        self._proven = proven
        self._credentials = credentials
        self._trouble = Trouble(state, callbacks)
        self._proxy: Proxy | None = None
        self._tls = self._settings.ssl_context
        self._ask_environment()
        self._claimed = False  # a token, since the last authentication
        self._doubtful_until = float("-inf")  # a token that was not answered may arrive until then

    def run(self) -> None:
        """Keep the agent connected until it is over."""
        try:
            delay: float | None = 0.0
            while delay is not None and self._wait(delay):
                delay = self._connect()
        except BaseException as error:
            self._give_up(error)
            logger.critical("the reader thread failed: this is a bug of arinova_agent_sync", exc_info=error)

    def _wait(self, delay: float) -> bool:
        """Wait before the next attempt; False if there is to be none."""
        return not self._state.changes.wait_for(lambda: self._state.closing, delay)

    def _connect(self) -> float | None:
        """Live through one connection; return the seconds to wait before the next, None for no next."""
        connection = self._new_connection()
        if connection is None:
            return None
        refused: Refused | None = None
        reconnect = False
        cause: WebSocketError | None = None
        try:
            refused = self._serve(connection)
        except _Reconnect:
            reconnect = True
        except WebSocketError as error:
            cause = error
        finally:
            was_online = self._end(connection)
        if reconnect:
            return 0.0
        step = self._next_step(refused, cause)
        self._trouble.ended(connection, self._server(), was_online, refused or cause, step)
        if isinstance(step, GiveUp):
            self._give_up(auth_error(step.refusal, step.refusals))
            return None
        return None if step is None else step.delay

    def _new_connection(self) -> Connection | None:
        state, settings = self._state, self._settings
        try:
            self._ask_environment()  # anew: a laptop changes networks
        except ValueError as error:
            logger.warning("%s; what was set before stays in use", error)
        link = WebSocket(
            settings.socket_url,
            ssl_context=self._tls,
            proxy=self._proxy,
            max_message_bytes=settings.max_frame_bytes,
            send_timeout=settings.send_timeout,
            silence_timeout=settings.ping_timeout,
            secret=self._credentials.token,
        )
        with state.lock:
            if state.closing:
                return None
            state.connections += 1
            patience = settings.ping_timeout - settings.ping_interval
            doubtful = state.clock() < self._doubtful_until
            connection = state.connection = Connection(state.connections, link, patience, doubtful=doubtful)
            state.reconnect.begin()
            state.link_state = LinkState.CONNECTING
            times = state.stop_times
        if times is not None:
            link.stop_by(Deadline(max(0.0, times.stop_by - state.clock()), state.clock))
        link.on_ping = self._pinged
        link.on_silence = partial(self._patience_left, connection)
        return connection

    def _patience_left(self, connection: Connection) -> float:
        """Return for how many seconds more to wait for a server that was silent for ping_timeout."""
        state = self._state
        with state.lock:  # which no writer holds while it writes
            if state.link is not connection.link:
                return 0.0
            now = state.clock()
            left = connection.liveness.patience_left(
                now, state.timers.next(), waiting=bool(state.outbox.ahead)
            )
            if left:
                state.schedule("ping", now)
            return left

    def _ask_environment(self) -> None:
        """Find the proxy and the certificates; raise ValueError that names a variable which cannot be used."""
        settings = self._settings
        proxy = proxy_for(settings.server_url, settings.proxy)
        if settings.ssl_context is None and settings.socket_url.startswith("wss:"):
            self._tls = default_context()
        self._proxy = proxy

    def _pinged(self, payload: bytes) -> None:
        with self._state.lock:
            # Before auth_ok nothing is online, and nothing but text may be sent: then it gets no pong.
            if self._state.outbox.add_ahead(PongReply(payload)):
                self._state.flush_soon()

    def _serve(self, connection: Connection) -> Refused | None:
        state, settings, link = self._state, self._settings, connection.link
        link.open(Deadline(settings.connect_timeout))
        with state.lock:
            state.link_state = LinkState.AUTHENTICATING
        connection.asked = True
        link.send_text(
            frames.agent_auth(self._credentials.token, settings.skills, __version__, sys.implementation.name)
        )
        session = Session(
            settings.max_queued_tasks + settings.max_workers, settings.max_queued_bytes, connection.number
        )
        by: Deadline | None = Deadline(settings.connect_timeout)
        while True:
            for event in self._receive(connection, session, by):
                if isinstance(event, (Authenticated, Refused, TokenClaim)):
                    connection.asked = False
                if isinstance(event, Refused):
                    token = self._credentials.token
                    code = event.code and redact(event.code, token)
                    return Refused(redact(event.message, token), code, event.retryable)
                self._act(connection, event)
            if session.authenticated:
                by = None

    def _receive(self, connection: Connection, session: Session, by: Deadline | None) -> list[Event]:
        try:
            data = connection.link.receive(by)
        except (MessageTooLarge, BinaryMessage) as error:
            self._trouble.dropped(error)
            return []
        message = frames.decode(data)
        self._state.counters.frames_received += 1
        if message is None:
            self._trouble.dropped(
                WebSocketError("json", f"a message of {len(data)} bytes was dropped: it is no JSON object")
            )
            return []
        if logger.enabled(logging.DEBUG):
            logger.debug("received %s", _described(message, len(data)))
        return session.received(message, len(data))

    def _act(self, connection: Connection, event: Event) -> None:
        if isinstance(event, TaskArrived):
            self._runner.arrived(event)
        elif isinstance(event, Ponged):
            self._ponged(connection)
        elif isinstance(event, TaskStopped):
            self._lifecycle.cancel(event.task_id)
        elif isinstance(event, ActionSettled):
            self._actions.settled(connection, event.call_id, event.result)
        elif isinstance(event, TaskMalformed):
            self._lifecycle.refuse_malformed(event)
        elif isinstance(event, Authenticated):
            self._go_online(connection, event)
        elif isinstance(event, TokenClaim):
            if (why := _unusable(event)) is not None:
                raise WebSocketError("protocol", why)
            self._take_token(event)
            if self._claimed:  # a server that does nothing else must not be asked without a pause
                raise WebSocketError(
                    "closed", "the server exchanged the token once more instead of accepting it"
                )
            self._claimed = True
            raise _Reconnect
        elif isinstance(event, Ignored):
            with self._state.lock:
                self._state.counters.frames_ignored += 1

    def _ponged(self, connection: Connection) -> None:
        state = self._state
        with state.lock:
            state.reconnect.prove()
            connection.liveness.ponged()
            late = [
                frame
                for frame in connection.receipts.ponged()
                if isinstance(frame, Terminal)
                and frame.answers
                and (connection.doubtful or frame.answer.connection != connection.number)
            ]
            state.rescues += len(late)
            if state.ending:
                state.changes.notify_all()
        if late:
            self._proven(late)

    def _go_online(self, connection: Connection, event: Authenticated) -> None:
        state = self._state
        now = state.clock()
        self._claimed = False
        with state.lock:
            state.agent_id = event.agent_id
            state.agent_name = event.agent_name or state.agent_name
            state.onboarding_seed = event.onboarding_seed
            state.reconnect.authenticated()
            state.outbox.go_online()
            if state.link is None:
                state.counters.connections += 1
                # The March 2026 server, which tells no agentId, detects a chunk that starts with all it has.
                state.outbox.repair(
                    [task.answer for task in state.tasks.values()], whole=event.agent_id is None
                )
            state.link_state = LinkState.ONLINE
            state.waiting_since = None
            state.link = connection.link
            state.timers.set("ping", now + self._settings.ping_interval)
            state.timers.set("stable", now + self._settings.stable_after)
            if self._settings.skills and event.agent_id is not None:
                commands = frames.register_commands(event.agent_id, self._settings.skills)
                state.outbox.add_passing(Passing(commands))
                state.timers.set("commands", now + self._settings.heartbeat_interval)
            state.flush_soon()
            state.due.notify()
            state.changes.notify_all()
        if event.permanent_token is not None:
            self._take_token(TokenClaim(event.agent_id, event.permanent_token, None))
        self._callbacks.fire("connected")
        logger.notice("connected as %s", event.agent_name or event.agent_id or "an agent")

    def _take_token(self, claim: TokenClaim) -> None:
        """Use a permanent token from now on; keep the one from before if it cannot be used."""
        if (why := _unusable(claim)) is not None:
            self._trouble.tell(ProtocolError(why))
            return
        self._credentials.replace_token(claim.permanent_token)
        self._callbacks.fire("token_claimed", claim)
        logger.info("a permanent token was received; store it, it is not shown again")

    def _end(self, connection: Connection) -> bool:
        """Drop a connection whole; tell whether it was authenticated."""
        state = self._state
        connection.link.close()
        with state.lock:
            was_online = state.link_state is LinkState.ONLINE
            receipts, link = connection.receipts, connection.link
            unproven = receipts.take_unproven()
            state.outbox.send_again(unproven)
            if link.broken and not link.cut:  # else the writer knows better
                state.outbox.blame(receipts.repairing or next(iter(unproven), None))
            state.take_link_down(link)
            state.connection = None
            state.link_state = LinkState.DOWN
            if state.waiting_since is None:
                state.waiting_since = state.clock()
            for timer in ("ping", "stable", "commands"):
                state.timers.cancel(timer)
            if connection.asked:
                self._doubtful_until = state.clock() + _LATE_TOKEN
            why = "disconnect" if state.closing else "connection lost"
        self._actions.lost(connection, why)
        return was_online

    def _server(self) -> str:
        server = self._settings.server_url
        return server if self._proxy is None else f"{server} by way of the proxy {self._proxy.url}"

    def _next_step(self, refused: Refused | None, cause: WebSocketError | None) -> Again | GiveUp | None:
        """Return what follows from the end of a connection; None if no other is wanted."""
        with self._state.lock:
            if self._state.closing:
                return None
            if refused is not None:
                return self._state.reconnect.refused(refused, chance())
            return self._state.reconnect.ended(chance(), None if cause is None else cause.retry_after)


def _unusable(claim: TokenClaim) -> str | None:
    """Return why a permanent token cannot be used, without showing it; None if it can."""
    try:
        bot_token("permanentToken", claim.permanent_token)
    except ValueError as error:
        return f"the server sent a token that cannot be used: {error}"
    return None


def _described(message: dict[str, object], size: int) -> str:
    """Return a frame's type, ids and size for the log; never what it says."""
    names = ("type", "taskId", "conversationId", "id", "status")
    known = (f"{name}={message[name]!r:.80}" for name in names if isinstance(message.get(name), str))
    return f"{' '.join(known)} ({size} bytes)"
