"""What one task has answered, and how its chunks are cut so that the server keeps them.

The March 2026 server takes a chunk that starts with everything received so far for the whole text sent
anew, and drops that beginning: "ha" and "ha" arrive as "ha". Other servers take each chunk as it comes. The
cut is right under both: the first chunk has two characters at least, and a chunk that starts with everything
the server has is sent in pieces too short to match.

Not thread-safe: call it under the state lock, all but what ``PendingText`` says of its ``fresh`` pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from . import frames
from .json_values import clean, whole

LARGEST_CHUNK = 256 * 1024  # characters: six bytes each at most, far below the server's 16 MiB a frame
_SHORTEST_FIRST = 2  # characters
_LARGE_PIECE = 64  # characters
_RECENT = 512  # texts that are kept as they came, at most about
_BLOCK = 64 * 1024  # characters of these, at most about


class StreamedText:
    """All the text of one answer so far, kept small.

    A task may stream for hours, so it is held as UTF-8, whatever characters it has.
    """

    __slots__ = ("_blocks", "_recent", "_size")

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._recent: list[str] = []
        self._size = 0  # characters of the recent ones

    def add(self, texts: Sequence[str], size: int) -> None:
        """Append clean texts that have so many characters, about."""
        self._recent += texts
        self._size += size
        if self._size >= _BLOCK or len(self._recent) >= _RECENT:
            self._pack()

    def value(self) -> str:
        """Return the whole text."""
        if not self._blocks:
            return "".join(self._recent)
        self._pack()
        return b"".join(self._blocks).decode()

    def _pack(self) -> None:
        # Each for itself: in a joined text one wide character would make all of them wide.
        self._blocks.append(b"".join([recent.encode() for recent in self._recent]))
        self._recent.clear()
        self._size = 0


class PendingText:
    """Pieces of a task's answer that wait for the wire, in the order in which they were said.

    A lock for each piece would cost as much as the piece. So any thread may append to ``fresh`` while this is
    the answer's open pending text, and looks afterwards whether it still is; and whoever closes it says so first
    and takes the fresh pieces then. A piece that came in between is found by its sender, who puts it elsewhere.

    Attributes:
        parts: the pieces, clean; they are in the answer's text.
        fresh: those behind them, as they came. Never another list.
        size: bytes of the parts, about.
        merged: whether they leave as one, since they waited for a connection.
        lost: whether they were dropped.
    """

    __slots__ = ("answer", "fresh", "lost", "merged", "parts", "size")

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.parts: list[str] = []
        self.fresh: list[str] = []
        self.size = 0
        self.merged = False
        self.lost = False

    def take_fresh(self) -> list[str]:
        """Remove and return the fresh pieces; one that comes meanwhile stays."""
        pieces = self.fresh[:]
        del self.fresh[: len(pieces)]
        return pieces

    def lose(self) -> None:
        """Drop the parts: they will never be written."""
        self.answer.close_pending(self)
        self.answer.lose()
        self.lost = True
        self.parts = []
        self.size = 0


class Answer:
    """The text that one task has streamed, and how much of it was written to the wire.

    Args:
        task_id: the task's.
        conversation_id: its conversation's, if it has one.
        connection: the number of the connection that the task came on.
    """

    __slots__ = (
        "_held",
        "_kept",
        "_said",
        "chunk_prefix",
        "connection",
        "conversation_id",
        "gap_told",
        "half",
        "muted",
        "patience",
        "pending",
        "proven",
        "task_id",
        "written",
    )

    def __init__(self, task_id: str, conversation_id: str | None = None, connection: int = 0) -> None:
        self.task_id = task_id
        self.conversation_id = conversation_id
        self.connection = connection
        self.chunk_prefix = b""  # made with the first chunk: many tasks may wait
        self.muted = False  # chunks that still wait are not written any more
        self.gap_told = False
        self.pending: PendingText | None = None  # where the next piece goes, while it waits
        self.patience = 0  # how many fresh pieces may wait there for another to be just appended
        self.written = 0  # characters that the server has, unless a connection swallowed some
        self.proven = 0  # of these, which a pong has proven; or told as lost
        self._said: StreamedText | None = None  # made with the first piece: many tasks may wait
        self._held = ""
        self.half = ""  # of a character whose other half has not come yet
        self._kept: StringIO | None = None  # what the server has, once that is no beginning of what was said

    def make_prefix(self) -> bytes:
        """Return what stands before the text in each chunk's frame, and keep it."""
        self.chunk_prefix = frames.chunk_prefix(self.task_id)
        return self.chunk_prefix

    @property
    def text(self) -> str:
        """Everything that was streamed."""
        if self.pending is not None:
            self._take_in(self.pending)
        return "" if self._said is None else self._said.value()

    @property
    def has_said(self) -> bool:
        """Whether anything was streamed."""
        self.catch_up()
        return self._said is not None or bool(self.half)

    @property
    def in_doubt(self) -> bool:
        """Whether text was written that matters and that a lost connection may have swallowed."""
        return self.written > self.proven and not self.muted

    def open_pending(self) -> PendingText:
        """Put a new pending text behind what waits already."""
        self.close_pending()
        pending = self.pending = PendingText(self)
        return pending

    def whole(self, text: str) -> str:
        """Return what can be said of a piece, clean: a character that two pieces split goes with the second."""
        text, self.half = whole(self.half + text)
        return text

    def take_half(self) -> str:
        """Return what stands for the half of a character whose other half will not come, if there is one."""
        half, self.half = self.half, ""
        return clean(half)

    def add(self, pending: PendingText, text: str, size: int) -> None:
        """Put a clean piece of so many bytes at the end of the open pending text."""
        held = self.half
        self.catch_up()
        if self.half and not held:  # what has just been taken in ended with one
            text = self.whole(text)
        pending.parts.append(text)
        pending.size += size
        self._say((text,), len(text))

    def catch_up(self) -> None:
        """Take the fresh pieces in."""
        if self.pending is not None:
            self._take_in(self.pending)

    def close_pending(self, pending: PendingText | None = None) -> None:
        """Let the next piece begin a new pending text, if the open one is the given one, or whatever it is."""
        open_pending = self.pending
        if open_pending is not None and (pending is None or pending is open_pending):
            self.pending = None
            self._take_in(open_pending)

    def split(self, pending: PendingText, most: int) -> PendingText:
        """Leave so many parts in a pending text, and return the rest of it as one of its own."""
        was_open = self.pending is pending
        self.close_pending(pending)
        rest = PendingText(self)
        rest.parts = pending.parts[most:]
        rest.size = pending.size * len(rest.parts) // (len(pending.parts) or 1)
        pending.size -= rest.size
        del pending.parts[most:]
        if was_open:
            self.pending = rest
        return rest

    def speak(self, text: str) -> Sequence[str]:
        """Take a clean piece that is written at once; return its chunks. Nothing may wait before it."""
        texts, size = (text,), len(text)
        if self._said is None:
            self._said = StreamedText()
        self._said.add(texts, size)
        # As in cut(), which a chunk nearly never needs.
        is_whole_first = not self.written and size >= _SHORTEST_FIRST and not self._held
        if self._kept is None and (size < self.written or is_whole_first):
            self.written += size
            return texts
        return self.cut(texts)

    def cut(self, texts: Sequence[str]) -> Sequence[str]:
        """Return the chunks to write for these pieces, and count them as written."""
        size = sum(map(len, texts))
        # Too short to be taken for the whole text, all of them, or one by one.
        if self._kept is None and (size < self.written or max(map(len, texts)) < self.written):
            self.written += size
            return texts
        chunks: list[str] = []
        for text in texts:
            chunks += self._cut(text)
        return chunks

    def take_back(self, chunks: Sequence[str]) -> PendingText:
        """Return the chunks that were written last as a pending text: they did not leave whole."""
        self.written -= sum(map(len, chunks))
        if self._kept is not None:
            self._kept.seek(self.written)
            self._kept.truncate()
        pending = PendingText(self)
        pending.parts = list(chunks)
        pending.size = sum(map(len, pending.parts))
        return pending

    def lose(self) -> None:
        """Note that text which was said will never be written."""
        if self._kept is None:
            kept = self.server_text()
            self._kept = StringIO()
            self._kept.write(kept)

    def server_text(self) -> str:
        """Return what was written: all that the server can have."""
        if self._kept is not None:
            return self._kept.getvalue()
        return "" if self._said is None else self._said.value()[: self.written]

    def _cut(self, text: str) -> list[str]:
        if self.written == 0:
            text = self._held + text
            self._held = ""
            if len(text) < _SHORTEST_FIRST:
                self._held = text
                return []
        chunks = []
        while text:
            chunk = text
            if 0 < self.written <= len(text) and text.startswith(self.server_text()):
                chunk = text[: self.written - 1]
            self._write(chunk)
            chunks.append(chunk)
            text = text[len(chunk) :]
        return chunks

    def _take_in(self, pending: PendingText) -> None:
        """Make the fresh pieces of a pending text parts of it."""
        fresh = pending.take_fresh()
        if not fresh:
            return
        # One that needs cleaning is rare. Small ones are looked at together; in a long text one wide character
        # would make all of them wide.
        texts = ["".join(fresh)] if len(fresh[0]) < _LARGE_PIECE else fresh
        suspects = [text for text in texts if "\0" in text or not text.isascii()]
        if self.half or any(clean(text) != text for text in suspects):
            texts = fresh = [piece for piece in map(self.whole, fresh) if piece]
        size = sum(map(len, texts))
        pending.parts += fresh
        pending.size += size
        if texts:
            self._say(texts, size)

    def _say(self, texts: Sequence[str], size: int) -> None:
        if self._said is None:
            self._said = StreamedText()
        self._said.add(texts, size)

    def _write(self, text: str) -> None:
        self.written += len(text)
        if self._kept is not None:
            self._kept.write(text)
