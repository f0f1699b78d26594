"""Attachments whose content lies beside the test, and what a handler uploads. Thread-safe."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Union
from urllib.parse import quote

from ..api.multipart import Source, mime_type_of
from ..argument_checks import text as check_text
from .transcript import Upload

Content = Union[bytes, "os.PathLike[str]"]
Attachments = Union[
    Mapping[str, Union[Content, str]], Sequence[Union[Content, str, tuple[str, Union[Content, str]]]]
]

_HOME = "https://files.example.invalid"  # a name that is never anybody's


class TaskFiles:
    """What one task's attachments hold, by URL, and its uploads.

    Args:
        attachments: paths; bytes; pairs of a name and one of these; or a dict of such pairs.

    Raises TypeError or ValueError for anything else, OSError for a file that cannot be read.
    """

    def __init__(self, attachments: Attachments) -> None:
        self._contents: dict[str, bytes | Path] = {}
        self._uploads: list[Upload] = []
        self._lock = Lock()
        self.listed: list[dict[str, object]] = []  # as the payload tells them
        for number, (name, content) in enumerate(_pairs(attachments), 1):
            url = f"{_HOME}/{number}/{quote(name)}"
            self._contents[url] = content
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            self.listed.append(
                {
                    "id": f"attachment-{number}",
                    "fileName": name,
                    "fileType": mime_type_of(name),
                    "fileSize": size,
                    "url": url,
                }
            )

    def content(self, url: str) -> bytes | None:
        """Return what lies behind a URL, None if it is none of these."""
        content = self._contents.get(url)
        return content.read_bytes() if isinstance(content, Path) else content

    def upload(self, name: str, mime_type: str, source: Source) -> Upload:
        """Keep a file that is uploaded."""
        if isinstance(source, (bytes, bytearray, memoryview)):
            content = bytes(source)
        elif isinstance(source, (str, os.PathLike)):
            content = Path(source).read_bytes()
        else:
            content = source.read()
        with self._lock:
            upload = Upload(
                name, mime_type, content, f"{_HOME}/uploads/{len(self._uploads) + 1}/{quote(name)}"
            )
            self._uploads.append(upload)
            self._contents[upload.url] = content
        return upload

    @property
    def uploads(self) -> tuple[Upload, ...]:
        """What was uploaded, in order."""
        with self._lock:
            return tuple(self._uploads)


def _pairs(attachments: object) -> Iterable[tuple[str, bytes | Path]]:
    if isinstance(attachments, Mapping):
        for name, content in attachments.items():
            yield check_text("the name of an attachment", name), _content(f"attachments[{name!r}]", content)
        return
    if isinstance(attachments, (str, bytes, os.PathLike)) or not isinstance(attachments, Sequence):
        raise TypeError(f"attachments must be a list or a dict of files, not {type(attachments).__name__}")
    for index, item in enumerate(attachments):
        where = f"attachments[{index}]"
        if isinstance(item, (tuple, list)) and len(item) == 2:
            yield check_text(f"the name in {where}", item[0]), _content(where, item[1])
        else:
            content = _content(where, item)
            yield content.name if isinstance(content, Path) else f"attachment-{index + 1}", content


def _content(where: str, content: object) -> bytes | Path:
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    if isinstance(content, (str, os.PathLike)):
        path = Path(os.fspath(content))
        if not path.is_file():
            raise FileNotFoundError(f"{where} is not a file: {path} (give the content itself as bytes)")
        return path
    raise TypeError(f"{where} must be bytes or a path, not {type(content).__name__}")
