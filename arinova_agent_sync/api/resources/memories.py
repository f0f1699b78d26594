"""What agents remember."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...errors import ApiError, BadRequestError, NotFoundError
from ...net.deadline import Deadline
from ..pages import Pages
from ..records import Memory, MemoryMatch
from ..responses import ApiResponse
from ..routes import PREFIX, route
from ..values import JSON, JSONObject, changes, filled, flag, identifier, limit_of, number, optional, string
from .resource import AUGUST, Resource

_ORIGINS = {"user": "self"}


class Memories(Resource):
    """Memories of agents."""

    def search(
        self, query: str, *, limit: int | None = None, timeout: float | None = None
    ) -> Sequence[MemoryMatch]:
        """Find the memories that fit a text, best first.

        The March 2026 server has the older route /api/agent/capsules only, which is asked there; it answers 503
        if it has no key for its language model.

        Args:
            query: the text.
            limit: the most to return; 20 is the August 2026 server's bound.
            timeout: seconds for the whole call.
        """
        text, most = identifier("query", query), limit_of(limit)
        deadline = self._transport.deadline(timeout)
        try:
            answer = self._transport.json(
                "GET", route("/memories/search"), params={"q": text, "limit": most}, timeout=deadline
            )
        except (BadRequestError, NotFoundError) as missing:
            if not _is_shadowed(missing):
                raise
            return self._search_capsules(text, most, deadline, missing)
        return [_match(answer, item) for item in answer.objects("memories")]

    def list(
        self,
        agent_id: str,
        *,
        category: str | None = None,
        tier: str | None = None,
        exclude_system: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
        timeout: float | None = None,
    ) -> Pages[Memory]:
        """List the memories of an agent.

        Args:
            agent_id: whose.
            category: correction, preference, knowledge or error.
            tier: hot, warm or cold.
            exclude_system: True to leave out those that the platform made.
            limit: memories per page; the March 2026 server sends 200 at most.
            offset: how many to skip.
            timeout: seconds per page.
        """
        return self._offset_pages(
            route("/memories"),
            lambda answer: answer.models(Memory, "memories"),
            params={
                "agent_id": identifier("agent_id", agent_id),
                "category": optional("category", category),
                "tier": optional("tier", tier),
                "exclude_system": flag("exclude_system", exclude_system),
            },
            limit=limit_of(limit),
            offset=number("offset", offset),
            timeout=timeout,
        )

    def get(self, memory_id: str, *, timeout: float | None = None) -> Memory:
        """Return a memory; raise NotFoundError if there is none."""
        path = route("/memories/{memory_id}", memory_id=memory_id)
        return self._transport.json("GET", path, timeout=timeout).model(Memory)

    def remember(
        self,
        agent_id: str,
        category: str,
        summary: str,
        *,
        detail: str | None = None,
        pattern_key: str | None = None,
        timeout: float | None = None,
    ) -> JSONObject:
        """Remember something, and return what the server says about it (POST /memories).

        Args:
            agent_id: whose memory.
            category: correction, preference, knowledge or error.
            summary: what to remember, in short.
            detail: the rest.
            pattern_key: replaces the memory with the same key.
            timeout: seconds for the whole call.
        """
        body = filled(
            agent_id=identifier("agent_id", agent_id),
            category=identifier("category", category),
            summary=identifier("summary", summary),
            detail=string("detail", detail),
            pattern_key=optional("pattern_key", pattern_key),
        )
        return self._transport.json("POST", route("/memories"), json=body, timeout=timeout).object()

    def update(
        self,
        memory_id: str,
        *,
        category: str | None = None,
        tier: str | None = None,
        summary: str | None = None,
        detail: str | None = None,
        timeout: float | None = None,
    ) -> Memory:
        """Change what is given of a memory, and return it; tier is hot, warm or cold."""
        path = route("/memories/{memory_id}", memory_id=memory_id)
        body = changes(
            category=optional("category", category),
            tier=optional("tier", tier),
            summary=optional("summary", summary),
            detail=string("detail", detail),
        )
        deadline = self._transport.deadline(timeout)
        sent = self._transport.json("PATCH", path, json=body, timeout=deadline).model_if_sent(Memory)
        return sent if sent is not None else self._transport.json("GET", path, timeout=deadline).model(Memory)

    def forget(self, memory_id: str, *, timeout: float | None = None) -> None:
        """Delete a memory."""
        self._transport.json("DELETE", route("/memories/{memory_id}", memory_id=memory_id), timeout=timeout)

    def export(self, agent_id: str, *, timeout: float | None = None) -> JSON:
        """Return all memories of an agent, in the server's own form (GET /memories/export, August 2026 on)."""
        params = {"agent_id": identifier("agent_id", agent_id)}
        path = route("/memories/export")
        try:
            return self._transport.json("GET", path, params=params, since=AUGUST, timeout=timeout).value
        except BadRequestError as error:
            if not _is_shadowed(error):
                raise
            # The March 2026 server takes the word for the id of a memory.
            raise NotFoundError(
                f"{error} (this route came with the {AUGUST} server; older servers lack it)",
                status=error.status,
                body=error.body,
                request=error.request,
            ) from error

    def _search_capsules(
        self, query: str, limit: int | None, deadline: Deadline, missing: ApiError
    ) -> Sequence[MemoryMatch]:
        try:
            answer = self._transport.json(
                "GET", "/api/agent/capsules", params={"query": query, "limit": limit}, timeout=deadline
            )
        except NotFoundError as error:
            raise NotFoundError(
                f"GET {PREFIX}/memories/search failed ({missing.status}): this route came with the {AUGUST} "
                "server; the route that older servers have for it, /api/agent/capsules, is missing as well",
                status=missing.status,
                body=missing.body,
                request=missing.request,
            ) from error
        return [_capsule(answer, item) for item in answer.objects("capsules")]


def _is_shadowed(error: ApiError) -> bool:
    """Whether a server without the route answered: 404, or a text because the word is not the id of a memory."""
    return isinstance(error, NotFoundError) or not isinstance(error.body, dict)


def _match(answer: ApiResponse, item: JSONObject) -> MemoryMatch:
    summary, detail, source = item.get("summary"), item.get("detail"), item.get("source")
    content = "\n".join(text for text in (summary, detail) if isinstance(text, str) and text)
    origin = _ORIGINS.get(source, source) if isinstance(source, str) else None
    rest = {key: value for key, value in item.items() if key != "source"}
    return replace(answer, value={**rest, "content": content, "origin": origin}).model(MemoryMatch)


def _capsule(answer: ApiResponse, item: JSONObject) -> MemoryMatch:
    named = {"capsule_id": "id", "capsule_name": "category"}
    renamed: JSONObject = {named.get(key, key): value for key, value in item.items()}
    return replace(answer, value=renamed).model(MemoryMatch)
