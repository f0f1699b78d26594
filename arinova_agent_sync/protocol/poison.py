"""Frames that break the connections on which they leave. Not thread-safe: call it under the state lock."""

from __future__ import annotations

from collections import deque
from typing import Union

from . import frames
from .answer import Answer, PendingText
from .pieces import OutgoingMessage, Receipt, Terminal

Blamed = Union[Answer, PendingText, Receipt, bytes]  # an answer for its repair

_MOST = 3  # connections that a frame may break
_REMEMBERED = 8  # connections that broke

UNDELIVERABLE = "The agent's answer could not be delivered."


class Poison:
    """Which frames headed the queue when connections broke.

    A server or a proxy that cannot take a frame would be sent it for ever otherwise, and nothing behind it.
    """

    def __init__(self) -> None:
        self._broke: deque[object] = deque(maxlen=_REMEMBERED)
        self._dropped: deque[object] = deque(maxlen=_REMEMBERED)

    def broke(self, frame: Blamed) -> bool:
        """Note that a connection broke while a frame left; tell whether it has broken too many."""
        key = _key(frame)
        self._broke.append(key)
        if self._broke.count(key) < _MOST:
            return False
        self._dropped.append(key)
        return True

    def was_dropped(self, receipt: Receipt) -> bool:
        """Tell whether a frame was dropped that is noted as unproven still, since writing it began."""
        return _key(receipt) in self._dropped


def in_place_of(terminal: Terminal) -> Terminal | None:
    """Return the short last frame that ends a task whose own broke connections; None if there is no other.

    An answer stays with it: once the short one is proven the answer is looked up, and sent over HTTP if need be.
    """
    answer = terminal.answer
    if terminal.answers and answer.written:
        payload = frames.agent_complete(
            answer.task_id, "", None
        )  # the server has streamed text: it keeps that
    else:
        payload = frames.agent_error(answer.task_id, UNDELIVERABLE)
    if payload == terminal.payload:
        return None
    text = terminal.text if terminal.answers else None
    return Terminal(answer, payload, text, terminal.answers, again=True)


def _key(frame: Blamed) -> object:
    """Return what tells a frame from others, without keeping its bytes."""
    if isinstance(frame, Answer):
        return frame.task_id
    if isinstance(frame, PendingText):
        return frame.answer.task_id, frame.answer.written  # the next time its text may be cut in other ways
    if isinstance(frame, OutgoingMessage):
        return frame.key
    return hash(frame if isinstance(frame, bytes) else frame.payload)
