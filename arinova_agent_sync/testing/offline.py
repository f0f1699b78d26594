"""An HTTP client without a server: what hangs on a task works, from what the test gave. Thread-safe."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

from ..api import ArinovaClient, Budget, FilePart, failures
from ..api.fetch import MAX_BYTES, MAX_SECONDS
from ..api.multipart import Progress, Source
from ..api.records import UploadedFile
from ..api.resources.files import Files as RealFiles
from ..api.resources.files import replacing
from ..api.transport import ApiSession, Options, Request, Timeout, Transport
from ..api.values import encode, identifier
from ..argument_checks import count
from ..errors import ApiConnectionError, NotFoundError
from .task_files import TaskFiles

if TYPE_CHECKING:
    from ..api.exchange import Exchange

T = TypeVar("T")

SERVER_URL = "https://run-task.example.invalid"
TOKEN = "ari_of-a-test"
_PAGE = 50  # messages, as on the March 2026 server
_MOST = 100
_MESSAGES = re.compile(r"/api/v1/messages/([^/]+)\Z")


class OfflineClient(ArinovaClient):
    """Answers from memory what a task's own methods ask: files and the conversation's messages.

    Args:
        files: the attachments and uploads.
        messages: the conversation's, oldest first, as the server's HTTP API tells them.
    """

    def __init__(self, files: TaskFiles, messages: Sequence[Mapping[str, Any]]) -> None:
        self._use(Transport(_Session(files, messages), Options()))

    def _use(self, transport: Transport) -> None:
        # with_options() comes by here, too.
        session = cast(_Session, transport.session)
        offline = _Offline(session, transport.options)
        super()._use(offline)
        self.files = _OfflineFiles(offline, session.files)


class _Session(ApiSession):
    """What the clients share."""

    def __init__(self, files: TaskFiles, messages: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(SERVER_URL, TOKEN, "", None)
        self.files = files
        self.messages = messages


class _Answer:
    """The part of an exchange that is read of an answer."""

    def __init__(self, body: bytes) -> None:
        self.status = 200
        self.headers: Mapping[str, str] = {}
        self._body = body

    def read(self, limit: int) -> bytes:
        """Return the body."""
        return self._body[:limit]


class _Offline(Transport):
    """Sends nothing."""

    def perform(
        self,
        request: Request,
        consume: Callable[[Exchange], T],
        timeout: Timeout = None,  # noqa: ARG002
    ) -> T:
        url = urlsplit(request.target)
        if request.method != "GET" or not _MESSAGES.match(url.path):
            raise _not_sent(request.name)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        page = _page(cast(_Session, self.session).messages, query, request.name)
        return consume(cast("Exchange", _Answer(encode(page))))


class _OfflineFiles(RealFiles):
    """Keeps uploads in memory, and finds there what lies behind an attachment's URL."""

    def __init__(self, transport: Transport, files: TaskFiles) -> None:
        super().__init__(transport)
        self._files = files

    def upload(
        self,
        conversation_id: str,
        file: Source,
        *,
        file_name: str | None = None,
        mime_type: str | None = None,
        progress: Progress | bool | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> UploadedFile:
        identifier("conversation_id", conversation_id)
        part = FilePart(file, file_name, mime_type, None if isinstance(progress, bool) else progress)
        upload = self._files.upload(part.name, part.mime_type, file)
        size = len(upload.content)
        if part.progress is not None:
            part.progress(size, size)
        return UploadedFile(
            url=upload.url, file_name=upload.file_name, file_type=upload.mime_type, file_size=size
        )

    def fetch(  # type: ignore[override]
        self,
        url: str,
        path: str | os.PathLike[str] | None = None,
        *,
        max_bytes: int = MAX_BYTES,
        timeout: float = MAX_SECONDS,  # noqa: ARG002
        budget: Budget | None = None,
    ) -> bytes | Path:
        content = self._files.content(url)
        if content is None:
            raise _not_sent(f"GET {url}")
        too_much = budget is not None and not budget.spend(size=len(content))
        if too_much or len(content) > count("max_bytes", max_bytes, 0, 1 << 50):
            raise failures.too_large(f"GET {url}", 200, max_bytes)
        if path is None:
            return content
        with replacing(path) as file:
            file.write(content)
        return Path(path)


def _not_sent(name: str) -> ApiConnectionError:
    return ApiConnectionError(
        f"{name} was not sent: run_task has no server; use LocalServer for a test of this", request=name
    )


def _page(messages: Sequence[Mapping[str, Any]], query: Mapping[str, str], name: str) -> dict[str, Any]:
    limit = min(int(query.get("limit", _PAGE)), _MOST)
    places = {message["id"]: place for place, message in enumerate(messages)}
    if "around" in query:
        place = places.get(query["around"])
        if place is None:
            raise NotFoundError(f"{name} failed (404): there is no such message", status=404, request=name)
        begin = max(0, place - limit // 2)
        return {"messages": list(messages[begin : begin + limit]), "hasMore": False}
    if "after" in query:
        rest = messages[places.get(query["after"], len(messages)) + 1 :]
        return {"messages": list(rest[:limit]), "hasMore": len(rest) > limit}
    rest = messages[: places.get(query.get("before", ""), len(messages))]
    return {"messages": list(rest[-limit:]), "hasMore": len(rest) > limit}
