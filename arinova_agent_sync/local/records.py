"""What the embedded server keeps: accounts, conversations, messages, tasks. Plain data, not thread-safe.

The server changes these only under its lock. What its public interface hands out are frozen records and
copies.
"""

from __future__ import annotations

import re
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

ConversationType = Literal["direct", "h2h", "h2a", "group", "official", "community", "lounge"]
MessageStatus = Literal["streaming", "completed", "cancelled", "error"]
ReplyStatus = Literal["pending", "streaming", "completed", "cancelled", "error", "deleted", "ignored"]
ListenMode = Literal[
    "all",
    "all_mentions",
    "owner_unmention_others_mention",
    "owner_and_allowlist",
    "allowlist_mentions",
    "owner_only",
    "muted",
    "allowed_users",
]

Attachments = Sequence[Mapping[str, Any]]  # {"id", "fileName", "fileType", "fileSize", "url"} each
Frame = dict[str, Any]  # one JSON object as it travels
GROUPS: tuple[ConversationType, ...] = ("group", "community")
_UUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)
OPEN_STATUSES: tuple[ReplyStatus, ...] = ("pending", "streaming")


@dataclass(frozen=True)
class AgentAccount:
    """Name one agent that the server knows.

    Attributes:
        agent_id: its UUID.
        name: what users read.
        token: the bot token that it authenticates with.
        listen_mode: whose messages it gets in groups and communities.
        allowed_users: user names that the allow-list modes let through.
        system_prompt: what the server puts before every text that the agent reads; "" for nothing.
    """

    agent_id: str
    name: str
    token: str = field(repr=False)
    listen_mode: ListenMode = "owner_unmention_others_mention"
    allowed_users: tuple[str, ...] = ()
    system_prompt: str = ""


@dataclass(frozen=True)
class User:
    """Name one human; the first of a server owns all its agents."""

    user_id: str
    username: str
    owner: bool = False


@dataclass(frozen=True)
class Message:
    """Show one row of a conversation as the server's database holds it.

    Attributes:
        id: its UUID; for an agent's answer also the id of the task.
        conversation_id: where it stands.
        seq: its place in the conversation, from 1.
        role: "user" or "agent".
        content: its text; empty while it is being streamed.
        status: where it stands in its life.
        sender_agent_id: the agent that wrote it, if one did.
        sender_user_id: the human that wrote it, if one did.
        sender_name: the writer's name.
        reply_to_id: the message that it answers, if it was said to answer one.
        created_at: when it was made, UTC without a zone, as the March 2026 server keeps it.
        attachments: what hangs on it.
        updated_at: when it last changed, None if it never did.
    """

    id: str
    conversation_id: str
    seq: int
    role: Literal["user", "agent"]
    content: str
    status: MessageStatus
    sender_agent_id: str | None
    sender_user_id: str | None
    sender_name: str
    reply_to_id: str | None
    created_at: datetime
    attachments: tuple[Mapping[str, Any], ...] = ()
    updated_at: datetime | None = None


@dataclass(frozen=True)
class Prompt:
    """Say what a task asks: the message behind it, the text for the agent, and the human at the root."""

    content: str
    human: User
    message: Message | None = None  # the row that triggered the task; none for wakeups and raw tasks
    reply_to: Mapping[str, Any] | None = None
    agent: AgentAccount | None = None  # the author, when another agent triggered the task
    extra: Mapping[str, Any] = field(default_factory=dict)


