"""Files that came with a task, and what they may be fetched from."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .net.forks import importing

if TYPE_CHECKING:
    from .api import ArinovaClient, Budget

MAX_BYTES = 50 * 1024 * 1024  # of one attachment
MAX_SECONDS = 30.0


class AttachmentSource:
    """What the attachments of one task share: the client, and a budget of 64 MiB and 30 seconds. Thread-safe."""

    def __init__(self, api: Callable[[], ArinovaClient]) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._budget: Budget | None = None

    def fetch(
        self, url: str, path: str | os.PathLike[str] | None, max_bytes: int, timeout: float
    ) -> bytes | Path:
        """Return the content of a URL, or where it was saved."""
        with importing():  # here: an agent that never uses HTTP loads none of it
            from .api import Budget

        with self._lock:
            if self._budget is None:
                self._budget = Budget()
        files = self._api().files
        if path is None:
            return files.fetch(url, max_bytes=max_bytes, timeout=timeout, budget=self._budget)
        return files.fetch(url, path, max_bytes=max_bytes, timeout=timeout, budget=self._budget)


@dataclass(frozen=True)
class Attachment:
    """A file that came with the conversation's latest user message; file_size is in bytes."""

    id: str
    file_name: str
    file_type: str
    file_size: int
    url: str
    _source: AttachmentSource | None = field(default=None, repr=False, compare=False)

    def __copy__(self) -> Attachment:
        return self  # it is frozen, and its source is shared

    def __deepcopy__(self, memo: object) -> Attachment:
        return self

    def __getstate__(self) -> dict[str, object]:
        # In another process there is no client that speaks for the agent: the file's description goes alone.
        return {**self.__dict__, "_source": None}

    def read(self, *, max_bytes: int = MAX_BYTES, timeout: float = MAX_SECONDS) -> bytes:
        """Return the content.

        Args:
            max_bytes: the most that it may have, 50 MiB by default.
            timeout: seconds for all of it.

        Only public http(s) addresses and the server itself are asked, redirects included. All attachments of a
        task together may have 64 MiB and take 30 seconds.

        Raises ApiError for another address, too large a content, or a status that is no success.
        """
        content = self._fetch(None, max_bytes, timeout)
        return content if isinstance(content, bytes) else b""

    def save(
        self, path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES, timeout: float = MAX_SECONDS
    ) -> Path:
        """Save the content, whole or not at all, and return the path; otherwise as ``read``."""
        self._fetch(path, max_bytes, timeout)
        return Path(path)

    def _fetch(self, path: str | os.PathLike[str] | None, max_bytes: int, timeout: float) -> bytes | Path:
        if self._source is None:
            raise ValueError(
                "this attachment came with no task, or was pickled; fetch its url with ArinovaClient.files.fetch()"
            )
        return self._source.fetch(self.url, path, max_bytes, timeout)
