"""Answers whose task the server gave up during an outage: delivered as a message instead.

The March 2026 server fails all tasks of an agent whose connection ends, unless the agent is back before it
notices; then it drops what still comes for them, in silence. So when the last frame of a task left on another
connection than the task came on, or once more, since a lost connection may have swallowed it, the server is asked
what became of the task's message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from ..credentials import Credentials
from ..errors import ConnectionLost, NotFoundError
from ..log import logger
from ..protocol.life import Life
from ..protocol.outbox import Terminal
from .state import State
from .workers import Workers

if TYPE_CHECKING:
    from ..api import ArinovaClient
    from ..api.records import Message

_AT_ONCE = 8  # answers that the server is asked about at a time
_PATIENCE = 1.0  # seconds after which the server has taken the frame in, if it takes it at all


class Undelivered(msgspec.Struct, frozen=True):
    """What ``on_undelivered`` is called with.

    Attributes:
        task_id: the task's id.
        conversation_id: where the answer belongs; None for a wakeup.
        text: the answer, or the error's text.
    """

    task_id: str
    conversation_id: str | None
    text: str


class Rescuer:
    """Look after answers that may have got lost, on worker threads.

    Args:
        state: the agent's state.
        credentials: make the HTTP client.
        workers: the threads that it works on.
        undelivered: called with an answer that could not be delivered.
    """

    def __init__(
        self,
        state: State,
        *,
        credentials: Credentials,
        workers: Workers,
        undelivered: Callable[[Terminal], None],
    ) -> None:
        self._state = state
        self._credentials = credentials
        self._workers = workers
        self._undelivered = undelivered
        self._client: ArinovaClient | None = (
            None  # of its own: its calls end with the agent, the users' do not
        )
        self._under_way: list[Terminal] = []
        self._closed = False

    def look_after(self, terminals: Sequence[Terminal]) -> None:
        """See to it that the answers are delivered. Returns at once."""
        with self._state.lock:
            self._state.rescues += len(terminals)
            self._under_way += terminals
        for group in (terminals[first::_AT_ONCE] for first in range(min(_AT_ONCE, len(terminals)))):
            if not self._workers.submit(partial(self._work, group)):
                for terminal in group:
                    self._give_up(terminal, "no thread could be started")

    def close(self) -> None:
        """Give up what is under way: the agent ends, and nothing must be sent after that."""
        with self._state.lock:
            self._closed = True
            left, client = list(self._under_way), self._client
        for terminal in left:
            self._give_up(terminal, "disconnect() called")
        if client is not None:
            self._credentials.abort(client)

    def _work(self, terminals: Sequence[Terminal]) -> None:
        for terminal in terminals:
            try:
                self._rescue(terminal)
            except Exception as error:  # noqa: BLE001 - whatever fails, the other answers are worth as much
                self._give_up(terminal, error)
            else:
                self._done(terminal)

    def _give_up(self, terminal: Terminal, why: object) -> None:
        if not self._done(terminal):
            return
        if not terminal.again:  # else it has probably arrived
            self._undelivered(terminal)
        logger.warning("task %s: its answer could not be rescued: %s", terminal.answer.task_id, why)

    def _done(self, terminal: Terminal) -> bool:
        """Note that nothing more is done for an answer; False if that was so already."""
        with self._state.lock:
            if terminal not in self._under_way:
                return False
            self._under_way.remove(terminal)
            self._state.rescues -= 1
            if self._state.life is Life.DRAINING:
                self._state.due.notify()
            return True

    def _api(self) -> ArinovaClient:
        """Return the client; raise ConnectionLost once the agent ends."""
        with self._state.lock:
            if self._closed:
                raise ConnectionLost("disconnect() called")
            if self._client is None:
                self._client = self._credentials.new_client()
            return self._client

    def _rescue(self, terminal: Terminal) -> None:
        answer = terminal.answer
        # A task that lives on may be marked as failed until the server has taken its last frame in.
        message = self._message(terminal)
        if message.status in ("error", "streaming"):
            self._state.changes.wait_for(lambda: self._state.closing, _PATIENCE)
            message = self._message(terminal)
        if message.status == "completed" and (message.content or "").strip() != (terminal.text or "").strip():
            logger.warning(
                "task %s: the server has another text than the answer; some got lost with a connection",
                answer.task_id,
            )
        if message.status != "error":
            return
        self._api().messages.send(
            answer.conversation_id or "", terminal.text or "", idempotency_key=f"rescue-{answer.task_id}"
        )
        logger.info("task %s: the server had given it up; its answer was sent as a message", answer.task_id)

    def _message(self, terminal: Terminal) -> Message:
        answer = terminal.answer
        page = self._api().messages.around(answer.conversation_id or "", answer.task_id, limit=3)
        for message in page.items:
            if message.id == answer.task_id:
                return message
        raise NotFoundError("the server does not know the answer's message", status=404)
