"""What waits to be written and what is written: immutable records."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeGuard, Union

from .answer import Answer, PendingText


class Chunks(NamedTuple):
    """Text of one task, cut for the wire: a frame each."""

    answer: Answer
    texts: Sequence[str]


class Terminal(NamedTuple):
    """The last frame of a task.

    Attributes:
        text: the answer or the error; "" for no answer, None for a task that was cancelled or never run.
        answers: whether the text is an answer, worth another way should the server have given the task up.
        again: whether it left once already, on a connection that was lost before the server confirmed it.
    """

    answer: Answer
    payload: bytes
    text: str | None
    answers: bool = False
    again: bool = False


class OutgoingMessage(NamedTuple):
    """A message that answers no task.

    Attributes:
        sent_at: when, in seconds since 1970.
        key: by which the server knows a repetition.
        again: whether it left once already; then it is not written once more, but looked for.
    """

    payload: bytes
    conversation_id: str
    text: str
    reply_to: str | None
    sent_at: float
    key: str
    again: bool = False


class Gap(NamedTuple):
    """The notice that some of a task's text was lost.

    Attributes:
        again: whether it left once already.
    """

    answer: Answer
    payload: bytes
    again: bool = False


class Passing(NamedTuple):
    """A frame that is worth nothing on a later connection: a ping, a heartbeat, an action call, a repair.

    Attributes:
        repairs: the answer whose whole text it says once more.
    """

    payload: bytes
    repairs: Answer | None = None


class PongReply(NamedTuple):
    """The payload to answer a ping of the WebSocket protocol with."""

    payload: bytes


class Repair(NamedTuple):
    """Answers of which a lost connection may have swallowed something: first of all on the next one.

    What is said of them is decided when they are taken: an earlier write may still be failing until then, and puts
    back what did not leave.

    Attributes:
        whole: whether the server takes a chunk that starts with all the text it has for the whole text.
    """

    answers: deque[Answer]
    whole: bool


Receipt = Union[Terminal, OutgoingMessage, Gap]  # what is sent again until a pong has proven it
Piece = Union[Chunks, Receipt, Passing, PongReply, bytes]
Entry = Union[PendingText, Receipt, Passing, PongReply, Repair, bytes]


def behind(pieces: Sequence[Piece], frames: int) -> list[Piece]:
    """Return the pieces without their first so many frames."""
    left: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Chunks):
            gone = min(frames, len(piece.texts))
            if gone < len(piece.texts):
                left.append(Chunks(piece.answer, piece.texts[gone:]))
        else:
            gone = min(frames, 1)
            if not gone:
                left.append(piece)
        frames -= gone
    return left


def payloads_in(pieces: Iterable[Entry | Piece]) -> set[int]:
    """Return which payloads among these need receipts, by their identity."""
    return {id(piece.payload) for piece in pieces if isinstance(piece, (Terminal, OutgoingMessage, Gap))}


def chunks_in(pieces: Sequence[Piece]) -> int:
    """Return how many chunks there are in pieces."""
    return sum(len(piece.texts) for piece in pieces if isinstance(piece, Chunks))


def text_size(text: str) -> int:
    """Return how many bytes a clean text takes on the wire."""
    return len(text) if text.isascii() else len(text.encode())


def waits_as(entry: Entry, piece: Piece | None) -> TypeGuard[PendingText | Receipt | bytes]:
    """Tell whether the first entry is a piece that was just put there again."""
    if isinstance(piece, Chunks):
        return isinstance(entry, PendingText)
    if isinstance(piece, (Terminal, OutgoingMessage, Gap)):
        return isinstance(entry, (Terminal, OutgoingMessage, Gap)) and entry.payload is piece.payload
    return piece is entry


def outlives_connection(entry: Entry) -> bool:
    """Tell whether an entry is worth something on the next connection."""
    if isinstance(entry, PendingText):
        return not entry.answer.muted
    return not isinstance(entry, (Passing, PongReply, Repair))


def frame_size(entry: Entry) -> int:
    """Return how many bytes of a frame beside answers it is."""
    if isinstance(entry, OutgoingMessage):
        return len(entry.payload)
    return len(entry) if isinstance(entry, bytes) else 0


def size_of(entry: Entry) -> int:
    """Return how many bytes of text and frames an entry is."""
    if isinstance(entry, bytes):
        return len(entry)
    if isinstance(entry, Repair):
        return 0
    return entry.size + sum(map(len, entry.fresh)) if isinstance(entry, PendingText) else len(entry.payload)
