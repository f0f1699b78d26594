"""What a task brings along, typed and frozen.

Values of the wrong type count as absent: the payload comes from a server that is not ours, and what the types
here leave out is reachable through ``task.raw``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Protocol, TypeVar, overload

import msgspec

from .protocol.frames import text

if TYPE_CHECKING:
    from .api import ArinovaClient
    from .attachments import Attachment, AttachmentSource

Payload = Mapping[str, object]
T = TypeVar("T")


def _refuse_writes(*_: object, **__: object) -> NoReturn:
    raise TypeError("what the server sent is read-only; dict(...) makes a copy that is not")


_refused: Any = _refuse_writes  # in the place of methods of many signatures


class ReadOnlyDict(dict[str, Any]):
    """A dict that refuses writes, and that ``json.dumps``, ``copy`` and ``pickle`` take like any other."""

    __slots__ = ()

    __setitem__ = __delitem__ = __ior__ = _refused
    clear = pop = popitem = setdefault = update = _refused

    def __reduce__(self) -> tuple[type[ReadOnlyDict], tuple[dict[str, Any]]]:
        return type(self), (dict(self),)


class HasPayload(Protocol):
    """A task, as far as it is needed here."""

    _payload: Payload
    _made: dict[str, Any]


class PayloadText:
    """A property of a task: the string under a key of its payload, None if there is none.

    Args:
        key: in the payload.
        doc: the property's documentation.
    """

    def __init__(self, key: str, doc: str) -> None:
        self._key = key
        self.__doc__ = doc

    @overload
    def __get__(self, task: None, owner: type) -> PayloadText: ...
    @overload
    def __get__(self, task: HasPayload, owner: type) -> str | None: ...
    def __get__(self, task: HasPayload | None, owner: type) -> PayloadText | str | None:
        return self if task is None else text(task._payload, self._key)

    def __set__(self, task: HasPayload, value: NoReturn) -> NoReturn:
        raise AttributeError("a task is read-only")


class PayloadValue(Generic[T]):
    """A property of a task: what is made of its payload, when it is first asked for.

    Args:
        make: makes it.
        doc: the property's documentation.
    """

    def __init__(self, make: Callable[[Payload], T], doc: str) -> None:
        self._make = make
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, task: None, owner: type) -> PayloadValue[T]: ...
    @overload
    def __get__(self, task: HasPayload, owner: type) -> T: ...
    def __get__(self, task: HasPayload | None, owner: type) -> PayloadValue[T] | T:
        if task is None:
            return self
        if self._name not in task._made:
            task._made.setdefault(self._name, self._make(task._payload))
        made: T = task._made[self._name]
        return made

    def __set__(self, task: HasPayload, value: NoReturn) -> NoReturn:
        raise AttributeError("a task is read-only")


class Member(msgspec.Struct, frozen=True):
    """An agent in the task's conversation, the answering one included."""

    agent_id: str
    agent_name: str


class ReplyTo(msgspec.Struct, frozen=True):
    """The message that the user replied to; the March 2026 server cuts its content to 500 bytes."""

    role: str
    content: str
    sender_agent_name: str | None = None
    id: str | None = None
    sender_agent_id: str | None = None
    sender_username: str | None = None


class HistoryMessage(msgspec.Struct, frozen=True):
    """An earlier message of the conversation, error texts included.

    created_at is as sent: the March 2026 server writes UTC without a zone, ``YYYY-MM-DD HH:MM:SS``.
    """

    role: str
    content: str
    created_at: str | None = None
    sender_agent_name: str | None = None
    sender_username: str | None = None


class AvailableSkill(msgspec.Struct, frozen=True):
    """A skill that is installed on the agent."""

    slug: str
    name: str
    description: str = ""
    slash_command: str | None = None


def members(payload: Payload) -> tuple[Member, ...]:
    """Return the payload's members."""
    return _each(payload, "members", _member)


def history(payload: Payload) -> tuple[HistoryMessage, ...]:
    """Return the payload's history, oldest first."""
    return _each(payload, "history", _history_message)


def attachments(payload: Payload, api: Callable[[], ArinovaClient]) -> tuple[Attachment, ...]:
    """Return the payload's attachments, which are fetched with the client that ``api`` returns."""
    if not payload.get("attachments"):
        return ()
    from .attachments import AttachmentSource  # here: most tasks come without

    return _each(payload, "attachments", partial(_attachment, AttachmentSource(api)))


def available_skills(payload: Payload) -> tuple[AvailableSkill, ...]:
    """Return the payload's skills."""
    return _each(payload, "availableSkills", _available_skill)


def reply_to(payload: Payload) -> ReplyTo | None:
    """Return the message that the payload replies to."""
    value = payload.get("replyTo")
    if not isinstance(value, dict):
        return None
    return ReplyTo(
        text(value, "role") or "",
        text(value, "content") or "",
        text(value, "senderAgentName"),
        text(value, "id"),
        text(value, "senderAgentId"),
        text(value, "senderUsername"),
    )


def _each(payload: Payload, key: str, build: Callable[[Payload], T | None]) -> tuple[T, ...]:
    values = payload.get(key)
    if not isinstance(values, list):
        return ()
    built = (build(value) for value in values if isinstance(value, dict))
    return tuple(value for value in built if value is not None)


def _member(value: Payload) -> Member | None:
    agent_id, name = text(value, "agentId"), text(value, "agentName")
    return Member(agent_id, name) if agent_id and name else None


def _history_message(value: Payload) -> HistoryMessage | None:
    role, content = text(value, "role"), text(value, "content")
    if role is None or content is None:
        return None
    return HistoryMessage(
        role,
        content,
        text(value, "createdAt"),
        text(value, "senderAgentName"),
        text(value, "senderUsername"),
    )


def _attachment(source: AttachmentSource, value: Payload) -> Attachment | None:
    from .attachments import Attachment

    url = text(value, "url")
    if not url:
        return None
    size = value.get("fileSize")
    return Attachment(
        text(value, "id") or "",
        text(value, "fileName") or "",
        text(value, "fileType") or "application/octet-stream",
        size if isinstance(size, int) and not isinstance(size, bool) else 0,
        url,
        source,
    )


def _available_skill(value: Payload) -> AvailableSkill | None:
    slug = text(value, "slug")
    if not slug:
        return None
    return AvailableSkill(
        slug,
        text(value, "name") or slug,
        text(value, "description") or "",
        text(value, "slashCommand"),
    )
