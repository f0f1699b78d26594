"""What one task has answered, and how its chunks are cut so that the server keeps them.

The March 2026 server takes a chunk that starts with everything received so far for the whole text sent
anew, and drops that beginning: "ha" and "ha" arrive as "ha". Other servers take each chunk as it comes. The
cut is right under both: the first chunk has two characters at least, and a chunk that starts with everything
the server has is sent in pieces too short to match.

Not thread-safe: call it under the state lock. Only the run that waits may grow beside it, under the answer's own
lock: else the threads of many handlers would queue for the state lock, a turn of the interpreter each.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from io import StringIO

from . import frames
from .jsonvalues import clean
from .streamed import Streamed

LARGEST_CHUNK = 256 * 1024  # characters: six bytes each at most, far below the server's 16 MiB a frame
_SHORTEST_FIRST = 2  # characters
_LARGE_PART = 64  # bytes
_NO_LOCK = nullcontext()


class Run:
    """Pieces of a task's answer that wait for the wire, in the order in which they were said.

    Attributes:
        parts: the pieces; those that the answer's text does not have yet may still need cleaning.
        size: their bytes, about.
        said: how many of the parts the answer's text has already.
        merged: whether they leave as one, since they waited for a connection.
        lost: whether they were dropped.
    """

    __slots__ = ("answer", "lost", "merged", "parts", "said", "size")

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.parts: list[str] = []
        self.size = 0
        self.said = 0
        self.merged = False
        self.lost = False

    def lose(self) -> None:
        """Drop the parts: they will never be written."""
        self.answer.close_run(self)
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
        lock: held while ``run`` changes or grows.
    """

    __slots__ = (
        "_held",
        "_kept",
        "_said",
        "chunk_prefix",
        "connection",
        "conversation_id",
        "gap_told",
        "lock",
        "muted",
        "run",
        "task_id",
        "written",
    )

    def __init__(
        self,
        task_id: str,
        conversation_id: str | None = None,
        connection: int = 0,
        lock: AbstractContextManager[object] = _NO_LOCK,
    ) -> None:
        self.task_id = task_id
        self.conversation_id = conversation_id
        self.connection = connection
        self.lock = lock
        self.chunk_prefix = frames.chunk_prefix(task_id)
        self.muted = False  # chunks that still wait are not written any more
        self.gap_told = False
        self.run: Run | None = None  # where the next piece goes, while it waits
        self.written = 0  # characters that the server has
        self._said = Streamed()
        self._held = ""
        self._kept: StringIO | None = None  # what the server has, once that is no beginning of what was said

    @property
    def text(self) -> str:
        """Everything that was streamed."""
        with self.lock:
            self._catch_up()
        return self._said.value()

    @property
    def has_said(self) -> bool:
        """Whether anything was streamed."""
        with self.lock:
            self._catch_up()
        return bool(self._said)

    def open_run(self) -> Run:
        """Put a new run behind what waits already."""
        with self.lock:
            self._catch_up()
            run = self.run = Run(self)
        return run

    def add(self, run: Run, text: str, size: int) -> None:
        """Put a piece of so many bytes at the end of a run."""
        with self.lock:
            run.parts.append(text)
            run.size += size

    def close_run(self, run: Run) -> None:
        """Let the next piece begin a new run: this one is written, or lost."""
        if self.run is run:
            with self.lock:
                self._catch_up()
                self.run = None

    def split(self, run: Run, most: int) -> Run:
        """Leave so many parts in a run, and return the rest of it as a run of its own."""
        with self.lock:
            self._catch_up()
            rest = Run(self)
            rest.parts = run.parts[most:]
            rest.said = len(rest.parts)
            rest.size = run.size * len(rest.parts) // (len(run.parts) or 1)
            run.size -= rest.size
            del run.parts[most:]
            if self.run is run:
                self.run = rest
        return rest

    def speak(self, text: str) -> Sequence[str]:
        """Take a clean piece that is written at once; return its chunks. Nothing may wait before it."""
        self._said.add((text,), len(text))
        return self.cut((text,))

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

    def take_back(self, chunks: Sequence[str]) -> Run:
        """Return the chunks that were written last as a run: they did not leave whole."""
        self.written -= sum(map(len, chunks))
        if self._kept is not None:
            self._kept.seek(self.written)
            self._kept.truncate()
        run = Run(self)
        run.parts = list(chunks)
        run.said = len(run.parts)
        run.size = sum(map(len, run.parts))
        return run

    def lose(self) -> None:
        """Note that text which was said will never be written."""
        if self._kept is None:
            kept = self._server_text()
            self._kept = StringIO()
            self._kept.write(kept)

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
            if 0 < self.written <= len(text) and text.startswith(self._server_text()):
                chunk = text[: self.written - 1]
            self._write(chunk)
            chunks.append(chunk)
            text = text[len(chunk) :]
        return chunks

    def _catch_up(self) -> None:
        run = self.run
        if run is not None and run.said < len(run.parts):
            fresh = run.parts[run.said :] if run.said else run.parts
            # Small ones are looked at together: a part that needs cleaning is rare.
            texts = ["".join(fresh)] if run.size < _LARGE_PART * len(fresh) else fresh
            if any(clean(text) != text for text in texts):
                texts = [part for part in map(clean, fresh) if part]
                run.parts[run.said :] = texts
            self._said.add(texts, run.size)
            run.said = len(run.parts)

    def _write(self, text: str) -> None:
        self.written += len(text)
        if self._kept is not None:
            self._kept.write(text)

    def _server_text(self) -> str:
        if self._kept is not None:
            return self._kept.getvalue()
        return self._said.value()[: self.written]
