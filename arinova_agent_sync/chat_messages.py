"""A task's history in the words of chat-completion clients, and names in a text as mentions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

from .argument_checks import count, text
from .image_parts import ImageForm, check_form
from .names import folded
from .payload import HistoryMessage, Member, ReplyTo
from .protocol.json_values import clean_text
from .trigger import AGENT_ROLES, HasHistory, find_trigger, is_own, said_later

_MOST = 1_000_000
# Bytes: the March 2026 server cuts a text that is replied to at 500, or before a character that goes beyond.
_SHORTENED = 500 - 3
# Compiled when a task is first asked for its command.
_COMMAND = r"(?s)\s*[/／]([^\s/／@＠]+)(?:[@＠](.*)|\s+(.*))?\Z"


class Asked(HasHistory, Protocol):
    """What of a task is needed here."""

    @property
    def reply_to(self) -> ReplyTo | None:
        """The message that was replied to."""
        ...


def check_given(
    system: str | None, limit: int | None, first: Literal["user"] | None, attachments: ImageForm | None
) -> None:
    """Raise TypeError or ValueError for what ``Task.messages`` does not take, before anything is fetched."""
    if system is not None:
        text("system", system, empty=True)
    if limit is not None:
        count("limit", limit, 1, _MOST)
    if first is not None and first != "user":
        raise ValueError(f'first must be "user" or None, not {first!r}')
    check_form(attachments)


def chat_messages(
    task: Asked,
    agent_name: str | None,
    system: str | None,
    limit: int | None,
    first: Literal["user"] | None = "user",
) -> list[dict[str, Any]]:
    """Return history and content as messages with the roles system, user and assistant.

    Messages of other agents are the user's side of the talk, with their author's name before them. The
    March 2026 server sends the triggering message twice, as typed in the history and decorated as the content:
    only the content is taken, as the last one. What users said behind it while it waited is left out, since
    it is not its turn yet; what agents said there was said before, and stays. To an agent that another agent's
    answer triggered the server sends an empty content.
    """
    if task.content.strip():
        trigger = find_trigger(task, agent_name)
        later = said_later(task, trigger)
        asked: dict[str, Any] | None = {"role": "user", "content": task.content}
        kept: Sequence[HistoryMessage] = [
            message
            for place, message in enumerate(task.history)
            if place < later or (place != trigger and message.role in AGENT_ROLES)
        ]
    else:
        kept, asked = _answered_agent(task, agent_name)
    messages = [_message(message, agent_name) for message in kept if message.content.strip()]
    if asked:
        messages.append(asked)
    if limit is not None:
        messages = messages[-limit:]
    if first is not None:
        begin = next((i for i, each in enumerate(messages) if each["role"] == "user"), len(messages))
        messages = [each for i, each in enumerate(messages) if i >= begin or each["role"] == "system"]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    return messages


def _answered_agent(
    task: Asked, agent_name: str | None
) -> tuple[Sequence[HistoryMessage], dict[str, Any] | None]:
    """Return the history without what another agent said, and that, which an empty content stands for.

    The server cuts it short in replyTo; its row in the history is whole.
    """
    said, history = task.reply_to, task.history
    if said is None or not said.content.strip():
        return history, None
    whole = HistoryMessage(said.role, said.content, sender_agent_name=said.sender_agent_name)
    if is_own(whole, agent_name):
        return history, {"role": "user", "content": said.content}
    place = next((i for i in range(len(history) - 1, -1, -1) if _begins_with(history[i], said)), None)
    if place is not None:
        whole, history = history[place], (*history[:place], *history[place + 1 :])
    return history, _message(whole, agent_name)


def _begins_with(message: HistoryMessage, said: ReplyTo) -> bool:
    """Return whether a message is the one that is replied to, whose text may be cut."""
    if (message.role, message.sender_agent_name) != (said.role, said.sender_agent_name):
        return False
    whole = len(said.content.encode()) < _SHORTENED
    return message.content == said.content if whole else message.content.startswith(said.content)


def command_in(task: HasHistory, agent_name: str | None) -> tuple[str | None, str]:
    """Return the word after the slash of "/word rest", folded, and the rest; None and "" without a command.

    "/word@Name rest" is a command for the agent of that name alone. A server that decorates the content leaves
    the text as typed in the history.
    """
    found = _command(task.content, agent_name)
    if found is None and (trigger := find_trigger(task, agent_name)) is not None:
        found = _command(task.history[trigger].content, agent_name)
    return found or (None, "")


def _command(text: str, agent_name: str | None) -> tuple[str, str] | None:
    match = re.match(_COMMAND, text)
    if match is None:
        return None
    word, addressed, rest = match.groups()
    if addressed is not None:
        rest = _behind_name(addressed, agent_name)
        if rest is None:
            return None
    return folded(word), (rest or "").strip()


def _behind_name(text: str, agent_name: str | None) -> str | None:
    """Return what stands behind the agent's name at the beginning of a text, None if another name stands there."""
    if agent_name is None:
        return text.partition(" ")[2]
    name, rest = text[: len(agent_name)], text[len(agent_name) :]
    return rest if folded(name) == folded(agent_name) and not rest[:1].strip() else None


def _message(message: HistoryMessage, agent_name: str | None) -> dict[str, Any]:
    if message.role == "system":
        return {"role": "system", "content": message.content}
    if message.role not in AGENT_ROLES:
        return {"role": "user", "content": message.content}
    if is_own(message, agent_name):
        return {"role": "assistant", "content": message.content}
    return {"role": "user", "content": f"{message.sender_agent_name}: {message.content}"}


def member_named(name: str, members: Sequence[Member]) -> Member:
    """Return the member of a name, with or without an @ before it; raise LookupError if there is none."""
    wanted = folded(name).removeprefix("@")
    for member in members:
        if folded(member.agent_name) == wanted:
            return member
    names = ", ".join(member.agent_name for member in members) or "none"
    raise LookupError(f"no agent is called {name!r} here; the members are: {names}")


def mentions_in(text: str, members: Sequence[Member]) -> list[str]:
    """Return the ids of the members named with an @ in a text, in order of appearance, each once.

    The longest name counts: "@Ann Lee" is not a mention of Ann.
    """
    ids = {folded(member.agent_name): member.agent_id for member in reversed(members)}
    names = sorted(ids, key=len, reverse=True)
    if not names:
        return []
    pattern = re.compile(rf"(?<!\w)@({'|'.join(map(re.escape, names))})(?!\w)")
    return list(dict.fromkeys(ids[name] for name in pattern.findall(folded(text))))


def checked_mentions(mentions: Sequence[str] | None) -> tuple[str, ...]:
    """Return agent ids as a tuple without repetitions; raise TypeError or ValueError for anything else."""
    if mentions is None:
        return ()
    if isinstance(mentions, (str, bytes)) or not isinstance(mentions, Iterable):
        raise TypeError(f"mentions must be a list of agent ids, not {type(mentions).__name__}")
    return tuple(dict.fromkeys(clean_text("each of mentions", mention) for mention in mentions))
