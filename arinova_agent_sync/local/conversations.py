"""A conversation as its user holds it. Thread-safe: it works under the hub's lock."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from .hub import Hub
from .records import AgentAccount, Attachments, Conversation, ConversationType, Frame, Message, Prompt, Task
from .replies import LocalReply


class LocalConversation:
    """Play the user in one conversation."""

    def __init__(self, hub: Hub, conversation: Conversation) -> None:
        self._hub = hub
        self._conversation = conversation

    @property
    def id(self) -> str:
        """Its UUID."""
        return self._conversation.id

    @property
    def type(self) -> ConversationType:
        """Its type, such as "h2a"."""
        return self._conversation.type

    @property
    def members(self) -> tuple[AgentAccount, ...]:
        """The agents that take part."""
        return self._conversation.agents

    @property
    def messages(self) -> list[Message]:
        """The rows of the server's database, oldest first."""
        with self._hub.lock:
            return list(self._conversation.rows.values())

    @property
    def events(self) -> list[Frame]:
        """What the members were sent, such as "stream_chunk", oldest first; the last 10,000."""
        with self._hub.lock:
            return list(self._conversation.events)

    @property
    def replies(self) -> list[LocalReply]:
        """Every answer that was ever asked for here, oldest first, also by another agent."""
        with self._hub.lock:
            return [self._hub.reply(task) for task in self._conversation.tasks]

    def say(
        self,
        content: str,
        *,
        sender: str | None = None,
        reply_to: LocalReply | Message | str | None = None,
        attachments: Attachments = (),
        mentions: Sequence[str] = (),
        extra: Mapping[str, Any] | None = None,
        wait_for_agent: float = 10.0,
    ) -> LocalReply:
        """Send a message and return the answer to it, which begins to come.

        Args:
            content: the message; an empty one without attachments is ignored, as on a real server.
            sender: who says it; the owner of the agents unless a user is named, who is made at the first use.
            reply_to: the message that it answers.
            attachments: ``{"id", "fileName", "fileType", "fileSize", "url"}`` each.
            mentions: agent ids, "__all__" or "__all_agents__"; in groups a text's ``@name`` is found without.
            extra: more keys for the task, such as ``messageMetadata``.
            wait_for_agent: seconds to wait until every agent of the conversation is connected; with 0 the
                server itself answers, like the real one, for an agent that is not.

        Returns the answer of the first agent that hears the message; ``replies`` has those of the others.
        Raises TimeoutError if an agent does not connect in time.
        """
        self._await_agents(wait_for_agent)
        with self._hub.turn() as chat:
            tasks = chat.say(
                self._conversation,
                content,
                sender=chat.user(sender),
                reply_to=self._row(reply_to),
                attachments=attachments,
                mentions=mentions,
                extra=extra,
            )
            return self._hub.reply(tasks[0] if tasks else self._unheard(content))

    def wait_for_message(
        self, timeout: float = 10.0, *, after: Message | None = None, **fields: object
    ) -> Message:
        """Return the first settled message that fits; wait for it if there is none yet.

        Args:
            timeout: seconds.
            after: only messages behind this one count.
            fields: what the message must have, such as ``role="agent"`` or ``content="hi"``.

        Raises TimeoutError if there is none in time.
        """
        seen = after.seq if after is not None else 0

        def look() -> Message | None:
            for row in self._conversation.rows.values():
                if (
                    row.seq > seen
                    and row.status != "streaming"
                    and all(getattr(row, name) == value for name, value in fields.items())
                ):
                    return row
            return None

        return self._hub.waiting.wait(
            self.id, look, timeout, lambda: f"no message with {fields or 'any text'}"
        )

    def _await_agents(self, timeout: float) -> None:
        if timeout <= 0:
            return
        deadline = time.monotonic() + timeout
        for agent in self.members:
            self._hub.wait_connected(agent, max(0.0, deadline - time.monotonic()))

    def _row(self, message: LocalReply | Message | str | None) -> Message | None:
        if message is None:
            return None
        message_id = (
            message.message_id if isinstance(message, LocalReply) else getattr(message, "id", message)
        )
        row = self._conversation.rows.get(str(message_id))
        if row is None:
            raise ValueError(f"reply_to is no message of this conversation: {message!r}")
        return row

    def _unheard(self, content: str) -> Task:
        prompt = Prompt(content, self._hub.chat.owner)
        return Task("", self.members[0], self._conversation, prompt, time.monotonic(), "ignored")

    def __repr__(self) -> str:
        return f"<LocalConversation {self.type} {self.id}>"
