"""Search over everything, and short ids."""

from __future__ import annotations

from collections.abc import Iterable

from ..routes import route
from ..values import JSON, JSONObject, filled, flag, identifier, limit_of, number, optional, strings
from .resource import AUGUST, Resource


class Search(Resource):
    """Search; messages and memories have searches of their own."""

    def all(self, query: str, *, limit: int | None = None, timeout: float | None = None) -> JSONObject:
        """Search every category at once (GET /search); the March 2026 server lets users only, not agents."""
        params = {"q": identifier("query", query), "limit": limit_of(limit)}
        return self._transport.json("GET", route("/search"), params=params, timeout=timeout).object()

    def content(
        self,
        query: str,
        *,
        entity_types: Iterable[str] | None = None,
        date_from: str | None = None,
        date_to: str | None = None,
        author_id: str | None = None,
        sort: str | None = None,
        file_type: str | None = None,
        conversation_id: str | None = None,
        has_attachment: bool | None = None,
        timeout: float | None = None,
    ) -> JSON:
        """Search the indexed content (GET /search/content, August 2026 on).

        Args:
            query: the text.
            entity_types: kinds of things, joined by commas on the way.
            date_from, date_to: as the server writes dates.
            author_id, file_type, conversation_id, has_attachment: only what is like that.
            sort: the server's name of an order.
            timeout: seconds for the whole call.
        """
        kinds = strings("entity_types", entity_types)
        params = {
            "q": identifier("query", query),
            "entity_types": ",".join(kinds) if kinds else None,
            "date_from": optional("date_from", date_from),
            "date_to": optional("date_to", date_to),
            "author_id": optional("author_id", author_id),
            "sort": optional("sort", sort),
            "file_type": optional("file_type", file_type),
            "conversation_id": optional("conversation_id", conversation_id),
            "has_attachment": flag("has_attachment", has_attachment),
        }
        path = route("/search/content")
        return self._transport.json("GET", path, params=params, since=AUGUST, timeout=timeout).value

    def resolve(self, short_id: str, *, timeout: float | None = None) -> JSONObject:
        """Return what 7 or 8 hex digits, a UUID or a commit stand for (GET /resolve/{id}, August 2026 on)."""
        path = route("/resolve/{short_id}", short_id=short_id)
        return self._transport.json("GET", path, since=AUGUST, timeout=timeout).object()

    def resolve_identifiers(
        self,
        conversation_id: str,
        content: str,
        *,
        agent_id: str | None = None,
        message_id: str | None = None,
        max_tokens: int | None = None,
        timeout: float | None = None,
    ) -> JSONObject:
        """Return what the ids in a text stand for (POST /resolve-identifiers, August 2026 on)."""
        body = filled(
            conversationId=identifier("conversation_id", conversation_id),
            content=identifier("content", content),
            agentId=optional("agent_id", agent_id),
            messageId=optional("message_id", message_id),
            maxTokens=number("max_tokens", max_tokens, 1),
        )
        path = route("/resolve-identifiers")
        return self._transport.json("POST", path, json=body, since=AUGUST, timeout=timeout).object()
