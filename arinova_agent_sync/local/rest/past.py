"""The chat's own records in the database: what a server with a file knows again the next time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

import msgspec

from ..chat import Chat
from ..records import AgentAccount, Change, Conversation, Message, User
from .store import Row, Store, encoded

T = TypeVar("T")


def keep(store: Store, changes: Iterable[Change]) -> None:
    """Write changes of the chat down, in their order."""
    with store.transaction():
        for change in changes:
            if change.value is None:
                store.run("DELETE FROM past WHERE kind = ? AND id = ?", change.kind, change.id)
                continue
            # What was there keeps its place among the others, which is that of its making.
            store.run(
                "INSERT INTO past VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value",
                change.kind,
                change.id,
                encoded(change.value),
            )


def recall(store: Store, chat: Chat) -> None:
    """Tell a new chat what an earlier one left."""

    def kept(kind: str, type: type[T]) -> list[T]:
        rows = store.rows("SELECT value FROM past WHERE kind = ? ORDER BY rowid", kind)
        return [msgspec.json.decode(row["value"], type=type) for row in rows]

    accounts = {account.agent_id: account for account in kept("account", AgentAccount)}
    conversations: dict[str, Conversation] = {}
    for place in kept("conversation", Row):
        agents = tuple(accounts[agent_id] for agent_id in place["agents"])
        created_at = datetime.fromisoformat(place["created_at"])
        conversations[place["id"]] = Conversation(place["id"], place["type"], agents, created_at)
    for message in kept("message", Message):
        conversation = conversations[message.conversation_id]
        conversation.rows[message.id] = message
        conversation.last_seq = message.seq
    chat.remember(accounts.values(), kept("user", User), conversations.values())
    chat.installed.update((agent_id, skills_of(store, agent_id)) for agent_id in accounts)


def skills_of(store: Store, agent_id: str) -> list[Row]:
    """Return what is installed on one agent, as its tasks tell it."""
    return store.rows(
        "SELECT slug, name, slash_command AS slashCommand, description, prompt_content AS promptContent"
        " FROM skills WHERE agent_id = ? ORDER BY rowid",
        agent_id,
    )
