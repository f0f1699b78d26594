"""The text streamed for one task, and the March 2026 server's guess about its chunks. Not thread-safe."""

from __future__ import annotations


class Streamed:
    """Collect the pieces that members saw, in order."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.length = 0  # characters

    @property
    def text(self) -> str:
        """Everything streamed so far."""
        return "".join(self.pieces)

    def new_part(self, chunk: str) -> str:
        """Return what the March 2026 server would show of a chunk.

        A chunk that starts with everything streamed so far counts as the whole answer sent once more, of
        which only the rest is new. The guess is made for each chunk anew, and wrong for a delta that happens
        to begin like the answer: ``=`` after ``=`` is lost.
        """
        if 0 < self.length <= len(chunk) and chunk.startswith(self.text):
            return chunk[self.length :]
        return chunk

    def append(self, piece: str) -> None:
        """Add a piece as it is."""
        if piece:
            self.pieces.append(piece)
            self.length += len(piece)
