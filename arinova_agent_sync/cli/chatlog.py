"""What a terminal shows of a conversation: what is printed for good, and what still changes below that.

Not thread-safe; it asks the server, which is.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markdown_it.token import Token

from ..local import FrameRecord, LocalConversation, LocalReply, LocalServer, Message
from .markdown_text import GrowingMarkdown, Painter
from .terminal import visible

__all__ = ["ChatLog", "Shown"]

_USER = "you"
_EARLIER = 10  # messages of an earlier run that are shown again
_LONGEST_NOTE = 200  # characters of what an action is given, or gives back


@dataclass(frozen=True)
class Shown:
    """Say what there is to see since the last time.

    Attributes:
        printed: goes above all that changes, and stays.
        live: what may still change; it takes the place of what was live before.
        more: whether there is more to print at once.
    """

    printed: str
    live: str
    more: bool


class ChatLog:
    """Follow a conversation.

    Args:
        server: where it is.
        conversation: which one; of what an earlier run left in it, the last messages are shown.

    Attributes:
        prompt: what stands before what the user says.
    """

    def __init__(self, server: LocalServer, conversation: LocalConversation) -> None:
        self._server = server
        self._conversation = conversation
        self._width = max(len(_USER), *(len(visible(agent.name)) for agent in conversation.members))
        self.prompt = f"{_USER:<{self._width}} > "
        self._known = {row.id for row in conversation.messages[:-_EARLIER]}
        self._cleaned: set[str] = set()  # messages that are not as they were typed
        self._last_frame = 0
        self._entries: list[_Said | _AgentMessage | _Note] = []
        self._last: _Said | _AgentMessage | _Note | None = None  # what was printed

    def note(self, text: str) -> None:
        """Add a remark of the chat's own."""
        self._entries.append(_Note(text))

    def typed(self, text: str, message: Message | None) -> None:
        """Remember what was typed, for a message that the server made of it."""
        if message is not None and message.content != text:
            self._cleaned.add(message.id)

    def update(self, painter: Painter) -> Shown:
        """Return what there is to see now."""
        self._find()
        printed: list[str] = []
        live: list[str] = []
        waiting: list[str] = []
        more = False
        first = True  # of several that stream, only one is printed before its end: they would be torn apart
        for entry in list(self._entries):
            match entry:
                case _Said(waits=True):
                    waiting.append(painter.line(f"{self.prompt}{visible(entry.row.content)} [waiting]"))
                    continue
                case _Said():
                    text, ended = entry.painted(painter, self.prompt), True
                case _Note():
                    text, ended = painter.note(visible(entry.text)), True
                case _AgentMessage():
                    if first or entry.ended:
                        text, ended = entry.take(painter, self._label(entry))
                    else:
                        text, ended = "", False
                    more = more or entry.behind
                    first = first and ended
            if text:
                printed.append(text)
                self._last = entry
            if ended:
                self._entries.remove(entry)
        for entry in self._entries:
            if isinstance(entry, _AgentMessage):
                live.append(entry.live(painter, self._label(entry)))
        shown = "\n".join(filter(None, live))
        return Shown("".join(printed), "\n".join(filter(None, [shown, "".join(waiting)])), more)

    def _label(self, entry: _AgentMessage) -> str:
        """Return what stands before an answer; nothing if its beginning is right above."""
        return "" if entry is self._last else f"{visible(entry.name):<{self._width}} > "

    def _find(self) -> None:
        """Note what is new in the conversation."""
        rows, replies = self._conversation.messages, self._conversation.replies
        asked: dict[str, list[LocalReply]] = defaultdict(list)
        for reply in replies:
            if reply.question is not None:
                asked[reply.question.id].append(reply)
        answers = {reply.message_id: reply for reply in replies}
        for entry in self._entries:
            if isinstance(entry, _Said):
                entry.replies = asked[entry.row.id]
        for row in rows:
            if row.id in self._known:
                continue
            self._known.add(row.id)
            if row.role == "user":
                self._entries.append(_Said(row, asked[row.id], row.id in self._cleaned))
            else:
                self._entries.append(_AgentMessage(row.sender_name, answers.get(row.id), row))
        for reply in replies:
            # A dismissed answer leaves no row.
            if reply.status == "deleted" and reply.message_id not in self._known:
                self._known.add(reply.message_id)
                self._entries.append(_AgentMessage(reply.agent.name, reply, None))
        for entry in self._entries:
            if isinstance(entry, _AgentMessage):
                entry.look()
        # Afterwards, so that all that was called before an answer's end is known.
        self._find_actions()

    def _find_actions(self) -> None:
        names = {agent.agent_id: agent.name for agent in self._conversation.members}
        fresh: list[FrameRecord] = []
        for record in reversed(self._server.frames):
            if record.number <= self._last_frame:
                break
            fresh.append(record)
        notes: list[_Note] = []
        for record in reversed(fresh):
            self._last_frame = record.number
            if record.agent_id in names and isinstance(record.frame, Mapping):
                text = _about_action(record.type, record.frame, names[record.agent_id])
                if text:
                    notes.append(_Note(text))
        places = (place for place, entry in enumerate(self._entries) if isinstance(entry, _AgentMessage))
        place = next(places, len(self._entries))
        self._entries[place:place] = notes


