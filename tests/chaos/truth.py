"""What a server knows of its agents' tasks, after the March 2026 server: frames go in, rows come out.

No socket and no clock, so that the instrument itself can be tested with literals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Mood = Literal["outlive", "given-up", "deltas"]
MOODS: tuple[Mood, ...] = get_args(Mood)

DISCONNECTED, RECONNECTED = "Agent disconnected", "Agent reconnected"
_WAKEUP_EVERY = 12  # tasks of an agent: one that belongs to no conversation
_CONVERSATIONS = 6  # of an agent


class Refusal(Exception):
    """What a request over HTTP is answered with: a status and a text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Row:
    """One message of an agent.

    Attributes:
        conversation: None for the answer to a wakeup.
        status, content: as HTTP shows them; a message that is being streamed has no content yet.
        streamed: the chunks that were taken, as the server has put them together.
        end: how the task ended: "complete", "error", "given-up"; None while frames for it are taken.
        key: the idempotency key that it was posted with.
        way: "task", "socket" or "http".
        gaps: how many gaps in it the agent has told.
    """

    id: str
    agent: int
    conversation: str | None
    status: str = "streaming"
    content: str = ""
    streamed: str = ""
    end: str | None = None
    key: str | None = None
    way: str = "task"
    gaps: int = 0


@dataclass
class Seen:
    """One thing that happened to an agent, in the order in which the server saw it."""

    at: float
    agent: int
    connection: int
    what: str
    task_id: str | None = None
    text: str | None = None
    taken: bool = True