class Streamed:
    """Collect the pieces of an answer that members saw, with the March 2026 server's guess about its chunks."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.length = 0  # characters

    @property
    def text(self) -> str:
        """Everything streamed so far."""
        return "".join(self.pieces)

    def new_part(self, chunk: str) -> str:
        """Return what the March 2026 server would show of a chunk.

        A chunk that starts with everything streamed so far counts as the whole answer sent once more, of
        which only the rest is new. The guess is made for each chunk anew, and wrong for a delta that happens
        to begin like the answer: ``=`` after ``=`` is lost.
        """
        if 0 < self.length <= len(chunk) and chunk.startswith(self.text):
            return chunk[self.length :]
        return chunk

    def append(self, piece: str) -> None:
        """Add a piece as it is."""
        if piece:
            self.pieces.append(piece)
            self.length += len(piece)


@dataclass(eq=False)
class Task:
    """Follow one question to one agent from the user's click to its end.

    ``status`` is what the members of the conversation were told, which the row in the database need not show.
    """

    id: str
    agent: AgentAccount
    conversation: Conversation | None
    prompt: Prompt
    sent_at: float
    status: ReplyStatus = "pending"
    streamed: Streamed = field(default_factory=Streamed)
    decorated: str | None = None  # what its agent reads, if that is not what the user typed
    seq: int | None = None  # the place of its message, once there is one
    text: str = ""  # what the message shows at the end
    error: str | None = None
    mentions: tuple[str, ...] = ()
    dispatched_at: float | None = None
    deadline: float = 0.0  # when the idle limit strikes
    first_chunk_at: float | None = None
    done_at: float | None = None

    @property
    def open(self) -> bool:
        """Whether members may still see it change."""
        return self.status in OPEN_STATUSES


@dataclass(frozen=True)
class Change:
    """Name something that has to outlive this process.

    Attributes:
        kind: what it is.
        id: its UUID.
        value: what it is now, None if it was dropped.
    """

    kind: Literal["account", "user", "conversation", "message"]
    id: str
    value: object


WriteDown = Callable[[Change], object]


def to_nobody(change: Change) -> None:
    """Let a change be forgotten with this process."""


@dataclass(eq=False)
class Conversation:
    """Hold one conversation: who takes part, its rows, and what waits in it."""

    id: str
    type: ConversationType
    agents: tuple[AgentAccount, ...]
    created_at: datetime = datetime.min
    write_down: WriteDown = to_nobody  # takes what happens to the rows
    rows: dict[str, Message] = field(default_factory=dict)  # by message id, oldest first
    # What members were sent, oldest first; bounded, since a long stream is many events.
    events: deque[Frame] = field(default_factory=lambda: deque(maxlen=10_000))
    tasks: list[Task] = field(default_factory=list)  # every task ever asked here, oldest first
    active: dict[str, Task] = field(default_factory=dict)  # agent id: the task that makes others wait
    queues: dict[str, deque[Task]] = field(default_factory=dict)  # by agent id
    guarded: dict[tuple[str, str], float] = field(default_factory=dict)  # agent id and text: until when
    last_seq: int = 0

    @property
    def is_group(self) -> bool:
        """Whether listen modes and mentions decide who gets a message."""
        return self.type in GROUPS

    def write(
        self,
        message_id: str,
        author: AgentAccount | User,
        content: str,
        created_at: datetime,
        *,
        status: MessageStatus = "completed",
        reply_to_id: str | None = None,
        attachments: Attachments = (),
    ) -> Message:
        """Add a row and return it.

        PostgreSQL refuses NUL in a text, and the March 2026 server does not look at the refusal: everybody is
        told of the message, and there is no row of it.
        """
        saved = "\0" not in content
        self.last_seq += saved
        row = Message(
            id=message_id,
            conversation_id=self.id,
            seq=self.last_seq if saved else self.last_seq + 1,
            role="agent" if isinstance(author, AgentAccount) else "user",
            content=content,
            status=status,
            sender_agent_id=author.agent_id if isinstance(author, AgentAccount) else None,
            sender_user_id=author.user_id if isinstance(author, User) else None,
            sender_name=author.name if isinstance(author, AgentAccount) else author.username,
            reply_to_id=reply_to_id,
            created_at=created_at,
            attachments=tuple(map(dict, attachments)),
        )
        if saved:
            self._put(row)
        return row

    def save(self, message_id: str, status: MessageStatus, content: str, updated_at: datetime) -> None:
        """Change a row's status and text, if it is there."""
        # After a refused NUL the row goes on streaming, until the agent's next authentication makes an error of it.
        row = self.rows.get(message_id)
        if row is not None and "\0" not in content:
            self._put(replace(row, status=status, content=content, updated_at=updated_at))

    def is_streaming(self, message_id: str) -> bool:
        """Return whether a row is there and waits for its end."""
        row = self.rows.get(message_id)
        return row is not None and row.status == "streaming"

    def remove(self, message_id: str) -> None:
        """Drop a row, if it is there."""
        if self.rows.pop(message_id, None) is not None:
            self.write_down(Change("message", message_id, None))

    def _put(self, row: Message) -> None:
        self.rows[row.id] = row
        self.write_down(Change("message", row.id, row))


Connection = object  # whatever the shell calls a connection; compared by identity only


@dataclass(frozen=True)
class Deliver:
    """Ask the shell to send a frame to an agent."""

    connection: Connection
    frame: Frame


@dataclass(frozen=True)
class Changed:
    """Tell the shell that members may see a task or a conversation differently now, named by its id."""

    key: str


@dataclass(frozen=True)
class ActionCalled:
    """Ask the shell to answer an agent's action call."""

    connection: Connection
    agent: AgentAccount
    frame: Frame


Effect = Deliver | Changed | ActionCalled


def new_id() -> str:
    """Return a new UUID."""
    return str(uuid.uuid4())


def as_uuid(text: object) -> str | None:
    """Return a UUID as it is usually written, None for what is none."""
    return str(uuid.UUID(text)) if isinstance(text, str) and _UUID.fullmatch(text) else None
