"""The ASGI application in front: who asks, what goes wrong on purpose, which route answers. No lock of its own."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from ..faults import HttpDrop, HttpError, HttpSlow
from ..records import AgentAccount
from . import (
    actions,
    boards,
    card_links,
    cards,
    columns,
    conversations,
    files,
    idempotency,
    labels,
    memories,
    messages,
    notebooks,
    notes,
    search,
    skills,
)
from .desk import Desk
from .exchange import Answer, Refused, Request, error, refuse_plainly
from .router import Route, Router, Routes

logger = logging.getLogger("arinova_agent_sync.local")

Drop = Callable[[Scope], None]

_FAMILIES = (
    actions,
    boards,
    card_links,
    cards,
    columns,
    conversations,
    files,
    labels,
    memories,
    messages,
    notebooks,
    notes,
    search,
    skills,
)
_MAX_JSON = 2 * 1024 * 1024  # bytes; axum's default
_READS = ("GET", "HEAD")


class Rest:
    """Answer the bots' routes, and leave all others to the user's.

    Args:
        desk: what the routes work with.
        routes: the user's own, which come first.
        drop: ends the TCP connection of a request.
    """

    def __init__(self, desk: Desk, routes: Sequence[BaseRoute], drop: Drop) -> None:
        self._desk = desk
        self._drop = drop
        self._others = Starlette(routes=list(routes))
        self._routes = list(routes)
        self._router = Router(desk.august)
        for family in _FAMILIES:
            for routes in vars(family).values():
                if isinstance(routes, Routes):
                    routes.enter(self._router)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        if scope["type"] != "http" or any(own.matches(scope)[0] is Match.FULL for own in self._routes):
            await self._others(scope, receive, send)
            return
        route, parts, methods = self._router.find(scope["method"], scope["raw_path"])
        if route is not None:
            await self._serve(route, parts, scope, receive, send)
        elif methods:
            await _send(send, Answer(405, content_type="", headers=[("allow", ",".join(methods))]))
        else:
            await self._others(scope, receive, send)

    async def _serve(
        self, route: Route, parts: Sequence[str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        method = scope["method"]
        headers = dict(scope["headers"])
        request = Request(method, scope["path"], parts, scope["query_string"], headers)
        request.caller = self._caller(headers, route)
        limit = self._desk.max_file_size if route.upload else _MAX_JSON
        try:
            body = b"" if method in _READS else await _body(receive, limit)
        except _Gone:
            return
        hub, path = self._desk.hub, request.path
        agent_id = request.caller.agent_id if request.caller is not None else None
        if hub.board.quiet:
            await _send(send, await self._answer(route, request, body))
            return
        if (slow := hub.board.use_http(HttpSlow, agent_id, path)) is not None:
            await asyncio.sleep(slow.seconds)
        if (broken := hub.board.use_http(HttpError, agent_id, path)) is not None:
            await _send(send, _failure(broken))
        elif (dropped := hub.board.use_http(HttpDrop, agent_id, path)) is not None:
            answer = await self._answer(route, request, body) if dropped.done or dropped.half else Answer()
            if dropped.half:
                await _send(send, answer, len(answer.body) // 2)
            else:
                self._drop(scope)
                while (await receive())["type"] != "http.disconnect":
                    pass
        else:
            await _send(send, await self._answer(route, request, body))

    def _caller(self, headers: Mapping[bytes, bytes], route: Route) -> AgentAccount | None:
        # A bot token without the prefix works on the socket and on the older routes, and not here.
        token = headers.get(b"x-agent-token", b"").decode("latin-1").strip()
        if not token:
            scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
            token = token.strip() if scheme.lower() == "bearer" else ""
            if not route.legacy and (not token.startswith("ari_") or token.startswith("ari_cli_")):
                return None
        return self._desk.hub.chat.roster.find(token)

    async def _answer(self, route: Route, request: Request, body: bytes | None) -> Answer:
        try:
            if request.caller is None and not route.public:
                return error(401, "Unauthorized")
            if body is None:
                refuse_plainly(413, "Failed to buffer the request body: length limit exceeded")
            request.body = body
            if request.method in _READS:
                answer = await _finished(route.handler(self._desk, request))
                return self._marked(request, answer) if route.etag and self._desk.august else answer
            return await self._change(route, request)
        except Refused as refused:
            return refused.answer
        except Exception:
            logger.exception("A route of the embedded server failed: %s %s", request.method, request.path)
            return error(500, "Internal server error")

    async def _change(self, route: Route, request: Request) -> Answer:
        store = self._desk.store
        key = request.headers.get(b"idempotency-key", b"").decode("latin-1") if self._desk.august else ""
        with store.transaction():
            if key and (known := idempotency.earlier(store, key, request)) is not None:
                return known
            answer = route.handler(self._desk, request)
            if isinstance(answer, Answer):
                if key:
                    idempotency.keep(store, key, request, answer)
                return answer
        answer = await answer
        if key:
            idempotency.keep(store, key, request, answer)
        return answer

    def _marked(self, request: Request, answer: Answer) -> Answer:
        mark = f'"{hashlib.blake2b(answer.body, digest_size=16).hexdigest()}"'
        if request.headers.get(b"if-none-match") == mark.encode():
            return Answer(304, content_type="", headers=[("etag", mark)])
        return answer._replace(headers=[*answer.headers, ("etag", mark)])


class _Gone(Exception):
    """The one who asked went away in the middle of it."""


async def _finished(answer: Answer | Awaitable[Answer]) -> Answer:
    return answer if isinstance(answer, Answer) else await answer


def _failure(fault: HttpError) -> Answer:
    headers = [] if fault.retry_after is None else [("retry-after", f"{fault.retry_after:g}")]
    return error(fault.status, fault.error)._replace(headers=headers)


async def _body(receive: Receive, limit: int) -> bytes | None:
    """Return a request's body, None if it is larger than its limit; then it is read to its end all the same.

    Raises _Gone if the end does not come: half a request is not to be carried out.
    """
    blocks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        block = message.get("body", b"")
        size += len(block)
        if size <= limit:
            blocks.append(block)
        if not message.get("more_body", False):
            return b"".join(blocks) if size <= limit else None


async def _send(send: Send, answer: Answer, cut: int | None = None) -> None:
    """Send an answer; with ``cut`` only so many bytes of its body, behind which TCP ends."""
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers]
    if answer.content_type:
        headers.append((b"content-type", answer.content_type.encode("latin-1")))
    if answer.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = answer.body if cut is None else answer.body[:cut]
    await send({"type": "http.response.body", "body": body, "more_body": cut is not None})
