"""Files: upload, list, download."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, overload

from ...argument_checks import count
from ...net.forks import importing
from ..fetch import MAX_BYTES, MAX_SECONDS, Budget, absolute, fetch
from ..multipart import FilePart, Form, Progress, Source
from ..pages import Pages
from ..records import UploadedFile
from ..routes import route
from ..transport import RedirectedAway
from ..values import JSONObject, identifier, limit_of, number, optional
from .resource import AUGUST, Resource

if TYPE_CHECKING:
    from ..exchange import Exchange

StrPath = str | os.PathLike[str]
_NO_LIMIT = 1 << 50  # bytes


class Files(Resource):
    """Files that were uploaded to the server."""

    def upload(
        self,
        conversation_id: str,
        file: Source,
        *,
        file_name: str | None = None,
        mime_type: str | None = None,
        progress: Progress | bool | None = None,
        timeout: float | None = None,
    ) -> UploadedFile:
        """Upload a file, without reading it into memory. It is never sent twice.

        The March 2026 server takes files a little below 10 MiB and refuses programs and scripts by their MIME
        type. No message appears by this alone: put the url into one.

        Args:
            conversation_id: the conversation that the file is for.
            file: bytes, the path of a file, or an open binary file, read from where it stands.
            file_name: by default that of the path or the open file; bytes need one.
            mime_type: by default what the standard library makes of the name, else application/octet-stream.
            progress: called with the bytes sent and the bytes in all; or True for a bar, if standard error is a
                terminal and rich is installed.
            timeout: seconds for the whole call; 30 by default, which a large file may need more than.

        Returns what the server made of it; url is absolute.

        Raises TypeError or ValueError for a wrong argument, OSError for a file that cannot be read, ApiError.

            uploaded = client.files.upload(conversation_id, "plot.png")
            client.messages.send(conversation_id, f"![]({uploaded.url})")
        """
        identifier("conversation_id", conversation_id)
        part = FilePart(file, file_name, mime_type)
        with progress_bar(progress, part.name) as part.progress:
            fields: dict[str, str | FilePart] = {"conversationId": conversation_id, "file": part}
            with Form(fields) as form:
                answer = self._transport.json("POST", route("/files/upload"), form=form, timeout=timeout)
        return replace(answer, value=self._with_whole_url(answer.object())).model(UploadedFile)

    def list(
        self,
        *,
        source_type: str | None = None,
        source_type_prefix: str | None = None,
        content_type_prefix: str | None = None,
        search: str | None = None,
        conversation_id: str | None = None,
        folder_id: str | None = None,
        sort: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        timeout: float | None = None,
    ) -> Pages[JSONObject]:
        """List files (GET /files, August 2026 on).

        Args:
            source_type, source_type_prefix, content_type_prefix, search, conversation_id, folder_id: only files
                like that.
            sort: the server's name of an order.
            limit: files per page.
            offset: how many to skip.
            timeout: seconds per page.
        """
        return self._offset_pages(
            route("/files"),
            lambda answer: answer.objects("files"),
            params={
                "source_type": optional("source_type", source_type),
                "source_type_prefix": optional("source_type_prefix", source_type_prefix),
                "content_type_prefix": optional("content_type_prefix", content_type_prefix),
                "search": optional("search", search),
                "conversation_id": optional("conversation_id", conversation_id),
                "folder_id": optional("folder_id", folder_id),
                "sort": optional("sort", sort),
            },
            limit=limit_of(limit),
            offset=number("offset", offset),
            timeout=timeout,
            since=AUGUST,
        )

    def get(self, file_id: str, *, timeout: float | None = None) -> JSONObject:
        """Return what the server knows of a file (GET /files/{id}, August 2026 on)."""
        path = route("/files/{file_id}", file_id=file_id)
        return self._transport.json("GET", path, since=AUGUST, timeout=timeout).object()

    def rename(self, file_id: str, file_name: str, *, timeout: float | None = None) -> JSONObject:
        """Rename a file and return it (PATCH /files/{id}, August 2026 on)."""
        path = route("/files/{file_id}", file_id=file_id)
        body = {"fileName": identifier("file_name", file_name)}
        return self._transport.json("PATCH", path, json=body, since=AUGUST, timeout=timeout).object()

    def delete(self, file_id: str, *, timeout: float | None = None) -> None:
        """Delete a file (DELETE /files/{id}, August 2026 on)."""
        path = route("/files/{file_id}", file_id=file_id)
        self._transport.json("DELETE", path, since=AUGUST, timeout=timeout)

    def url(self, file_id: str, *, timeout: float | None = None) -> JSONObject:
        """Make a temporary URL for a file (POST /files/{id}/url, August 2026 on)."""
        path = route("/files/{file_id}/url", file_id=file_id)
        made = self._transport.json("POST", path, since=AUGUST, timeout=timeout).object()
        return self._with_whole_url(made)

    def usage(self, *, timeout: float | None = None) -> JSONObject:
        """Return how much of the quota is used (GET /files/usage, August 2026 on)."""
        return self._transport.json("GET", route("/files/usage"), since=AUGUST, timeout=timeout).object()

    @overload
    def download(
        self,
        file_id: str,
        path: None = None,
        *,
        max_bytes: int | None = None,
        progress: Progress | bool | None = None,
        timeout: float | None = None,
    ) -> bytes: ...

    @overload
    def download(
        self,
        file_id: str,
        path: StrPath,
        *,
        max_bytes: int | None = None,
        progress: Progress | bool | None = None,
        timeout: float | None = None,
    ) -> Path: ...

    def download(
        self,
        file_id: str,
        path: StrPath | None = None,
        *,
        max_bytes: int | None = None,
        progress: Progress | bool | None = None,
        timeout: float | None = None,
    ) -> bytes | Path:
        """Download a file (GET /files/{id}/content, August 2026 on).

        Where the server redirects to a storage elsewhere, the token stays here.

        Args:
            file_id: which file.
            path: where to save it, whole or not at all; None for memory.
            max_bytes: the most it may have; by default the client's max_response_bytes in memory, and as many as
                come in a file.
            progress: called with the bytes that came and the bytes in all (0 if the server does not say); or True
                for a bar, if standard error is a terminal and rich is installed.
            timeout: seconds for the whole call.

        Returns the content, or the path where there is one.

        Raises ApiError, or OSError for a path that cannot be written.
        """
        request = self._transport.prepare(
            "GET", route("/files/{file_id}/content", file_id=file_id), since=AUGUST
        )
        request = replace(request, headers={"Accept": "*/*", "Accept-Encoding": "identity"})
        default = self._transport.options.max_response_bytes if path is None else _NO_LIMIT
        limit = default if max_bytes is None else count("max_bytes", max_bytes, 0, _NO_LIMIT)
        deadline = self._transport.deadline(timeout)
        session = self._transport.session
        with progress_bar(progress, request.name) as tell, _opened(path) as file:

            def write(block: bytes, total: int = 0) -> None:
                file.write(block)
                if tell is not None:
                    tell(file.tell(), total)

            def consume(exchange: Exchange) -> None:
                _empty(file)  # an earlier try may have come half way
                total = exchange.size
                for block in exchange.blocks(limit):
                    write(block, total)

            try:
                self._transport.perform(request, consume, deadline)
            except RedirectedAway as away:
                _empty(file)
                fetch(
                    away.location,
                    base_url=session.server_url,
                    proxy=session.proxy,
                    ssl_context=session.ssl_context,
                    max_bytes=limit,
                    timeout=max(deadline.left(inf), 0.001),
                    sink=write,
                )
            return Path(path) if path is not None else _content(file)

    @overload
    def fetch(
        self,
        url: str,
        path: None = None,
        *,
        max_bytes: int = MAX_BYTES,
        timeout: float = MAX_SECONDS,
        budget: Budget | None = None,
    ) -> bytes: ...

    @overload
    def fetch(
        self,
        url: str,
        path: StrPath,
        *,
        max_bytes: int = MAX_BYTES,
        timeout: float = MAX_SECONDS,
        budget: Budget | None = None,
    ) -> Path: ...

    def fetch(
        self,
        url: str,
        path: StrPath | None = None,
        *,
        max_bytes: int = MAX_BYTES,
        timeout: float = MAX_SECONDS,
        budget: Budget | None = None,
    ) -> bytes | Path:
        """Get the content behind an attachment's URL: of the public internet, or of the server itself.

        Args:
            url: absolute, or relative to the server.
            path: where to save it, whole or not at all; None for memory.
            max_bytes: the most it may have, 50 MiB by default.
            timeout: seconds for everything.
            budget: bytes and seconds that several fetches share.

        Returns the content, or the path where there is one.

        Raises ApiError, also for a host with an address that is not public; OSError for a path that cannot be
        written.
        """
        session = self._transport.session
        with _opened(path) as file:
            fetch(
                url,
                base_url=session.server_url,
                token=session.token,
                proxy=session.proxy,
                ssl_context=session.ssl_context,
                max_bytes=max_bytes,
                timeout=timeout,
                budget=budget,
                sink=file.write,
            )
            return Path(path) if path is not None else _content(file)

    def _with_whole_url(self, file: JSONObject) -> JSONObject:
        url = file.get("url")
        if not isinstance(url, str) or not url:
            return file
        try:
            return {**file, "url": absolute(url, self._transport.session.server_url)}
        except ValueError:  # no URL: the file is there all the same
            return file


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` at the end of the block, and is removed if the block fails."""
    target = Path(path)
    # Beside the target: os.replace() is atomic within one file system only. Not by tempfile, whose files are
    # for their owner alone.
    part = target.with_name(f".{target.name[:50]}.{os.urandom(6).hex()}.part")
    try:
        with open(part, "xb") as file:
            yield file
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def progress_bar(wanted: Progress | bool | None, title: str) -> Iterator[Progress | None]:
    """Yield what to call with the bytes done and the bytes in all.

    Args:
        wanted: a function, which is yielded as it is; True for a bar on standard error, which is drawn only if that
            is a terminal and the package rich is installed; False or None for nothing.
        title: what the bar says.
    """
    if callable(wanted):
        yield wanted
        return
    if wanted is not None and not isinstance(wanted, bool):
        raise TypeError(f"progress must be a function or True, not {type(wanted).__name__}")
    # A program without a console, such as one of pythonw, has no standard error.
    if not wanted or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    try:
        with importing():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
            from rich.progress import Progress as Bar
    except ImportError:
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def _opened(path: StrPath | None) -> Iterator[BinaryIO]:
    if path is None:
        yield io.BytesIO()
    else:
        with replacing(path) as file:
            yield file


def _empty(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def _content(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