class _Note:
    """A remark."""

    def __init__(self, text: str) -> None:
        self.text = text


class _Said:
    """What a user has said.

    Args:
        row: the message.
        replies: the answers to it.
        cleaned: whether the server left something of it out.
    """

    def __init__(self, row: Message, replies: Sequence[LocalReply], cleaned: bool) -> None:
        self.row = row
        self.replies = replies
        self._cleaned = cleaned

    @property
    def waits(self) -> bool:
        """Whether it stands in the server's queue."""
        return bool(self.replies) and all(reply.status == "pending" for reply in self.replies)

    def painted(self, painter: Painter, label: str) -> str:
        text = painter.said(label, visible(self.row.content))
        if self._cleaned:
            text += painter.note("[the server left out what a browser would run]")
        for reply in self.replies:
            name = visible(reply.agent.name)
            if reply.status == "ignored":
                text += painter.note(f"[{name} does not hear this]")
            elif reply.status == "cancelled" and reply.timings.dispatched is None:
                text += painter.note(f"[stopped before {name} got it]")
            elif reply.decorated:
                text += painter.note(f"[{name} got this with more around it than you typed]")
        return text


class _AgentMessage:
    """What an agent says: an answer, or a message of its own accord.

    Args:
        name: the agent's.
        reply: the answer; None for a message that is no answer, or is of an earlier run.
        row: the message; None for an answer that was dismissed.

    Attributes:
        ended: whether it changed no more at the last look.
    """

    def __init__(self, name: str, reply: LocalReply | None, row: Message | None) -> None:
        self.name = name
        self.ended = False
        self._reply = reply
        self._row = row
        self._text = GrowingMarkdown()
        self._live: list[Token] = []

    def look(self) -> None:
        self.ended = self._reply is None or self._reply.done

    @property
    def behind(self) -> bool:
        return self._text.behind

    def take(self, painter: Painter, label: str) -> tuple[str, bool]:
        """Return what can be printed now, and whether that is the end."""
        done, self._live = self._text.feed(self._so_far(), self.ended)
        text = painter.blocks(done, label)
        ended = self.ended and not self.behind
        if ended:
            text += self._note(painter, label if not text else "")
        return text and text + "\n", ended

    def live(self, painter: Painter, label: str) -> str:
        """Return what may still change."""
        return painter.blocks(self._live, label) or (painter.note(f"{label}…") if label else "")

    def _note(self, painter: Painter, label: str) -> str:
        """Return what is to be said of its end beside the text."""
        name, reply, row = visible(self.name), self._reply, self._row
        text = ""
        if row is not None:
            files = [f"[file: {each.get('fileName')}, {each.get('url')}]\n" for each in row.attachments]
            text = painter.note(visible("".join(files).rstrip())) if files else ""
        error = (
            reply.error
            if reply is not None
            else row.content
            if row is not None and row.status == "error"
            else None
        )
        if error is not None:
            return text + painter.note(f"{label}[error: {visible(error)}]", "red")
        if reply is None or reply.status == "completed":
            return text
        if reply.status == "deleted":
            return text + painter.note(f"[{name} answered nothing]")
        return text + painter.note(f"{label}[stopped]")

    def _so_far(self) -> str:
        """Return the text as its members see it, but for an error's, which is told apart from it."""
        if self._reply is None:
            return "" if self._row is None or self._row.status == "error" else visible(self._row.content)
        failed = self._reply.error is not None or self._reply.status == "deleted"
        return visible(self._reply.streamed if failed else self._reply.text)


def _about_action(type_: str | None, frame: Mapping[str, object], name: str) -> str | None:
    """Return what there is to say of a frame that is about an action, None if it is none."""
    if type_ == "action_call":
        return f"[{name} calls {frame.get('action')} {_short(frame.get('arguments'))}]"
    if type_ == "action_result":
        error = frame.get("error")
        told = error.get("message") if isinstance(error, Mapping) else frame.get("result")
        return f"[{frame.get('action')}: {frame.get('status')} {_short(told)}]".replace(" ]", "]")
    return None


def _short(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_NOTE else f"{text[:_LONGEST_NOTE]}…"
