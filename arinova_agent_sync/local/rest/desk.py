"""What every route works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..records import AgentAccount, Conversation
from .exchange import refuse
from .store import Store

if TYPE_CHECKING:
    from ..hub import Hub


@dataclass(frozen=True)
class Desk:
    """Hold the database and the way to the chat.

    Attributes:
        store: the database.
        hub: the chat behind its lock; the lock is never held over a call into the database.
        max_file_size: bytes that an upload may have, with all that is around it.
    """

    store: Store
    hub: Hub
    max_file_size: int

    @property
    def august(self) -> bool:
        """Whether the answers are those of August 2026."""
        return self.hub.chat.rules.august

    def conversation(self, agent: AgentAccount, conversation_id: str) -> Conversation:
        """Return a conversation that an agent is in; refuse any other, there or not."""
        with self.hub.lock:
            found = self.hub.chat.conversations.get(conversation_id)
        if found is None or agent not in found.agents:
            refuse(403, "Not a member of this conversation")
        return found

    def conversations_of(self, agent: AgentAccount) -> list[Conversation]:
        """Return the conversations that an agent is in, oldest first."""
        with self.hub.lock:
            return [found for found in self.hub.chat.conversations.values() if agent in found.agents]
