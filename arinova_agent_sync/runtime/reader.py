"""The reader thread: connect, authenticate, receive, wait, again.

It owns the link: it makes it, reads it and closes it, and a connection ends in one way only: its receive raises.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence

from .._version import __version__
from ..credentials import Credentials
from ..errors import AuthenticationError, ConnectionLost, FrameTooLargeError, ProtocolError
from ..log import logger
from ..net.deadline import Deadline
from ..net.proxies import proxy_for
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
from ..protocol.websocket_frames import WireError
from .action_calls import ActionCalls
from .callbacks import Callbacks
from .connection import Connection
from .state import LinkState, State
from .task_runner import TaskRunner
from .websocket import WebSocket
from .websocket_errors import MessageTooLarge, WebSocketError


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

    Raises ValueError for an environment that names an unusable proxy.
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
        self._proxy = proxy_for(self._settings.server_url, self._settings.proxy)
        if self._settings.ssl_context is None and self._settings.server_url.startswith("https:"):
            default_context()  # whose variables, when they cannot be used, are told by connect()
        self._claimed = False  # a token, since the last authentication

    def run(self) -> None:
        """Keep the agent connected until it is over."""
        try:
            delay: float | None = 0.0
            while delay is not None and self._wait(delay):
                delay = self._connect()
        except BaseException as error:
            logger.critical("the reader thread failed: this is a bug of arinova_agent_sync", exc_info=error)
            self._give_up(error)

    def _wait(self, delay: float) -> bool:
        """Wait before the next attempt; False if there is to be none."""
        with self._state.lock:
            self._state.changed.wait_for(lambda: self._state.closing, delay)
            return not self._state.closing

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
        self._report(connection, was_online, cause, refused)
        return 0.0 if reconnect else self._delay(refused)

    def _new_connection(self) -> Connection | None:
        state, settings = self._state, self._settings
        try:
            self._proxy = proxy_for(settings.server_url, settings.proxy)  # a laptop changes networks
        except ValueError as error:
            logger.warning("%s; the proxy from before is asked", error)
        link = WebSocket(
            settings.socket_url,
            ssl_context=settings.ssl_context,
            proxy=self._proxy,
            max_message_bytes=settings.max_frame_bytes,
            send_timeout=settings.send_timeout,
            silence_timeout=settings.ping_timeout,
        )
        with state.lock:
            if state.closing:
                return None
            state.connections += 1
            connection = state.connection = Connection(state.connections, link)
            state.reconnect.begin()
            state.link_state = LinkState.CONNECTING
            times = state.stop_times
        if times is not None:
            link.stop_by(Deadline(max(0.0, times.stop_by - state.clock()), state.clock))
        link.on_ping = self._pinged
        return connection

    def _pinged(self, payload: bytes) -> None:
        with self._state.lock:
            # Before auth_ok nothing is online, and nothing but text may be sent: then it gets no pong.
            if self._state.outbox.add_passing(PongReply(payload)):
                self._state.flush_soon()

    def _serve(self, connection: Connection) -> Refused | None:
        state, settings, link = self._state, self._settings, connection.link
        link.open(Deadline(settings.connect_timeout))
        with state.lock:
            state.link_state = LinkState.AUTHENTICATING
        link.send_text(
            frames.agent_auth(self._credentials.token, settings.skills, __version__, sys.implementation.name)
        )
        session = Session(settings.max_queued_tasks + settings.max_workers)
        by: Deadline | None = Deadline(settings.connect_timeout)
        while True:
            for event in self._receive(connection, session, by):
                if isinstance(event, Refused):
                    return event
                self._act(connection, event)
            if session.authenticated:
                by = None

    def _receive(self, connection: Connection, session: Session, by: Deadline | None) -> list[Event]:
        try:
            data = connection.link.receive(by)
        except MessageTooLarge as error:
            self._report_error(
                FrameTooLargeError(
                    f"{error} (max_frame_bytes); what it held is lost", size=error.size, limit=error.limit
                ),
                error,
            )
            return []
        message = frames.decode(data)
        self._state.counters.frames_received += 1
        if message is None:
            logger.warning("a message of %d bytes was ignored: it is no JSON object", len(data))
            return [Ignored("")]
        if logger.enabled(logging.DEBUG):
            logger.debug("received %s", _described(message, len(data)))
        return session.received(message)

    def _act(self, connection: Connection, event: Event) -> None:
        if isinstance(event, TaskArrived):
            self._runner.arrived(event, connection.number)
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
            late = [
                frame
                for frame in connection.receipts.ponged()
                if isinstance(frame, Terminal)
                and frame.answers
                and (frame.again or frame.answer.connection != connection.number)
            ]
            state.rescues += len(late)
            if state.ending:
                state.changed.notify_all()
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
            state.link = connection.link
            state.timers.set("ping", now + self._settings.ping_interval)
            state.timers.set("stable", now + self._settings.stable_after)
            if self._settings.skills and event.agent_id is not None:
                commands = frames.register_commands(event.agent_id, self._settings.skills)
                state.outbox.add_passing(Passing(commands))
                state.timers.set("commands", now + self._settings.heartbeat_interval)
            state.flush_soon()
            state.due.notify()
            state.changed.notify_all()
        logger.info("connected as %s", event.agent_name or event.agent_id or "an agent")
        if event.permanent_token is not None:
            self._take_token(TokenClaim(event.agent_id, event.permanent_token, None))
        self._callbacks.fire("connected")

    def _take_token(self, claim: TokenClaim) -> None:
        self._credentials.replace_token(claim.permanent_token)
        logger.info("a permanent token was received; store it, it is not shown again")
        self._callbacks.fire("token_claimed", claim)

    def _end(self, connection: Connection) -> bool:
        """Drop a connection whole; tell whether it was authenticated."""
        state = self._state
        connection.link.close()
        with state.lock:
            was_online = state.link_state is LinkState.ONLINE
            state.outbox.send_again(connection.receipts.take_unproven())
            state.take_link_down(connection.link)
            state.connection = None
            state.link_state = LinkState.DOWN
            for timer in ("ping", "stable", "commands"):
                state.timers.cancel(timer)
            why = "disconnect" if state.closing else "connection lost"
        self._actions.lost(connection, why)
        return was_online

    def _report(
        self, connection: Connection, was_online: bool, cause: WebSocketError | None, refused: Refused | None
    ) -> None:
        with self._state.lock:
            wanted = self._state.closing
            self._state.last_error = cause
        if cause is not None and not wanted:
            logger.warning("connection %d: %s", connection.number, cause)
            if cause.kind in ("protocol", "utf8"):
                self._report_error(ProtocolError(str(cause)), cause)
            elif cause.kind == "too_large":  # so much that it could not pass by
                limit, breach = self._settings.max_frame_bytes, cause.__cause__
                size = breach.size if isinstance(breach, WireError) else None
                text = f"{cause}; the limit is {limit} bytes (max_frame_bytes)"
                self._report_error(FrameTooLargeError(text, size=size, limit=limit), cause)
        if was_online:
            lost = None
            if not wanted:
                lost = ConnectionLost(refused.message if refused else str(cause or "the connection ended"))
                lost.__cause__ = cause
            self._callbacks.fire("disconnected", lost)

    def _report_error(self, error: Exception, cause: BaseException) -> None:
        error.__cause__ = cause
        logger.error("%s", error)
        self._callbacks.fire("error", error)

    def _delay(self, refused: Refused | None) -> float | None:
        state = self._state
        from random import random  # not for an agent whose first connection lasts

        with state.lock:
            if state.closing:
                return None
            if refused is None:
                step: Again | GiveUp = state.reconnect.ended(random())
            else:
                step = state.reconnect.refused(refused, random())
        if isinstance(step, GiveUp):
            self._give_up(_auth_error(step.refusal, step.refusals))
            return None
        if refused is not None:
            logger.warning(
                "the server refused the token (%s); trying again in %.1f s", refused.message, step.delay
            )
        else:
            logger.info("connecting again in %.1f s", step.delay)
        return step.delay


def _auth_error(refused: Refused, attempts: int) -> AuthenticationError:
    code = f" ({refused.code})" if refused.code else ""
    tries = f" {attempts} times in a row" if attempts > 1 else ""
    return AuthenticationError(
        f"the server refused the token{tries}: {refused.message}{code}; check bot_token",
        code=refused.code,
        retryable=refused.retryable,
    )


def _described(message: dict[str, object], size: int) -> str:
    """Return a frame's type, ids and size for the log; never what it says."""
    names = ("type", "taskId", "conversationId", "id", "status")
    known = (f"{name}={message[name]!r:.80}" for name in names if isinstance(message.get(name), str))
    return f"{' '.join(known)} ({size} bytes)"
