"""Which message of a task's history is the one that is to be answered. Pure functions.

The March 2026 server gives the history items no ids, and the content is not the text as typed: it puts a system
prompt or a warning around it, lines for attachments behind it, or a skill's prompt into its place. A message that
waited in the server's queue is not the last one either: later messages and earlier answers stand behind it.
Several may have one text: outside of groups the server dispatches them in their order, so what is to be answered
stands behind what the agent was asked before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .payload import HistoryMessage

AGENT_ROLES = ("agent", "assistant")
GROUPS = ("group", "community")

_BEFORE = ("\n\n[User Message]\n", '"]\n')  # what the server puts right before the text as typed
_BEHIND = ("\n\n[Attachment: ", "\n[/UNTRUSTED_USER_MESSAGE]")


class HasHistory(Protocol):
    """What of a task is needed here."""

    @property
    def content(self) -> str:
        """What to answer."""
        ...

    @property
    def conversation_type(self) -> str | None:
        """Where it was said."""
        ...

    @property
    def history(self) -> tuple[HistoryMessage, ...]:
        """Earlier messages, and perhaps later ones."""
        ...

    @property
    def asked_before(self) -> str | None:
        """When the message was written that the agent was asked before in this conversation, if that is known."""
        ...

    @property
    def place(self) -> int | None:
        """Where what is to be answered stands in the history, if the server said so."""
        ...


def is_own(message: HistoryMessage, agent_name: str | None) -> bool:
    """Return whether an agent wrote a message itself; without a name every agent's message counts as its own."""
    author = message.sender_agent_name
    return message.role in AGENT_ROLES and (author is None or agent_name is None or author == agent_name)


def find_trigger(task: HasHistory, agent_name: str | None) -> int | None:
    """Return the place of the message that is to be answered in the history, None if it is not there."""
    if task.place is not None:
        return task.place
    content, history = task.content, task.history
    if not content or "\0" in content:  # the server's database refuses NUL, so there is no row of it
        return None
    behind_own = 1 + max((i for i, each in enumerate(history) if is_own(each, agent_name)), default=-1)
    ranks: dict[int, tuple[int, int]] = {}
    for place, message in enumerate(history):
        rank = _rank(message, content, agent_name, waits=place >= behind_own)
        if rank is not None:
            ranks[place] = rank
    if not ranks:
        return None
    in_group = task.conversation_type in GROUPS
    begin = 0 if in_group else _behind(task.asked_before, history)
    fresh = {place: rank for place, rank in ranks.items() if place >= begin}
    best = max((fresh or ranks).values())
    fitting = [place for place, rank in (fresh or ranks).items() if rank == best]
    if in_group:
        # Only some messages are for us, and one that did not wait is the last there is.
        return fitting[-1]
    if fresh and task.asked_before:
        return fitting[0]
    # Here every message is for us, and each is dispatched when those before it have ended: of several with one
    # text it is the first that is not answered. None at all: the server left it out.
    open_ones = _unanswered(history, agent_name)
    return next((place for place in fitting if place >= behind_own or place in open_ones), None)


def said_later(task: HasHistory, trigger: int | None) -> int:
    """Return the first place from which on users said what is not their turn yet.

    Args:
        task: what is to be answered.
        trigger: its own place in the history, None if it is not there: too much may stand behind it.
    """
    if trigger is not None:
        return trigger
    history = task.history
    if task.conversation_type in GROUPS or not task.asked_before or not all(m.created_at for m in history):
        return len(history)
    return _behind(task.asked_before, history)


def _behind(asked_before: str | None, history: Sequence[HistoryMessage]) -> int:
    """Return the first place behind the message that was asked before, 0 if that cannot be told."""
    if asked_before is None:
        return 0
    then = _moment(asked_before)
    for place, message in enumerate(history):
        if message.created_at is None:
            return 0
        moment = _moment(message.created_at)
        if moment >= then:
            return place + (moment == then)
    return len(history)


def _moment(created_at: str) -> str:
    """Return a time in a form that sorts: a task and the HTTP routes of the March 2026 server have one each."""
    seconds, _, fraction = created_at.replace("T", " ").partition("+")[0].rstrip("Z").partition(".")
    return f"{seconds}.{fraction.rstrip('0')}"


def _unanswered(history: Sequence[HistoryMessage], agent_name: str | None) -> list[int]:
    """Return the places of the messages that no answer of ours belongs to.

    The row of an answer is made when its message is dispatched, which happens in their order; it stands behind
    all that was said by then.
    """
    waiting: list[int] = []
    for place, message in enumerate(history):
        if message.role == "user":
            waiting.append(place)
        elif waiting and is_own(message, agent_name):
            del waiting[0]
    return waiting


def _rank(
    message: HistoryMessage, content: str, agent_name: str | None, waits: bool
) -> tuple[int, int] | None:
    """Return how well a message fits, None if it does not; of two texts that fit, the longer one is meant."""
    typed = message.content
    if message.role in AGENT_ROLES:
        # Another agent's message comes as it is.
        same = not is_own(message, agent_name) and typed.strip() == content.strip()
        return (2, 0) if same else None
    if message.role != "user":
        return None
    if typed.strip() == content.strip() or is_inside(typed, content):
        return 2, 0
    if content.startswith("[") and typed.strip() and content.endswith(typed):
        return 1, len(typed)  # behind a decoration of unknown form, such as memories
    if typed.startswith("//") and waits:
        # "//skill words" becomes the skill's prompt, which need not hold the words as typed.
        _, _, words = typed.partition(" ")
        return 0, len(words) if words in content else 0
    return None


def is_inside(typed: str, content: str) -> bool:
    """Return whether the content is the text as typed, with what the server puts around it."""
    if not typed.strip():
        return any(f"{before}[Attachment: " in content for before in _BEFORE) or content.startswith(
            "[Attachment: "
        )
    ends = [len(typed)] if content.startswith(typed) else []
    for before in _BEFORE:
        place = content.rfind(before + typed)
        if place >= 0:
            ends.append(place + len(before) + len(typed))
    return any(end == len(content) or content.startswith(_BEHIND, end) for end in ends)
