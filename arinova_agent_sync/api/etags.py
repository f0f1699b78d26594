"""Answers that the server may say are unchanged."""

from __future__ import annotations

from threading import Lock
from typing import NamedTuple

from ..net.forks import renew_after_fork

_MOST = 128  # answers
_LARGEST = 256 * 1024  # bytes of one answer
_LONGEST_MARK = 1_024  # characters; servers refuse requests whose heads are too long


def is_usable(etag: str) -> bool:
    """Whether a server's mark can go back to it in a request."""
    return 0 < len(etag) <= _LONGEST_MARK and etag.isascii() and etag.isprintable()


class Entry(NamedTuple):
    """An answer's body and the mark by which the server knows it."""

    etag: str
    body: bytes


class ETags:
    """The latest answers by target. Thread-safe; one token's answers are never given to another."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: dict[str, Entry] = {}
        self._token = ""
        renew_after_fork(self.after_fork)

    def get(self, token: str, target: str) -> Entry | None:
        """Return what is known of a target."""
        with self._lock:
            return self._entries.get(target) if token == self._token else None

    def put(self, token: str, target: str, entry: Entry) -> None:
        """Remember an answer; the one that was stored longest ago makes room."""
        if len(entry.body) > _LARGEST:
            return
        with self._lock:
            if token == self._token:
                self._entries.pop(target, None)
                self._entries[target] = entry
                if len(self._entries) > _MOST:
                    del self._entries[next(iter(self._entries))]

    def belong_to(self, token: str) -> None:
        """Forget everything, and take answers to this token only from now on."""
        with self._lock:
            self._token = token
            self._entries.clear()

    def after_fork(self) -> None:
        """Take a new lock: the old one may be held by a thread that the child does not have."""
        self._lock = Lock()
