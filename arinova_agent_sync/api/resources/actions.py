"""Actions of the platform, called over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from ...action_results import ActionCallResult, action_result
from ...protocol.json_values import JSONValue
from ..pages import Page, Pages, Position, by_cursor
from ..records import ActionManifest
from ..routes import route
from ..values import JSON, JSONObject, filled, flag, identifier, limit_of, optional
from .resource import AUGUST, Resource, page_of


class Actions(Resource):
    """Actions; all routes came with the August 2026 server."""

    def manifest(self, *, timeout: float | None = None) -> ActionManifest:
        """Return the actions that this agent may call (GET /actions/agent-manifest)."""
        path = route("/actions/agent-manifest")
        return self._transport.json("GET", path, since=AUGUST, remember=True, timeout=timeout).model(
            ActionManifest
        )

    def full_manifest(self, *, timeout: float | None = None) -> JSONObject:
        """Return all actions of the platform, in the server's own form (GET /actions/manifest)."""
        return self._transport.json("GET", route("/actions/manifest"), since=AUGUST, timeout=timeout).object()

    def call(
        self,
        action: str,
        arguments: Mapping[str, JSONValue] | None = None,
        *,
        call_id: str | None = None,
        task_id: str | None = None,
        conversation_id: str | None = None,
        message_id: str | None = None,
        parent_call_id: str | None = None,
        reason: str | None = None,
        metadata: Mapping[str, JSONValue] | None = None,
        dry_run: bool | None = None,
        timeout: float | None = None,
    ) -> ActionCallResult:
        """Run an action and return how it ended (POST /actions/call). It is never sent twice.

        Args:
            action: its name.
            arguments: as its schema in the manifest wants them.
            call_id: by which the server knows the call; by default a new one.
            task_id, conversation_id, message_id, parent_call_id: what the call belongs to.
            reason: why, for people.
            metadata: what is to be kept with the call.
            dry_run: True to check only.
            timeout: seconds for the whole call.

        Returns the result; its status is "success", "error", "requires_confirmation" or "cancelled".
        """
        for name, value in (("arguments", arguments), ("metadata", metadata)):
            if value is not None and not isinstance(value, Mapping):
                raise TypeError(f"{name} must be a mapping, not {type(value).__name__}")
        body = filled(
            type="action_call",
            id=f"call_{uuid.uuid4().hex}" if call_id is None else identifier("call_id", call_id),
            action=identifier("action", action),
            arguments={} if arguments is None else arguments,
            taskId=optional("task_id", task_id),
            conversationId=optional("conversation_id", conversation_id),
            messageId=optional("message_id", message_id),
            parentCallId=optional("parent_call_id", parent_call_id),
            reason=optional("reason", reason),
            metadata=metadata,
            dryRun=flag("dry_run", dry_run),
        )
        answer = self._transport.json(
            "POST", route("/actions/call"), json=body, since=AUGUST, timeout=timeout
        )
        return action_result(answer.object(), action)

    def pending(
        self,
        *,
        since: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Pages[JSONObject]:
        """List the calls of this agent that are not settled (GET /actions/pending).

        Args:
            since: only calls from this time on, as the server writes times.
            cursor: the page to begin with, as a page's next_cursor names it.
            limit: calls per page.
            timeout: seconds per page.
        """
        start = {
            "since": optional("since", since),
            "cursor": optional("cursor", cursor),
            "limit": limit_of(limit),
        }

        def fetch(position: Position) -> Page[JSONObject]:
            answer = self._transport.json(
                "GET", route("/actions/pending"), params={**start, **position}, since=AUGUST, timeout=timeout
            )
            return page_of(answer, answer.objects("pending"))

        return self._pages(fetch, by_cursor("cursor", lambda _: None), timeout)

    def history(self, conversation_id: str, *, timeout: float | None = None) -> JSON:
        """Return the calls of a conversation, in the server's own form (GET /actions/history/{id})."""
        path = route("/actions/history/{conversation_id}", conversation_id=conversation_id)
        return self._transport.json("GET", path, since=AUGUST, timeout=timeout).value

    def confirm(self, confirmation_id: str, *, timeout: float | None = None) -> JSONObject:
        """Approve a call that waits for a confirmation (POST /actions/confirm/{id})."""
        path = route("/actions/confirm/{confirmation_id}", confirmation_id=confirmation_id)
        return self._transport.json("POST", path, since=AUGUST, timeout=timeout).object()

    def reject(self, confirmation_id: str, *, timeout: float | None = None) -> JSONObject:
        """Reject a call that waits for a confirmation (POST /actions/confirm/{id}/reject)."""
        path = route("/actions/confirm/{confirmation_id}/reject", confirmation_id=confirmation_id)
        return self._transport.json("POST", path, since=AUGUST, timeout=timeout).object()

    def cancel(self, call_id: str, *, timeout: float | None = None) -> JSONObject:
        """Cancel a call (POST /actions/{call_id}/cancel)."""
        path = route("/actions/{call_id}/cancel", call_id=call_id)
        return self._transport.json("POST", path, since=AUGUST, timeout=timeout).object()
