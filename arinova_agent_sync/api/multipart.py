"""Forms with files, sent as a stream: no file is read into memory."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import BinaryIO, Union, cast

from ..net.forks import importing
from ..protocol.json_values import clean
from .values import identifier

Source = Union[bytes, bytearray, memoryview, str, "os.PathLike[str]", BinaryIO]
Progress = Callable[[int, int], object]

_BLOCK = 64 * 1024  # bytes
_UNKNOWN_TYPE = "application/octet-stream"
_PACKED_TYPES = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
_MIME_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(;[ -~]*)?", re.ASCII)


class FilePart:
    """A file for a form: bytes, the path of a file, or an open binary file, which is read from where it stands.

    Args:
        source: the content. A file that cannot tell its size, such as a pipe, is copied to a temporary one first.
        name: the file's name; by default that of the path or the open file.
        mime_type: by default what the standard library makes of the name, else application/octet-stream.
        progress: called after each block of 64 KiB with the bytes that were sent, and with all there are.

    Raises TypeError for another source, ValueError for a content without a name.
    """

    def __init__(
        self,
        source: Source,
        name: str | None = None,
        mime_type: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        _check_source(source)
        self.source = source
        self.name = identifier("the name of a file", name if name is not None else _name_of(source))
        self.mime_type = mime_type_of(self.name) if mime_type is None else mime_type
        if not _MIME_TYPE.fullmatch(identifier("mime_type", self.mime_type)):
            raise ValueError(f"mime_type must be like image/png, not {mime_type!r}")
        if progress is not None and not callable(progress):
            raise TypeError("progress must be a function of the bytes sent and the bytes in all")
        self.progress = progress


def _check_source(source: object) -> None:
    if isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview)):
        return
    if isinstance(source, io.TextIOBase):
        raise TypeError("the file is open in text mode; open it in binary mode, as by open(path, 'rb')")
    if not callable(getattr(source, "read", None)):
        raise TypeError(f"a file must be bytes, a path or an open binary file, not {type(source).__name__}")


def _name_of(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.path.basename(os.fspath(source))
    if isinstance(source, (bytes, bytearray, memoryview)):
        raise ValueError("bytes need a name: pass file_name=")
    name = getattr(source, "name", None)
    if not isinstance(name, str) or not name:
        raise ValueError("this file has no name of its own: pass file_name=")
    return os.path.basename(name)


def mime_type_of(name: str) -> str:
    """Return the MIME type for a file's name."""
    with importing():
        from mimetypes import guess_type  # it reads the system's tables

    # The endings alone: guess_type() takes a name for a URL, and raises for some from Python 3.13 on.
    kind, packing = guess_type("file" + "".join(PurePosixPath(name).suffixes[-2:]))
    if packing is not None:
        # guess_type() calls "a.tar.gz" a tar archive, and says apart that it is packed.
        return _PACKED_TYPES.get(packing, _UNKNOWN_TYPE)
    return kind or _UNKNOWN_TYPE


class Form:
    """A body of the type multipart/form-data; a context manager that opens and closes its files.

    Attributes:
        content_type: with the boundary.
        size: bytes of the whole body.
    """

    def __init__(self, fields: Mapping[str, str | FilePart]) -> None:
        """Open the files.

        Args:
            fields: texts and files by name, sent in this order.

        Raises TypeError for other values, OSError for a file that does not open.
        """
        boundary = os.urandom(16).hex()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._end = f"--{boundary}--\r\n".encode()
        self._parts: list[tuple[bytes, _Content]] = []
        self._files = ExitStack()
        try:
            for name, value in fields.items():
                head = f"--{boundary}\r\n{_disposition(name, value)}\r\n\r\n".encode()
                self._parts.append((head, _content(value, self._files)))
        except BaseException:
            self._files.close()
            raise
        self.size = len(self._end) + sum(len(head) + content.size + 2 for head, content in self._parts)

    def __enter__(self) -> Form:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def blocks(self) -> Iterator[bytes]:
        """Yield the body from its beginning; raise OSError or EOFError if a file cannot be read as announced."""
        for head, content in self._parts:
            yield head
            yield from content.blocks()
            yield b"\r\n"
        yield self._end


class _Content:
    """What one part of a form holds, of a size that is known before it is read."""

    def __init__(self, file: BinaryIO, size: int, progress: Progress | None) -> None:
        self.size = size
        self._file = file
        self._start = file.tell()
        self._progress = progress

    def blocks(self) -> Iterator[bytes]:
        sent = 0
        self._file.seek(self._start)
        while sent < self.size:
            block = self._file.read(min(_BLOCK, self.size - sent))
            if isinstance(block, str):
                raise TypeError("the file returned str; open it in binary mode, as by open(path, 'rb')")
            if not block:
                raise EOFError(f"the file ended after {sent} of {self.size} bytes")
            yield block
            sent += len(block)
            self._tell(sent)
        if not sent:
            self._tell(0)

    def _tell(self, sent: int) -> None:
        if self._progress is not None:
            self._progress(sent, self.size)


def _content(value: str | FilePart, files: ExitStack) -> _Content:
    if not isinstance(value, FilePart):
        data = clean(value).encode()
        return _Content(io.BytesIO(data), len(data), None)
    source = value.source
    if isinstance(source, (bytes, bytearray, memoryview)):
        # BytesIO shares a bytes object and copies the others, which may change while they are sent.
        file: BinaryIO = io.BytesIO(source)
    elif isinstance(source, (str, os.PathLike)):
        file = files.enter_context(open(source, "rb"))  # noqa: SIM115
    else:
        file = source
    if not _is_seekable(file):
        file = _spooled(file, files)
    start = file.tell()
    size = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    return _Content(file, size, value.progress)


def _is_seekable(file: BinaryIO) -> bool:
    seekable = getattr(file, "seekable", None)
    return bool(seekable is not None and seekable())


def _spooled(file: BinaryIO, files: ExitStack) -> BinaryIO:
    with importing():
        import shutil
        import tempfile

    copy = cast(BinaryIO, files.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115
    shutil.copyfileobj(file, copy, _BLOCK)
    copy.seek(0)
    return copy


def _disposition(name: str, value: str | FilePart) -> str:
    head = f'Content-Disposition: form-data; name="{quoted(identifier("a name in form", name))}"'
    if isinstance(value, FilePart):
        return f'{head}; filename="{quoted(value.name)}"\r\nContent-Type: {value.mime_type}'
    if not isinstance(value, str):
        raise TypeError(f"form[{name!r}] must be str or FilePart, not {type(value).__name__}")
    return head


def quoted(name: str) -> str:
    """Return a name for a part's head the way browsers send it: UTF-8, with three characters percent-encoded."""
    return clean(name).replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
