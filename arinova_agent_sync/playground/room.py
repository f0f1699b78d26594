"""What a page shows of the server and what its user may do there. Thread-safe: it works under the hub's lock.

This is the playground's only way to the server's inside.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from ..local import LocalConversation, LocalServer
from ..local.framelog import FrameRecord
from ..local.records import GROUPS, Conversation, Message, ReplyStatus, Task
from ..redacted_json import redact_frame
from .timings import SNIPPET, TITLE, Json, line_of, pace_of, times_of
from .uploads import users_urls

_TASKS = 100  # that a timeline shows
_FRAMES = 400  # of one update
_LATEST_FRAMES = 3000  # that a page keeps; what is older is not sent to one that lags or comes late
_FRAME_TEXT = 400  # characters of a frame in a list


@dataclass
class Sent:
    """Remember what a page was told of one message."""

    row: Message
    pieces: int = 0


@dataclass
class Told:
    """Remember what a page was told of the conversation that it shows."""

    conversation_id: str
    most: int
    rows: dict[str, Sent] = field(default_factory=dict)


class Room:
    """Look at the chat, and act in it as a user.

    Args:
        server: whose chat it is.
    """

    def __init__(self, server: LocalServer) -> None:
        self._server = server
        self._hub = server.hub
        self._began = time.monotonic()

    # What is there

    def agents(self) -> list[Json]:
        """Return every agent with its skills and whether it is connected."""
        with self._hub.lock:
            roster = self._hub.chat.roster
            return [
                {
                    "id": account.agent_id,
                    "name": account.name,
                    "connected": account.agent_id in roster.connections,
                    "skills": list(roster.skills.get(account.agent_id, ())),
                    "connections": roster.authentications.get(account.agent_id, 0),
                }
                for account in roster.accounts.values()
            ]

    def users(self) -> list[str]:
        """Return the names of the users, the owner's first."""
        with self._hub.lock:
            return list(self._hub.chat.users)

    def conversation_of(self, key: object) -> str | None:
        """Return the id of the conversation that a key of the hub stands for; called under the lock."""
        chat = self._hub.chat
        if not isinstance(key, str):
            return None
        if key in chat.conversations:
            return key
        task = chat.tasks.get(key)
        return task.conversation.id if task is not None and task.conversation is not None else None

    def conversation_ids(self) -> list[str]:
        """Return the ids of all conversations, oldest first."""
        with self._hub.lock:
            return list(self._hub.chat.conversations)

    def summary(self, conversation_id: str) -> Json | None:
        """Return what a list shows of a conversation, None if there is no such."""
        with self._hub.lock:
            conversation = self._hub.chat.conversations.get(conversation_id)
            if conversation is None:
                return None
            rows = conversation.rows
            first = next((row for row in rows.values() if row.role == "user"), None)
            last = next(reversed(rows.values()), None)
            return {
                "id": conversation.id,
                "type": conversation.type,
                "agents": [agent.agent_id for agent in conversation.agents],
                "title": line_of(first.content, TITLE) if first else "",
                "last": line_of(last.content, SNIPPET) if last else "",
                "lastBy": last.sender_name if last else "",
                "at": _when(last.created_at if last else conversation.created_at),
                "seq": conversation.last_seq,
                "streaming": any(task.open for task in reversed(conversation.tasks[-8:])),
            }

    def news(self, told: Told) -> Json | None:
        """Return what a page has to hear of its conversation, and note that it was told."""
        with self._hub.lock:
            chat = self._hub.chat
            conversation = chat.conversations.get(told.conversation_id)
            if conversation is None:
                return None
            ops: list[Json] = []
            rows = conversation.rows
            for row in list(islice(reversed(rows.values()), told.most))[::-1]:
                op = _news_of(row, chat.tasks.get(row.id), told.rows)
                if op is not None:
                    ops.append(op)
            for message_id in [message_id for message_id in told.rows if message_id not in rows]:
                del told.rows[message_id]
                ops.append({"op": "remove", "id": message_id})
            return {
                "id": conversation.id,
                "ops": ops,
                "more": len(rows) > told.most,
                **_waiting(conversation),
            }

    def timeline(self) -> list[Json]:
        """Return the latest tasks, newest first; times in milliseconds, all but the first since it was sent."""
        with self._hub.lock:
            return [
                times_of(task, self._began)
                for task in islice(reversed(self._hub.chat.tasks.values()), _TASKS)
            ]

    def frames(self, after: int) -> tuple[list[Json], int, bool]:
        """Return the next frames behind a number, how many were left out before them, and whether more wait."""
        with self._hub.lock:
            tokens, names = self._tokens(), self._names()
        behind: list[FrameRecord] = []
        for record in islice(reversed(self._server.frames), _LATEST_FRAMES):
            if record.number <= after:
                break
            behind.append(record)
        fresh = behind[: -_FRAMES - 1 : -1]
        skipped = fresh[0].number - after - 1 if fresh else 0
        return [self._frame(record, tokens, names) for record in fresh], skipped, len(behind) > _FRAMES

    def frame(self, number: int) -> str | None:
        """Return the whole text of a frame, None if it is gone."""
        with self._hub.lock:
            tokens = self._tokens()
        for record in reversed(self._server.frames):
            if record.number == number:
                return redact_frame(record.frame, tokens)
        return None

    # What a user does

    def open_conversation(self, agent_ids: Sequence[str], group: bool) -> str:
        """Open a conversation and return its id; raise ValueError for agents that are not there."""
        accounts = {account.agent_id: account for account in self._server.agents}
        try:
            members = [accounts[agent_id] for agent_id in agent_ids]
        except KeyError:
            raise ValueError("unknown agent") from None
        if not members or (not group and len(members) != 1):
            raise ValueError("choose an agent")
        if group:
            return self._server.conversation(type="group", members=members).id
        return self._server.conversation(members[0]).id

    def say(
        self,
        conversation_id: str,
        text: str,
        *,
        sender: str | None,
        reply_to: str | None = None,
        attachments: Sequence[Mapping[str, Any]] = (),
        mentions: Sequence[str] = (),
    ) -> None:
        """Send a message; raise ValueError if the conversation or the message it answers is not there."""
        self._local(conversation_id).say(
            text,
            sender=sender,
            reply_to=reply_to,
            attachments=attachments,
            mentions=mentions,
            wait_for_agent=0,
        )

    def find_files(self) -> None:
        """Let the files of an earlier run be found: its server may have had another address."""
        files = users_urls(self._server.store)
        with self._hub.lock:
            for conversation in self._hub.chat.conversations.values():
                for row in conversation.rows.values():
                    if row.attachments:
                        found = tuple(self._found(each, files) for each in row.attachments)
                        conversation.rows[row.id] = replace(row, attachments=found)

    def say_again(self, conversation_id: str, message_id: str, text: str, mentions: Sequence[str]) -> None:
        """Drop a user's message and all behind it, and send it anew; raise ValueError if it is gone."""
        conversation = self._conversation(conversation_id)
        with self._hub.lock:
            row = conversation.rows.get(message_id)
            owner = self._hub.chat.owner.username
        if row is None or row.role != "user":
            raise ValueError("the message is gone")
        if not text and not row.attachments:
            raise ValueError("an empty message says nothing")
        self.clear(conversation_id, row.seq)
        self.say(
            conversation_id,
            text,
            sender=None if row.sender_name == owner else row.sender_name,
            reply_to=row.reply_to_id,
            attachments=row.attachments,
            mentions=mentions,
        )

    def clear(self, conversation_id: str, from_seq: int = 0) -> None:
        """Stop what is open in a conversation and drop its messages, from a place on."""
        conversation = self._conversation(conversation_id)
        self.stop(conversation_id)
        with self._hub.turn():
            for row in [row for row in conversation.rows.values() if row.seq >= from_seq]:
                conversation.remove(row.id)
            conversation.guarded.clear()  # the same words may be said again at once

    def delete(self, conversation_id: str) -> None:
        """Drop a conversation with all that is in it."""
        self.clear(conversation_id)
        with self._hub.turn() as chat:
            chat.drop(conversation_id)

    def markdown(self, conversation_id: str) -> str:
        """Return a conversation as Markdown."""
        conversation = self._conversation(conversation_id)
        with self._hub.lock:
            rows = list(conversation.rows.values())
        return "\n".join(f"## {row.sender_name}, {_when(row.created_at)}\n\n{row.content}\n" for row in rows)

    def read_by(self, agent: str, conversation_id: str, message_id: str) -> str:
        """Return the text that an agent of this name got for a message; raise ValueError if it got another one."""
        for task in reversed(self._conversation(conversation_id).tasks):
            asked = task.prompt.message
            if task.agent.name == agent and asked is not None and asked.id == message_id and task.decorated:
                return task.decorated
        raise ValueError("the message is gone")

    def all_frames(self) -> str:
        """Return every frame that is kept, without tokens, as a JSON list."""
        with self._hub.lock:
            tokens, names = self._tokens(), self._names()
        return json.dumps(
            [
                {**self._frame(record, tokens, names), "text": redact_frame(record.frame, tokens)}
                for record in list(self._server.frames)
            ],
            indent=1,
        )

    def pace(self, agent_id: str) -> Json:
        """Return how an agent does now; see ``pace_of``."""
        with self._hub.lock:
            return pace_of(
                [task for task in self._hub.chat.tasks.values() if task.agent.agent_id == agent_id]
            )

    def stop(self, conversation_id: str, message_id: str | None = None) -> None:
        """Press the stop button of one answer, or of all that are open in a conversation."""
        for reply in self._local(conversation_id).replies:
            if not reply.done and message_id in (None, reply.message_id):
                reply.cancel()

    def add_user(self, name: str) -> None:
        """Let a user in; the same name stands for the same user."""
        with self._hub.turn() as chat:
            chat.user(name)

    # Inside

    def _found(self, attachment: Mapping[str, Any], files: Collection[str]) -> Mapping[str, Any]:
        path = urlsplit(str(attachment.get("url"))).path
        return {**attachment, "url": self._server.url + path} if path in files else attachment

    def _local(self, conversation_id: str) -> LocalConversation:
        return LocalConversation(self._hub, self._conversation(conversation_id))

    def _conversation(self, conversation_id: str) -> Conversation:
        with self._hub.lock:
            conversation = self._hub.chat.conversations.get(conversation_id)
        if conversation is None:
            raise ValueError("unknown conversation")
        return conversation

    def _tokens(self) -> list[str]:
        return [account.token for account in self._hub.chat.roster.accounts.values()]

    def _names(self) -> dict[str, str]:
        return {account.agent_id: account.name for account in self._hub.chat.roster.accounts.values()}

    def _frame(self, record: FrameRecord, tokens: list[str], names: Mapping[str, str]) -> Json:
        text = redact_frame(record.frame, tokens)
        return {
            "n": record.number,
            "t": round((record.time - self._began) * 1000, 1),
            "in": record.direction == "in",
            "connection": record.connection,
            "agent": names.get(record.agent_id or "", ""),
            "type": record.type or "?",
            "size": len(text.encode("utf-8", "replace")),
            "text": text[:_FRAME_TEXT],
        }


