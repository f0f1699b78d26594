"""Conversations of the agent."""

from __future__ import annotations

from typing import Literal, get_args

from ..pages import Pages
from ..records import Conversation
from ..routes import route
from ..values import JSONObject, identifier, limit_of, number, optional
from .resource import AUGUST, Resource

Opening = Literal["onboarding", "task_report", "alert"]


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

        Args:
            type: only those of this type.
            search: only those with this text.
            limit: conversations per page; 50 by default and 200 at most on the March 2026 server.
            offset: how many to skip.
            timeout: seconds per page.
        """
        return self._offset_pages(
            route("/conversations"),
            lambda answer: answer.models(Conversation, "conversations"),
            params={"type": optional("type", type), "search": optional("search", search)},
            limit=limit_of(limit),
            offset=number("offset", offset),
            timeout=timeout,
        )

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
