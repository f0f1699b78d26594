"""The playground's routes: the page and its files, what users upload, and the WebSocket of every open page."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from . import uploads
from .access import HEADERS, AccessControl
from .uploads import PendingUpload

_STATIC = Path(__file__).parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_NO_TOKEN = (
    "Open the address that the playground printed when it started: it contains the token of this run.\n"
)
_WRONG_HOST = "The Host header is invalid: this server is 127.0.0.1 or localhost; --allow-host adds a name.\n"
_REFUSED = 4403  # the WebSocket close code that tells a page to give up


class Site:
    """Serve the playground.

    Args:
        access: who may come in.
        keep: takes the name, the type and the content of a file that was uploaded.
        serve_page: serves the WebSocket of an open page, which is accepted already, until it goes.
    """

    def __init__(
        self,
        *,
        access: AccessControl,
        keep: Callable[[str, str, bytes], PendingUpload],
        serve_page: Callable[[WebSocket], Awaitable[None]],
    ) -> None:
        self._access = access
        self._keep = keep
        self._serve_page = serve_page
        self._files = {
            path.relative_to(_STATIC).as_posix(): (path.read_bytes(), _TYPES[path.suffix])
            for path in sorted(_STATIC.rglob("*"))
            if path.suffix in _TYPES
        }
        self.routes: list[BaseRoute] = [
            Route("/", self._to_page),
            Route("/playground", self._to_page),
            Route("/playground/", self._page),
            Route("/playground/static/{path:path}", self._static),
            Route("/playground/upload", self._upload, methods=["POST"]),
            WebSocketRoute("/playground/live", self._live),
        ]

    async def _to_page(self, request: Request) -> Response:  # noqa: ARG002
        return RedirectResponse("/playground/", headers=HEADERS)

    async def _page(self, request: Request) -> Response:
        refusal = self._refuse(request)
        if refusal is not None:
            return refusal
        page, content_type = self._files["index.html"]
        policy = self._access.policy(request)
        headers = {**HEADERS, "content-security-policy": policy, "cache-control": "no-store"}
        response = Response(page, headers=headers, media_type=content_type)
        self._access.set_cookie_on(request, response)
        return response

    async def _static(self, request: Request) -> Response:
        if not self._access.names_this_server(request):
            return PlainTextResponse(_WRONG_HOST, 403, headers=HEADERS)
        found = self._files.get(request.path_params["path"])
        if found is None:
            return PlainTextResponse("There is no such file.\n", 404, headers=HEADERS)
        content, content_type = found
        mark = f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
        headers = {**HEADERS, "etag": mark, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == mark:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=content_type)

    async def _upload(self, request: Request) -> Response:
        refusal = self._refuse(request)
        if refusal is not None:
            return refusal
        if not self._access.has_own_origin(request):
            return PlainTextResponse("Only the playground's own page may upload.\n", 403, headers=HEADERS)
        data = bytearray()
        async for block in request.stream():
            data += block
            if len(data) > uploads.MAX_BYTES:
                limit = uploads.MAX_BYTES // (1024 * 1024)
                error = f"A file may have {limit} MiB at most."
                return JSONResponse({"error": error}, 413, headers={**HEADERS, "connection": "close"})
        name = request.query_params.get("name", "file")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        upload = self._keep(name, kind, bytes(data))
        return JSONResponse(upload.described(), 201, headers=HEADERS)

    async def _live(self, websocket: WebSocket) -> None:
        if not self._access.has_own_origin(websocket):
            await websocket.close(_REFUSED)  # before the upgrade: HTTP 403
            return
        await websocket.accept()
        if not self._access.has_token(websocket):
            await websocket.close(_REFUSED, "wrong token")
            return
        await self._serve_page(websocket)

    def _refuse(self, request: Request) -> Response | None:
        if not self._access.names_this_server(request):
            return PlainTextResponse(_WRONG_HOST, 403, headers=HEADERS)
        if not self._access.has_token(request):
            return PlainTextResponse(_NO_TOKEN, 403, headers=HEADERS)
        return None
