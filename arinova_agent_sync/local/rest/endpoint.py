"""What happens around the functions of the routes: who asks, what goes wrong on purpose, what is done only once.

No lock of its own; belongs to the event loop's thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .exchange import ApiRequest, Refused, answer, empty, error, refuse

if TYPE_CHECKING:
    from ..hub import Hub

logger = logging.getLogger("arinova_agent_sync.local")

Handler = Callable[[ApiRequest], "Response | Awaitable[Response]"]

_READS = ("GET", "HEAD")


class Endpoint:
    """Answer the requests for one path; an ASGI application for a Starlette route.

    Args:
        handlers: what answers, by method.
        etag: whether the August 2026 server marks its answers, and sends none that the client has.
        public: whether no token is asked for.
    """

    def __init__(self, handlers: Mapping[str, Handler], etag: bool = False, public: bool = False) -> None:
        self.handlers = dict(handlers)
        if "GET" in handlers:
            self.handlers["HEAD"] = handlers["GET"]
        self._etag = etag
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        handler = self.handlers.get(scope["method"])
        if handler is None:
            allowed = {"allow": ",".join(sorted(self.handlers))}
            await Response(status_code=405, headers=allowed)(scope, receive, send)
            return
        hub: Hub = scope["app"].state.hub
        request = ApiRequest(scope, receive, hub)
        if scope["method"] not in _READS:
            try:
                await request.collect(hub.chat.rules.max_file_size)
            except ClientDisconnect:
                return  # half a request is not to be carried out
        board, path = hub.board, scope["path"]
        agent_id = request.caller.agent_id if request.caller is not None else None
        if (slow := board.use("http-slow", agent_id, path)) is not None:
            await asyncio.sleep(slow.parameters["seconds"])
        if (broken := board.use("http-error", agent_id, path)) is not None:
            await _failure(**broken.parameters)(scope, receive, send)
        elif (dropped := board.use("http-drop", agent_id, path)) is not None:
            done, half = dropped.parameters["done"], dropped.parameters["half"]
            response = await self._answer(handler, request) if done or half else empty()
            if half:
                await _send_half(response, send)
            else:
                scope["app"].state.drop(scope)
                while (await receive())["type"] != "http.disconnect":
                    pass
        else:
            await (await self._answer(handler, request))(scope, receive, send)

    async def _answer(self, handler: Handler, request: ApiRequest) -> Response:
        try:
            if not self._public:
                request.admit()
            if request.method not in _READS:
                return await _change(handler, request)
            response = handler(request)
            assert isinstance(response, Response)  # nothing that is read has to be waited for
            return _marked(request, response) if self._etag and request.august else response
        except Refused as refused:
            return refused.response
        except sqlite3.IntegrityError:  # which the March 2026 server is not prepared for
            return error(409, "The name is taken") if request.august else error(500, "Database error")
        except Exception:
            logger.exception("A route of the embedded server failed: %s %s", request.method, request.url.path)
            return error(500, "Internal server error")


async def _change(handler: Handler, request: ApiRequest) -> Response:
    with request.store.transaction():
        if (known := _earlier(request)) is not None:
            return known
        response = handler(request)
        if isinstance(response, Response):
            return _kept(request, response)
    return _kept(request, await response)


# Idempotency keys of August 2026: the same key gets the same answer, and the thing is done once. Refusals are
# not kept: nothing was done, so a repetition may succeed.


def _key(request: ApiRequest) -> str:
    return request.headers.get("idempotency-key", "") if request.august else ""


def _earlier(request: ApiRequest) -> Response | None:
    sql = "SELECT * FROM idempotency WHERE agent_id = ? AND key = ?"
    if not _key(request) or (found := request.store.row(sql, request.agent_id, _key(request))) is None:
        return None
    if found["request"] != _digest(request):
        refuse(409, "This Idempotency-Key belongs to another request")
    return Response(found["body"], found["status"], media_type=found["content_type"] or None)


def _kept(request: ApiRequest, response: Response) -> Response:
    if key := _key(request):
        told = (response.status_code, response.headers.get("content-type", ""), bytes(response.body))
        row = (request.agent_id, key, _digest(request), *told)
        request.store.run("INSERT OR IGNORE INTO idempotency VALUES (?, ?, ?, ?, ?, ?)", *row)
    return response


def _digest(request: ApiRequest) -> str:
    scope = request.scope
    said = (scope["method"].encode(), scope["path"].encode(), scope["query_string"], request.data or b"")
    return hashlib.sha256(b"\n".join(said)).hexdigest()


def _marked(request: ApiRequest, response: Response) -> Response:
    mark = f'"{hashlib.blake2b(response.body, digest_size=16).hexdigest()}"'
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers={"etag": mark})
    response.headers["etag"] = mark
    return response


def _failure(status: int, error: str, retry_after: float | None, **_: object) -> Response:
    response = answer({"error": error}, status)
    if retry_after is not None:
        response.headers["retry-after"] = f"{retry_after:g}"
    return response


async def _send_half(response: Response, send: Send) -> None:
    # More is promised and does not come, so TCP ends behind this.
    start = {"status": response.status_code, "headers": response.raw_headers}
    await send({"type": "http.response.start", **start})
    half = bytes(response.body)[: len(response.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
