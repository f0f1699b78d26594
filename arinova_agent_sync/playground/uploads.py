"""The files that users attach to their messages: in memory until they are sent, the server's then. Thread-safe."""

from __future__ import annotations

import re
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..local import LocalServer
from ..local.rest.files import add_file
from ..local.rest.store import Store

MAX_BYTES = 25 * 1024 * 1024  # of one file
MAX_UNSENT = 128 * 1024 * 1024  # of all that wait to be sent; the oldest give way
MAX_SENT = 256 * 1024 * 1024  # of all that the server keeps; the oldest give way

_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
# Control characters, slashes, and what turns the direction of writing, with which "exe.txt" looks like "txt.exe".
_ODD = re.compile(r"[\x00-\x1f\x7f/\\\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True)
class PendingUpload:
    """Hold one file that was not sent yet."""

    id: str
    name: str
    type: str
    data: bytes

    def described(self) -> dict[str, Any]:
        """Return what the page that uploaded it is told."""
        return {"id": self.id, "fileName": self.name, "fileType": self.type, "fileSize": len(self.data)}


class Uploads:
    """Take files, and give them to the server with the message that they hang on.

    A file that is never sent ends with this object, or when newer ones need its room.

    Args:
        server: whose chat the messages are sent in.
    """

    def __init__(self, server: LocalServer) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._unsent: dict[str, PendingUpload] = {}  # by id, oldest first
        self._size = 0

    def add(self, name: str, type: str, data: bytes) -> PendingUpload:
        """Take a file, and drop the oldest if there is no room."""
        name = _ODD.sub("_", name).strip()[-200:] or "file"
        type = type if _TYPE.fullmatch(type) else "application/octet-stream"
        upload = PendingUpload(secrets.token_urlsafe(24), name, type, data)
        with self._lock:
            self._unsent[upload.id] = upload
            self._size += len(data)
            while self._size > MAX_UNSENT:
                self._drop(next(iter(self._unsent)))
        return upload

    @contextmanager
    def sent(self, ids: Sequence[str], conversation_id: str) -> Iterator[list[dict[str, Any]]]:
        """Give files to the server and yield what a message tells of them; they are taken back if it fails inside.

        Raises ValueError if one is not there any more, or the server cannot keep them.
        """
        with self._lock:
            uploads = [self._unsent[each] for each in dict.fromkeys(ids) if each in self._unsent]
        if len(uploads) < len(set(ids)):
            raise ValueError("an attached file is gone; attach it again")
        store = self._server.store
        try:
            with store.transaction():
                kept = [
                    add_file(store, each.data, each.name, each.type, conversation_id, None)
                    for each in uploads
                ]
                shrink(store, MAX_SENT)
        except sqlite3.Error as error:
            raise ValueError(f"the attached files cannot be kept: {error}") from error
        try:
            yield [{**each, "url": self._server.url + each["url"]} for each in kept]
        except BaseException:
            for each in kept:
                store.run("DELETE FROM files WHERE id = ?", each["id"])
            raise
        with self._lock:
            for upload in uploads:
                self._drop(upload.id)

    def _drop(self, id: str) -> None:
        if (upload := self._unsent.pop(id, None)) is not None:
            self._size -= len(upload.data)


def shrink(store: Store, most_bytes: int) -> None:
    """Drop the oldest of the users' files until all of theirs together have so many bytes at most."""
    store.run(
        "DELETE FROM files WHERE id IN (SELECT id FROM (SELECT id, sum(file_size)"
        " OVER (ORDER BY rowid DESC) AS size FROM files WHERE agent_id IS NULL) WHERE size > ?)",
        most_bytes,
    )


def users_urls(store: Store) -> set[str]:
    """Return the URLs of the users' files."""
    return {row["url"] for row in store.rows("SELECT url FROM files WHERE agent_id IS NULL")}
