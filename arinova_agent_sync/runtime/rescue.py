"""Answers and messages that a lost connection may have swallowed: looked up over HTTP, and sent there if missing.

The March 2026 server fails all tasks of an agent whose connection ends, unless the agent is back before it
notices; then it drops what still comes for them, in silence. So when it has read the last frame of a task that came
on another connection, or a last frame that was sent once more, it is asked what became of the task's message. A
message that answers no task is looked for in its conversation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Union

import msgspec

from ..credentials import Credentials
from ..errors import ApiError, ConnectionLost, NotFoundError
from ..log import logger
from ..protocol.life import Life
from ..protocol.pieces import OutgoingMessage, Terminal
from .state import State
from .workers import Workers

if TYPE_CHECKING:
    from ..api import ArinovaClient, records

Rescued = Union[Terminal, OutgoingMessage]

_AT_ONCE = 8  # answers that the server is asked about at a time
_PATIENCE = 1.0  # seconds after which the server has taken a frame in, if it takes it at all
_LOOKED_THROUGH = 100  # messages of a conversation
_CLOCKS = 60.0  # seconds that the server's clock may be behind


class Undelivered(msgspec.Struct, frozen=True):
    """What ``on_undelivered`` is called with.

    Attributes:
        task_id: the task's id; None for a message that answers no task.
        conversation_id: where it belongs; None for a wakeup.
        text: the answer, the error's text, or the message; "" for a task that was to end without an answer, whose
            message goes on streaming.
        certain: whether it is certain that it has not arrived.
    """

    task_id: str | None
    conversation_id: str | None
    text: str
    certain: bool = True


def undelivered(frame: Rescued, certain: bool) -> Undelivered | None:
    """Return what a user is told of a frame; None for the end of a task that was cancelled or never run."""
    if isinstance(frame, OutgoingMessage):
        return Undelivered(None, frame.conversation_id, frame.text, certain)
    if frame.text is None:
        return None
    return Undelivered(frame.answer.task_id, frame.answer.conversation_id, frame.text, certain)


class Rescuer:
    """Look after answers and messages that may have got lost, on worker threads.

    Args:
        state: the agent's state.
        credentials: make the HTTP client.
        workers: the threads that it works on.
        undelivered: called with what could not be delivered, and whether that is certain.
    """

    def __init__(
        self,
        state: State,
        *,
        credentials: Credentials,
        workers: Workers,
        undelivered: Callable[[Rescued, bool], None],
    ) -> None:
        self._state = state
        self._credentials = credentials
        self._workers = workers
        self._undelivered = undelivered
        self._client: ArinovaClient | None = (
            None  # of its own: its calls end with the agent, the users' do not
        )
        self._under_way: list[Rescued] = []
        self._closed = False

    def prepare(self) -> None:
        """Have a worker load what a rescue needs: in an outage it may be too late for that. Returns at once."""
        if self._state.settings.rescue_results:
            self._workers.submit(self._load)

    def _load(self) -> None:
        try:
            self._credentials.load_client()
        except Exception as error:  # noqa: BLE001 - whatever a file in the place of a module of ours raises
            logger.warning("answers could not be rescued after an outage: %s", error)

    def look_after(self, frames: Sequence[Rescued]) -> None:
        """See to it that they are delivered; the caller has counted them in ``rescues``. Returns at once."""
        with self._state.lock:
            self._under_way += frames
            closed = self._closed
        if closed:
            for frame in frames:
                self._give_up(frame, "disconnect() called")
            return
        for group in (frames[first::_AT_ONCE] for first in range(min(_AT_ONCE, len(frames)))):
            if not self._workers.submit(partial(self._work, group)):
                for frame in group:
                    self._give_up(frame, "no thread could be started")

    def close(self) -> None:
        """Give up what is under way: the agent ends, and nothing must be sent after that."""
        with self._state.lock:
            self._closed = True
            left, client = list(self._under_way), self._client
        for frame in left:
            self._give_up(frame, "disconnect() called")
        if client is not None:
            self._credentials.abort(client)

    def _work(self, frames: Sequence[Rescued]) -> None:
        for frame in frames:
            try:
                if isinstance(frame, OutgoingMessage):
                    self._find(frame)
                else:
                    self._rescue(frame)
            except Exception as error:  # noqa: BLE001 - whatever fails, the others are worth as much
                self._give_up(frame, error)
            else:
                self._done(frame)

    def _give_up(self, frame: Rescued, why: object, *, certain: bool = False) -> None:
        if not self._done(frame):
            return
        self._undelivered(frame, certain)
        what = (
            "a message" if isinstance(frame, OutgoingMessage) else f"task {frame.answer.task_id}: its answer"
        )
        logger.warning("%s could not be rescued: %s", what, why)

    def _done(self, frame: Rescued) -> bool:
        """Note that nothing more is done about it; False if that was so already."""
        with self._state.lock:
            place = next((at for at, other in enumerate(self._under_way) if other is frame), None)
            if place is None:
                return False
            del self._under_way[place]
            self._state.rescues -= 1
            if self._state.life is Life.DRAINING:
                self._state.due.notify()
                self._state.changes.notify_all()
            return True

    def _api(self) -> ArinovaClient:
        """Return the client; raise ConnectionLost once the agent ends."""
        with self._state.lock:
            if self._closed:
                raise ConnectionLost("disconnect() called")
            if self._client is None:
                self._client = self._credentials.new_client()
            return self._client

    def _wait(self) -> None:
        """Give the server time to take in what it has read."""
        self._state.changes.wait_for(lambda: self._state.closing, _PATIENCE)

    # Answers

    def _rescue(self, terminal: Terminal) -> None:
        answer = terminal.answer
        if not self._state.settings.rescue_results or answer.conversation_id is None:
            self._give_up(terminal, "whether the server had given the task up cannot be asked")
            return
        # A task that lives on may be marked as failed until the server has taken its last frame in.
        message = self._message(terminal)
        if message.status in ("error", "streaming"):
            self._wait()
            message = self._message(terminal)
        text = terminal.text or ""
        is_other = message.status == "completed" and (message.content or "").strip() != text.strip()
        if is_other and answer.connection:
            logger.warning(
                "task %s: the server has another text than the answer; some got lost with a connection",
                answer.task_id,
            )
        if message.status == "streaming":
            self._give_up(terminal, "the server has not taken it")
        # Of an answer to an earlier run of the agent the server keeps what that has streamed.
        elif message.status == "error" or (is_other and not answer.connection):
            self._send(terminal, answer.conversation_id, text, f"rescue-{answer.task_id}")
            logger.info(
                "task %s: the server had given it up; its answer was sent as a message", answer.task_id
            )

    def _send(self, frame: Rescued, conversation_id: str, text: str, key: str) -> None:
        reply_to = frame.reply_to if isinstance(frame, OutgoingMessage) else None
        try:
            self._api().messages.send(conversation_id, text, reply_to=reply_to, idempotency_key=key)
        except ApiError as error:
            self._give_up(frame, error, certain=400 <= error.status < 500)

    def _message(self, terminal: Terminal) -> records.Message:
        answer = terminal.answer
        page = self._api().messages.around(answer.conversation_id or "", answer.task_id, limit=3)
        for message in page.items:
            if message.id == answer.task_id:
                return message
        raise NotFoundError("the server does not know the answer's message", status=404)

    # Messages that answer no task

    def _find(self, message: OutgoingMessage) -> None:
        if self._arrived(message):
            return
        self._wait()
        if not self._arrived(message):
            self._send(message, message.conversation_id, message.text, message.key)
            logger.info("a message was lost with a connection; it was sent again over HTTP")

    def _arrived(self, message: OutgoingMessage) -> bool:
        newest = self._api().messages.history(message.conversation_id, limit=_LOOKED_THROUGH)
        return any(self._is_copy(found, message) for found in islice(newest, _LOOKED_THROUGH))

    def _is_copy(self, found: records.Message, message: OutgoingMessage) -> bool:
        agent_id = self._state.agent_id
        return (
            found.content.strip() == message.text.strip()
            and found.role in (None, "agent")
            and (agent_id is None or found.sender_agent_id in (None, agent_id))
            and _moment(found.created_at) >= message.sent_at - _CLOCKS
        )


def _moment(created_at: str | None) -> float:
    """Return an ISO 8601 moment in seconds since 1970; of one that cannot be read, now."""
    try:
        moment = datetime.fromisoformat((created_at or "").replace("Z", "+00:00"))
    except ValueError:
        return time.time()
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
