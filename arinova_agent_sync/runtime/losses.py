"""What was lost with a connection, or for want of one: logged, counted and handed over."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import ConnectionLost
from ..log import logger
from ..protocol.answer import Answer, PendingText
from ..protocol.pieces import Gap, OutgoingMessage, Terminal
from ..protocol.poison import Blamed
from .state import State

_WHY = "connections broke, one after another, while it left"


class Losses:
    """Tell what the outbox has noted as lost.

    Args:
        state: the agent's state.
        undelivered: called, without a lock, with each answer or message that was given up, and whether it is
            certain that it has not arrived.
        lost: called, without a lock, with messages that may have been lost with a connection. They are counted in
            ``rescues`` already.
        dropped: called, without a lock, with an error for each other frame that was dropped.
    """

    def __init__(
        self,
        state: State,
        *,
        undelivered: Callable[[Terminal | OutgoingMessage, bool], None],
        lost: Callable[[Sequence[OutgoingMessage]], None],
        dropped: Callable[[ConnectionLost], None],
    ) -> None:
        self._state = state
        self._undelivered = undelivered
        self._lost = lost
        self._dropped = dropped

    def report(self) -> None:
        """Log what was lost, and hand it over."""
        outbox = self._state.outbox
        with self._state.lock:
            gaps, outbox.gaps = outbox.gaps, []
            given_up, outbox.given_up = outbox.given_up, []
            doubts, outbox.doubts = outbox.doubts, []
            poisoned, outbox.poisoned = outbox.poisoned, []
            lost, outbox.lost = outbox.lost, []
            self._state.rescues += len(lost)
        for task_id in gaps:
            logger.warning(
                "task %s: text was lost, more than max_buffered_bytes waited for a connection", task_id
            )
        for task_id in doubts:
            logger.warning("task %s: text may have been lost, the connection ended just after it", task_id)
        for frame in poisoned:
            self._tell_poisoned(frame)
        for given in given_up:
            self._undelivered(given, not given.again)
        if lost:
            self._lost(lost)

    def _tell_poisoned(self, frame: Blamed) -> None:
        what = _described(frame)
        # What ends a task is handed over with its text, and so is a message.
        if not isinstance(frame, (Terminal, OutgoingMessage)):
            self._dropped(ConnectionLost(f"{what} was dropped: {_WHY}"))
        logger.error("%s was dropped: %s", what, _WHY)


def _described(frame: Blamed) -> str:
    if isinstance(frame, Terminal):
        return f"task {frame.answer.task_id}: its last frame ({len(frame.payload)} bytes)"
    if isinstance(frame, Gap):
        return f"task {frame.answer.task_id}: the notice of a gap"
    if isinstance(frame, PendingText):
        return f"task {frame.answer.task_id}: text that waited"
    if isinstance(frame, Answer):
        return f"task {frame.task_id}: the repair of its text"
    if isinstance(frame, OutgoingMessage):
        return f"a message to conversation {frame.conversation_id} ({len(frame.payload)} bytes)"
    return f"a frame of {len(frame)} bytes"
