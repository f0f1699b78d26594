"""The files that users attach to their messages. Thread-safe."""

from __future__ import annotations

import re
import secrets
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

PATH = "/playground/files"
MAX_BYTES = 25 * 1024 * 1024  # of one file
MAX_TOTAL = 256 * 1024 * 1024  # of all; the oldest give way

# What a browser may show in a page. SVG is left out: it can hold scripts.
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif")
_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")
# Control characters, slashes, and what turns the direction of writing, with which "exe.txt" looks like "txt.exe".
_ODD = re.compile(r"[\x00-\x1f\x7f/\\\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True)
class Upload:
    """Hold one file."""

    id: str
    name: str
    type: str
    data: bytes

    def attachment(self) -> dict[str, Any]:
        """Return what a message tells of it."""
        return {
            "id": self.id,
            "fileName": self.name,
            "fileType": self.type,
            "fileSize": len(self.data),
            "url": f"{PATH}/{self.id}/{quote(self.name, safe='')}",
        }


class Uploads:
    """Keep the files of this run; whoever knows a file's id may read it, as agents have to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, Upload] = {}
        self._size = 0

    def add(self, name: str, type: str, data: bytes) -> Upload:
        """Keep a file, and drop the oldest if there is no room."""
        name = _ODD.sub("_", name).strip()[-200:] or "file"
        type = type if _TYPE.fullmatch(type) else "application/octet-stream"
        upload = Upload(secrets.token_urlsafe(24), name, type, data)
        with self._lock:
            self._kept[upload.id] = upload
            self._size += len(data)
            while self._size > MAX_TOTAL:
                self._size -= len(self._kept.pop(next(iter(self._kept))).data)
        return upload

    def find(self, id: str) -> Upload | None:
        """Return a file."""
        with self._lock:
            return self._kept.get(id)
