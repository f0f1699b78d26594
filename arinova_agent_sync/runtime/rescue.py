"""Answers whose task the server gave up during an outage: delivered as a message instead.

The March 2026 server fails all tasks of an agent whose connection ends, unless the agent is back before it
notices; then it drops what still comes for them, in silence. So when the last frame of a task left on another
connection than the task came on, or once more, since a lost connection may have swallowed it, the server is asked
what became of the task's message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..credentials import Credentials
from ..errors import NotFoundError
from ..protocol.outbox import Terminal
from .state import Life, State
from .workers import Workers

if TYPE_CHECKING:
    from ..api.records import Message

_AT_ONCE = 8  # answers that the server is asked about at a time
_PATIENCE = 1.0  # seconds after which the server has taken the frame in, if it takes it at all

logger = logging.getLogger("arinova_agent_sync")


class Rescuer:
    """Look after answers that may have got lost, on worker threads.

    Args:
        undelivered: called with an answer that could not be delivered.
    """

    def __init__(
        self, state: State, account: Credentials, workers: Workers, undelivered: Callable[[Terminal], None]
    ) -> None:
        self._state = state
        self._credentials = account
        self._workers = workers
        self._undelivered = undelivered

    def look_after(self, terminals: Sequence[Terminal]) -> None:
        """See to it that the answers are delivered. Returns at once."""
        with self._state.lock:
            self._state.rescues += len(terminals)
        for group in (terminals[first::_AT_ONCE] for first in range(min(_AT_ONCE, len(terminals)))):
            if not self._workers.submit(partial(self._work, group)):
                for terminal in group:
                    self._give_up(terminal, "no thread could be started")
                    self._done()

    def _work(self, terminals: Sequence[Terminal]) -> None:
        for terminal in terminals:
            try:
                self._rescue(terminal)
            except Exception as error:  # noqa: BLE001 - whatever fails, the other answers are worth as much
                self._give_up(terminal, error)
            finally:
                self._done()

    def _give_up(self, terminal: Terminal, why: object) -> None:
        logger.warning("task %s: its answer could not be rescued: %s", terminal.answer.task_id, why)
        if not terminal.again:  # else it has probably arrived
            self._undelivered(terminal)

    def _done(self) -> None:
        with self._state.lock:
            self._state.rescues -= 1
            if self._state.life is Life.DRAINING:
                self._state.due.notify()

    def _rescue(self, terminal: Terminal) -> None:
        answer = terminal.answer
        # A task that lives on may be marked as failed until the server has taken its last frame in.
        message = self._message(terminal)
        if message.status in ("error", "streaming"):
            with self._state.lock:
                self._state.changed.wait_for(lambda: self._state.closing, _PATIENCE)
            message = self._message(terminal)
        if message.status == "completed" and (message.content or "").strip() != (terminal.text or "").strip():
            logger.warning(
                "task %s: the server has another text than the answer; some got lost with a connection",
                answer.task_id,
            )
        if message.status != "error":
            return
        self._credentials.api.messages.send(
            answer.conversation_id or "", terminal.text or "", idempotency_key=f"rescue-{answer.task_id}"
        )
        logger.info("task %s: the server had given it up; its answer was sent as a message", answer.task_id)

    def _message(self, terminal: Terminal) -> Message:
        answer = terminal.answer
        page = self._credentials.api.messages.around(answer.conversation_id or "", answer.task_id, limit=3)
        for message in page.items:
            if message.id == answer.task_id:
                return message
        raise NotFoundError("the server does not know the answer's message", status=404)
