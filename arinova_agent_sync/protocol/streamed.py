"""All the text of one answer so far, kept small. Not thread-safe."""

from __future__ import annotations

from collections.abc import Sequence

_RECENT = 512  # texts that are kept as they came, at most about
_BLOCK = 64 * 1024  # characters of these, at most about


class Streamed:
    """Collect text. A task may stream for hours, so it is held as UTF-8, whatever characters it has."""

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
