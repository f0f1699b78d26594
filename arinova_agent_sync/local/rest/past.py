"""The chat's own records in the database: what a server with a file knows again the next time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from ..chat import Chat
from ..records import AgentAccount, Change, Conversation, Message, Removed, RemovedConversation, User
from .store import Row, Store


def keep(store: Store, changes: Iterable[Change]) -> None:
    """Write changes of the chat down, in their order."""
    with store.transaction():
        for change in changes:
            match change:
                case Message():
                    _keep_message(store, change)
                case Removed(message_id=message_id):
                    store.run("DELETE FROM messages WHERE id = ?", message_id)
                case RemovedConversation(conversation_id=conversation_id):
                    store.run("DELETE FROM conversations WHERE id = ?", conversation_id)
                case Conversation():
                    store.insert(
                        "conversations",
                        id=change.id,
                        type=change.type,
                        agents=json.dumps([agent.agent_id for agent in change.agents]),
                        created_at=change.created_at.isoformat(),
                    )
                case AgentAccount():
                    _keep_account(store, change)
                case User():
                    name = _text(change.username)
                    store.insert("users", id=change.user_id, username=name, owner=change.owner)


def recall(store: Store, chat: Chat) -> None:
    """Tell a new chat what an earlier one left."""
    accounts = {row["id"]: _credentials(row) for row in store.rows("SELECT * FROM accounts ORDER BY rowid")}
    users = [
        User(row["id"], row["username"], bool(row["owner"]))
        for row in store.rows("SELECT * FROM users ORDER BY owner DESC, rowid")
    ]
    conversations: dict[str, Conversation] = {}
    for row in store.rows("SELECT * FROM conversations ORDER BY rowid"):
        agents = tuple(accounts[agent_id] for agent_id in json.loads(row["agents"]))
        conversations[row["id"]] = Conversation(
            row["id"], row["type"], agents, datetime.fromisoformat(row["created_at"])
        )
    for row in store.rows("SELECT * FROM messages ORDER BY seq"):
        conversation = conversations[row["conversation_id"]]
        conversation.rows[row["id"]] = _message(row)
        conversation.last_seq = row["seq"]
    chat.remember(accounts.values(), users, conversations.values())
    chat.installed.update((agent_id, skills_of(store, agent_id)) for agent_id in accounts)


def skills_of(store: Store, agent_id: str) -> list[Row]:
    """Return what is installed on one agent, as its tasks tell it."""
    return store.rows(
        "SELECT slug, name, slash_command AS slashCommand, description, prompt_content AS promptContent"
        " FROM skills WHERE agent_id = ? ORDER BY rowid",
        agent_id,
    )


def _keep_account(store: Store, account: AgentAccount) -> None:
    store.run(
        "INSERT INTO accounts VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET listen_mode = excluded.listen_mode,"
        " allowed_users = excluded.allowed_users",
        account.agent_id,
        _text(account.name),
        _text(account.token),
        account.listen_mode,
        json.dumps(account.allowed_users),
    )


def _keep_message(store: Store, message: Message) -> None:
    store.run(
        "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET content = excluded.content, status = excluded.status,"
        " updated_at = excluded.updated_at",
        message.id,
        message.conversation_id,
        message.seq,
        message.role,
        _text(message.content),
        message.status,
        message.sender_agent_id,
        message.sender_user_id,
        _text(message.sender_name),
        message.reply_to_id,
        message.created_at.isoformat(),
        None if message.updated_at is None else message.updated_at.isoformat(),
        json.dumps([dict(attachment) for attachment in message.attachments], default=str),
    )


def _text(text: str) -> str:
    # A text from Python may hold half a surrogate pair, which SQLite cannot take.
    return text.encode("utf-8", "replace").decode()


def _credentials(row: Row) -> AgentAccount:
    allowed = tuple(json.loads(row["allowed_users"]))
    return AgentAccount(row["id"], row["name"], row["token"], row["listen_mode"], allowed)


def _message(row: Row) -> Message:
    updated_at = row.pop("updated_at")
    return Message(
        **{
            **row,
            "created_at": datetime.fromisoformat(row["created_at"]),
            "updated_at": None if updated_at is None else datetime.fromisoformat(updated_at),
            "attachments": tuple(json.loads(row["attachments"])),
        }
    )