@dataclass
class Truth:
    """Everything that agents have said, and what became of it.

    Args:
        mood: "outlive": tasks outlive the end of a connection; "given-up": they fail with it; "deltas": they
            outlive it, and a chunk is appended whatever it begins with.
        clock: the moment of what is noted.
    """

    mood: Mood
    clock: Callable[[], float]
    rows: dict[str, Row] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    _tasks: dict[int, int] = field(default_factory=dict)
    _keys: dict[tuple[int, str], tuple[str, str, str]] = field(default_factory=dict)

    # From the server's side

    def new_task(self, agent: int, connection: int) -> dict[str, Any]:
        """Make the agent's next task, and return its frame."""
        number = self._tasks[agent] = self._tasks.get(agent, 0) + 1
        frame: dict[str, Any] = {"type": "task", "taskId": task_id(agent, number)}
        if number % _WAKEUP_EVERY == 0:
            frame |= {"taskKind": "cron_wakeup"}
        else:
            conversation = conversation_id(agent, number % _CONVERSATIONS)
            frame |= {"conversationId": conversation, "conversationType": "h2a", "content": str(number)}
        row = Row(frame["taskId"], agent, frame.get("conversationId"))
        self.rows[row.id] = row
        self._note(agent, connection, "task", row.id)
        return frame

    def connected(self, agent: int, connection: int) -> None:
        """Take an authentication: it ends what the agent's earlier connections began, or marks it."""
        self._note(agent, connection, "connected")
        for row in self._open_rows(agent):
            if self.mood == "given-up":
                self._give_up(row)
            elif row.status == "streaming":
                # The March 2026 server marks the row alone; the task's end will overwrite it.
                row.status, row.content = "error", RECONNECTED

    def disconnected(self, agent: int, connection: int, *, current: bool) -> None:
        """Take the end of a connection; that of an earlier one changes nothing."""
        self._note(agent, connection, "disconnected")
        if current and self.mood == "given-up":
            for row in self._open_rows(agent):
                self._give_up(row)

    # From the agent's side

    def received(self, agent: int, connection: int, frame: Mapping[str, Any]) -> None:
        """Take a frame of an agent, on whichever of its connections."""
        kind = str(frame.get("type"))
        task = frame.get("taskId")
        text = next((frame[key] for key in ("chunk", "content", "error") if key in frame), None)
        row = self.rows.get(task) if isinstance(task, str) else None
        if row is not None and (row.agent != agent or row.end is not None):
            row = None
        taken = row is not None or task is None
        self._note(agent, connection, kind, task, text, taken=taken)
        if kind == "agent_stream_gap" and isinstance(task, str) and task in self.rows:
            self.rows[task].gaps += 1
        elif kind == "agent_send":
            self._add_message(agent, str(frame.get("conversationId")), str(text or ""), "socket", None)
        elif row is None:
            return
        elif kind == "agent_chunk":
            self._take_chunk(row, str(text))
        elif kind == "agent_complete":
            self._complete(row, row.streamed or str(text or ""))
        elif kind == "agent_error":
            row.status, row.content, row.end = "error", str(text or "Unknown error"), "error"

    def post(self, agent: int, conversation: str, content: str, key: str | None) -> Row:
        """Take a message over HTTP; a key that was seen before means the message that was made then."""
        content = content.strip()
        if not content:
            raise Refusal(400, "Content is required")
        known = self._keys.get((agent, key or ""))
        if key is not None and known is not None:
            if known[1:] != (conversation, content):
                raise Refusal(409, "This Idempotency-Key belongs to another request")
            self._note(agent, 0, "POST again", text=content, taken=False)
            return self.rows[known[0]]
        self._note(agent, 0, "POST", text=content)
        row = self._add_message(agent, conversation, content, "http", key)
        if key is not None:
            self._keys[agent, key] = (row.id, conversation, content)
        return row

    def history(self, agent: int, conversation: str, query: Mapping[str, str]) -> list[Row]:
        """Return messages of a conversation, oldest first: around, after or before one, or the newest."""
        rows = [row for row in self.rows.values() if row.conversation == conversation]
        if not conversation.startswith(f"{agent:08x}-"):
            raise Refusal(403, "Not a member of this conversation")
        limit = int(query.get("limit", "50"))
        places = {row.id: place for place, row in enumerate(rows)}
        if "around" in query:
            if query["around"] not in places:
                raise Refusal(404, "Message not found")
            place = places[query["around"]]
            self._note(agent, 0, "GET around", query["around"])
            return rows[max(0, place - limit // 2) : place + limit // 2 + 1]
        self._note(agent, 0, "GET history")
        if "after" in query:
            return rows[places.get(query["after"], len(rows)) + 1 :][:limit]
        return rows[: places.get(query.get("before", ""), len(rows))][-limit:]

    def _take_chunk(self, row: Row, chunk: str) -> None:
        if self.mood != "deltas" and row.streamed and chunk.startswith(row.streamed):
            row.streamed = chunk
        else:
            row.streamed += chunk

    def _complete(self, row: Row, text: str) -> None:
        row.end = "complete"
        if text.strip():
            row.status, row.content = "completed", text
        elif row.status == "streaming":
            row.status = "deleted"

    def _give_up(self, row: Row) -> None:
        row.status, row.content, row.end = "error", DISCONNECTED, "given-up"

    def _add_message(self, agent: int, conversation: str, content: str, way: str, key: str | None) -> Row:
        row = Row(
            f"{agent:08x}-0000-4000-a000-{len(self.rows):012x}",
            agent,
            conversation,
            status="completed",
            content=content,
            end="complete",
            key=key,
            way=way,
        )
        self.rows[row.id] = row
        return row

    def _open_rows(self, agent: int) -> list[Row]:
        return [row for row in self.rows.values() if row.agent == agent and row.end is None]

    def _note(
        self,
        agent: int,
        connection: int,
        what: str,
        task: str | None = None,
        text: str | None = None,
        *,
        taken: bool = True,
    ) -> None:
        self.seen.append(Seen(self.clock(), agent, connection, what, task, text, taken))


def task_id(agent: int, number: int) -> str:
    """Return the id of an agent's task: the same in every run."""
    return f"{agent:08x}-0000-4000-8000-{number:012x}"


def conversation_id(agent: int, number: int) -> str:
    """Return the id of one of an agent's conversations."""
    return f"{agent:08x}-0000-4000-9000-{number:012x}"


def token(agent: int) -> str:
    """Return an agent's token."""
    return f"ari_{agent:048x}"