def _news_of(row: Message, task: Task | None, told: dict[str, Sent]) -> Json | None:
    pieces = task.streamed.pieces if task is not None else []
    known = told.get(row.id)
    if known is None:
        told[row.id] = Sent(row, len(pieces))
        return {"op": "message", **_message(row, task)}
    fresh = "".join(pieces[known.pieces :])
    known.pieces = len(pieces)
    if known.row is row:
        return {"op": "append", "id": row.id, "text": fresh} if fresh and row.status == "streaming" else None
    known.row = row
    if task is not None and row.content == task.streamed.text:
        return {"op": "end", "id": row.id, "text": fresh, "status": row.status}
    return {"op": "message", **_message(row, task)}


def _message(row: Message, task: Task | None) -> Json:
    streaming = row.status == "streaming" and task is not None
    return {
        "id": row.id,
        "seq": row.seq,
        "role": row.role,
        "by": row.sender_name,
        "agent": row.sender_agent_id,
        "text": task.streamed.text if streaming and task is not None else row.content,
        "status": row.status,
        "replyTo": row.reply_to_id,
        "attachments": [dict(attachment) for attachment in row.attachments],
        "at": _when(row.created_at),
    }


def _waiting(conversation: Conversation) -> Json:
    """Tell which answers wait behind another one, which agents had nothing to say to a user, which messages the
    duplicate guard kept from an agent, and which ones an agent read differently than they were typed."""

    def with_status(status: ReplyStatus, asked_by: str | None = None) -> list[Json]:
        return [
            {"agent": task.agent.name, "message": task.prompt.message.id}
            for task in conversation.tasks
            if task.status == status
            and task.prompt.message is not None
            and asked_by in (None, task.prompt.message.role)
        ]

    return {
        "queued": with_status("pending"),
        "silent": with_status("deleted", asked_by="user"),
        "ignored": [
            task.prompt.message.id
            for task in conversation.tasks
            if task.status == "ignored" and task.prompt.message is not None
        ],
        "decorated": [
            {"agent": task.agent.name, "message": task.prompt.message.id}
            for task in conversation.tasks
            if task.decorated is not None and task.prompt.message is not None
        ],
        "group": conversation.type in GROUPS,
    }


def _when(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds") + "Z"
