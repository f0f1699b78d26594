"""Trouble with a connection is told: each kind once to the log and once to one callback.

A failed attempt, a refusal that is tried again and a message that had to be dropped go to on_error, the end of a
live connection to on_disconnected. What stops the agent is told where it ends.
"""

from __future__ import annotations

from ..errors import ArinovaError, AuthenticationError, ConnectionLost, FrameTooLargeError, ProtocolError
from ..log import logger
from ..protocol.reconnect import Again, GiveUp
from ..protocol.session import Refused
from ..protocol.websocket_frames import WireError
from .callbacks import Callbacks
from .connection import Connection
from .state import State
from .websocket_errors import MessageTooLarge, WebSocketError


class Trouble:
    """What the reader tells of its connections.

    Args:
        state: the agent's state, whose counters count what is told.
        callbacks: run the users' functions.
    """

    def __init__(self, state: State, callbacks: Callbacks) -> None:
        self._state = state
        self._callbacks = callbacks

    def tell(self, error: ArinovaError) -> None:
        """Tell an error by itself."""
        self._callbacks.fire("error", error)
        logger.error("%s", error)

    def dropped(self, cause: WebSocketError) -> None:
        """Tell that a message of the server was dropped."""
        self._state.counters.messages_dropped += 1
        self.tell(self._public(cause, str(cause)))

    def ended(
        self,
        connection: Connection,
        server: str,
        was_online: bool,
        cause: Refused | WebSocketError | None,
        step: Again | GiveUp | None,
    ) -> None:
        """Tell that a connection ended, or could not be made.

        Args:
            connection: it.
            server: where it led, and by way of which proxy.
            was_online: whether the server had accepted the token on it.
            cause: why it ended.
            step: what follows; None if its end was asked for.
        """
        if step is None:
            if was_online:
                self._callbacks.fire("disconnected", None)
            return
        error: ArinovaError
        if isinstance(cause, Refused):
            error = auth_error(cause)
        else:
            if was_online and cause is not None and cause.kind in ("utf8", "too_large"):
                self.dropped(cause)  # with what it held, and the connection ends besides
            what = f"the connection to {server} ended" if was_online else f"connecting to {server} failed"
            error = self._public(cause, f"{what}: {cause or 'it was closed'}")
        with self._state.lock:
            self._state.last_error = error
            self._state.counters.attempts_failed += not was_online
        if was_online:
            lost = ConnectionLost(str(error))
            lost.__cause__ = cause if isinstance(cause, WebSocketError) else error
            self._callbacks.fire("disconnected", lost)
        elif isinstance(step, Again):  # else it stops the agent, and is told so
            self._callbacks.fire("error", error)
        if isinstance(step, Again):
            logger.warning("connection %d: %s; trying again in %.1f s", connection.number, error, step.delay)

    def _public(self, cause: WebSocketError | None, text: str) -> ArinovaError:
        """Return the error that users meet for one that stays inside."""
        error: ArinovaError
        kind = "closed" if cause is None else cause.kind
        if kind == "too_large":
            limit = self._state.settings.max_frame_bytes
            error = FrameTooLargeError(
                f"{text} (max_frame_bytes); what it held is lost", size=_size(cause), limit=limit
            )
        elif kind in ("protocol", "utf8", "binary", "json"):
            error = ProtocolError(text)
        else:
            error = ConnectionLost(text)
        error.__cause__ = cause
        return error


def auth_error(refused: Refused, attempts: int = 1) -> AuthenticationError:
    """Return the error for a token that was refused so many times in a row."""
    code = f" ({refused.code})" if refused.code else ""
    tries = f" {attempts} times in a row" if attempts > 1 else ""
    advice = "" if refused.retryable else "; check bot_token"
    return AuthenticationError(
        f"the server refused the token{tries}: {refused.message}{code}{advice}",
        code=refused.code,
        retryable=refused.retryable,
    )


def _size(error: BaseException | None) -> int | None:
    """Return how large a message was, as far as it was announced."""
    if isinstance(error, MessageTooLarge):
        return error.size
    breach = None if error is None else error.__cause__
    return breach.size if isinstance(breach, WireError) else None
