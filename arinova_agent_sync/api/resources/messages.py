"""Messages: send, read, search, rate."""

from __future__ import annotations

import uuid

from ..pages import Page, Pages, Position, by_cursor
from ..records import FoundMessage, Message, SentMessage
from ..routes import route
from ..values import JSONObject, filled, flag, identifier, limit_of, number, optional
from .resource import AUGUST, Resource, page_of


class Messages(Resource):
    """Messages of the conversations that the agent is in."""

    def send(
        self,
        conversation_id: str,
        content: str,
        *,
        reply_to: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> SentMessage:
        """Send a message.

        It is repeated when the network fails, with one idempotency key for all tries. The March 2026 server knows
        no such keys: if its answer is lost, the message can appear twice there; with_options(max_retries=0) sends
        it once.

        Args:
            conversation_id: where to.
            content: the text; the March 2026 server trims it and refuses blank ones.
            reply_to: the id of the message that this one answers; the March 2026 server ignores it.
            idempotency_key: by which the server knows a repetition; by default a new one.
            timeout: seconds for the whole call.

        Returns the receipt: message_id and seq, where the server sends them.

        Raises PermissionDeniedError if the agent is not in the conversation, and the other ApiErrors.

            client.messages.send(conversation_id, "The report is ready.")
        """
        body = filled(
            conversationId=identifier("conversation_id", conversation_id),
            content=identifier("content", content),
            replyTo=optional("reply_to", reply_to),
        )
        key = uuid.uuid4().hex if idempotency_key is None else identifier("idempotency_key", idempotency_key)
        answer = self._transport.json(
            "POST", route("/messages/send"), json=body, idempotency_key=key, timeout=timeout
        )
        return answer.model(SentMessage) if isinstance(answer.value, dict) else SentMessage()

    def reply(
        self,
        conversation_id: str,
        message_id: str,
        content: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> SentMessage:
        """Send a message that answers another one; otherwise as send()."""
        return self.send(
            conversation_id,
            content,
            reply_to=identifier("message_id", message_id),
            idempotency_key=idempotency_key,
            timeout=timeout,
        )

    def history(
        self,
        conversation_id: str,
        *,
        before: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Pages[Message]:
        """Go through a conversation from its newest message to its oldest; with ``after``, to the newest.

        The items of one page stand in the server's order, oldest first. The March 2026 server compares times only:
        of messages with the very same time it can leave some out at the edge of a page.

        Args:
            conversation_id: which conversation.
            before: only messages older than the one with this id.
            after: only messages newer than the one with this id.
            limit: messages per page; 50 by default and 100 at most on the March 2026 server.
            timeout: seconds per page.

            for message in client.messages.history(conversation_id):
                print(message.role, message.content)
        """
        path = route("/messages/{conversation_id}", conversation_id=conversation_id)
        if before is not None and after is not None:
            raise ValueError("give before or after, not both")
        start = {
            "before": optional("before", before),
            "after": optional("after", after),
            "limit": limit_of(limit),
        }
        forwards = after is not None

        def fetch(position: Position) -> Page[Message]:
            answer = self._transport.json(
                "GET", path, params={**start, **position}, remember=True, timeout=timeout
            )
            return page_of(answer, answer.models(Message, "messages"))

        def edge(page: Page[Message]) -> str | None:
            return page.items[-1 if forwards else 0].id

        return self._pages(
            fetch, by_cursor("after" if forwards else "before", edge), timeout, newest_first=not forwards
        )

    def around(
        self,
        conversation_id: str,
        message_id: str,
        *,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Page[Message]:
        """Return the messages around one, oldest first.

        Args:
            conversation_id: which conversation.
            message_id: the message in the middle.
            limit: messages in all; the March 2026 server gives half of them to each side.
            timeout: seconds for the whole call.

        Raises NotFoundError if there is no such message.
        """
        answer = self._transport.json(
            "GET",
            route("/messages/{conversation_id}", conversation_id=conversation_id),
            params={"around": identifier("message_id", message_id), "limit": limit_of(limit)},
            remember=True,
            timeout=timeout,
        )
        return page_of(answer, answer.models(Message, "messages"))

    def search(
        self,
        query: str,
        *,
        conversation_id: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        timeout: float | None = None,
    ) -> Pages[FoundMessage]:
        """Find messages that contain a text.

        Args:
            query: the text.
            conversation_id: only in this conversation.
            limit: messages per page; 20 by default and 50 at most on the March 2026 server.
            offset: how many to skip.
            timeout: seconds per page.
        """
        return self._offset_pages(
            route("/messages/search"),
            lambda answer: answer.models(FoundMessage, "results"),
            params={
                "q": identifier("query", query),
                "conversationId": optional("conversation_id", conversation_id),
            },
            limit=limit_of(limit),
            offset=number("offset", offset),
            timeout=timeout,
        )

    def feedback(self, message_id: str, *, timeout: float | None = None) -> JSONObject:
        """Return how people rated an agent's message (GET /messages/{id}/feedback, August 2026 on)."""
        path = route("/messages/{message_id}/feedback", message_id=message_id)
        return self._transport.json("GET", path, since=AUGUST, timeout=timeout).object()

    def rate(self, message_id: str, helpful: bool, *, timeout: float | None = None) -> JSONObject:
        """Rate an agent's message as helpful or not (POST /messages/{id}/feedback, August 2026 on)."""
        path = route("/messages/{message_id}/feedback", message_id=message_id)
        body = {"helpful": _decided("helpful", helpful)}
        return self._transport.json("POST", path, json=body, since=AUGUST, timeout=timeout).object()


def _decided(name: str, value: bool) -> bool:
    if flag(name, value) is None:
        raise TypeError(f"{name} must be True or False")
    return value
