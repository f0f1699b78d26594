"""Conversations of the agent."""

from __future__ import annotations

from typing import Literal, get_args

from ..pages import Page, Pages, Position, by_offset
from ..records import Conversation
from ..routes import route
from ..values import JSONObject, Parameter, identifier, limit_of, number, optional
from .resource import AUGUST, Resource, page_of

Opening = Literal["onboarding", "task_report", "alert"]

_MOST = 200  # conversations in one answer of the March 2026 server


class Conversations(Resource):
    """Conversations that the agent is in."""

    def list(
        self,
        *,
        type: str | None = None,
        search: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        timeout: float | None = None,
    ) -> Pages[Conversation]:
        """List conversations.

        The March 2026 server knows no offset: there, the list goes on with a growing limit, up to the 200
        conversations that this server shows at all.

        Args:
            type: only those of this type.
            search: only those with this text.
            limit: conversations of the first page; 50 by default and 200 at most on the March 2026 server.
            offset: how many to skip; August 2026 on. The first page is a ValueError on a server that ignores it.
            timeout: seconds per page.
        """
        start: dict[str, Parameter] = {
            "type": optional("type", type),
            "search": optional("search", search),
            "limit": limit_of(limit),
            "offset": number("offset", offset),
        }
        newest: list[str] = []

        def ask(**params: Parameter) -> Page[Conversation]:
            answer = self._transport.json("GET", route("/conversations"), params=params, timeout=timeout)
            return page_of(answer, answer.models(Conversation, "conversations"))

        def fetch(position: Position) -> Page[Conversation]:
            page = ask(**{**start, **position})
            if not position:
                newest[:] = _first(ask(**{**start, "limit": 1, "offset": None}) if offset else page)
                if offset and newest and newest == _first(page):
                    raise ValueError("this server knows no offset for conversations; leave it out")
            return page

        def following(page: Page[Conversation], position: Position) -> Position | None:
            if offset or page.has_more is not None or page.total is not None:
                return by_offset(offset, limit)(page, position)
            skipped, wanted, size = position.get("offset", 0), position.get("limit", 0), len(page.items)
            assert isinstance(skipped, int)
            assert isinstance(wanted, int)
            if position and newest == _first(page):  # a server that ignores the offset
                skipped = 0
                if size < wanted or size >= _MOST:
                    return None
            # Whichever of the two the server knows, it brings something new.
            return {"offset": skipped + size, "limit": min(2 * (skipped + size), _MOST)} if size else None

        return self._pages(fetch, following, timeout)

    def open(self, agent_id: str, type: Opening, *, timeout: float | None = None) -> JSONObject:
        """Open a conversation with the agent's owner (POST /agents/{id}/conversations, August 2026 on).

        Args:
            agent_id: this agent's id.
            type: "onboarding", "task_report" or "alert".
            timeout: seconds for the whole call.
        """
        path = route("/agents/{agent_id}/conversations", agent_id=agent_id)
        if identifier("type", type) not in get_args(Opening):
            raise ValueError(f"type must be one of {', '.join(map(repr, get_args(Opening)))}, not {type!r}")
        return self._transport.json("POST", path, json={"type": type}, since=AUGUST, timeout=timeout).object()


def _first(page: Page[Conversation]) -> list[str]:
    return [found.id for found in page.items[:1]]
