"""What the server's answers hold, typed and frozen.

Fields that a model does not know, and those of an unexpected type, are in its ``extra`` under the server's names:
the server is not ours, and one odd field must not cost the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec

from .values import JSON, JSONObject

Reader = Callable[[JSON], object]


class Unfit(ValueError):
    """A value lacks what a model cannot do without."""


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel", repr_omit_defaults=True):
    """What all models share.

    Attributes:
        extra: whatever else the server sent, under its names.
    """

    extra: Mapping[str, JSON] = {}


class MessageAttachment(Model, frozen=True):
    """A file at a message; file_size in bytes, duration in seconds, width and height in pixels."""

    id: str
    message_id: str | None = None
    file_name: str | None = None
    file_type: str | None = None
    file_size: int | None = None
    url: str | None = None
    duration: float | None = None
    width: float | None = None
    height: float | None = None
    created_at: str | None = None


class RepliedMessage(Model, frozen=True):
    """The message that another one replies to; the March 2026 server cuts its content to 200 bytes."""

    role: str | None = None
    content: str | None = None
    sender_agent_name: str | None = None


class Message(Model, frozen=True):
    """A message of a conversation. While an agent still streams it, its content is empty."""

    id: str
    conversation_id: str | None = None
    seq: int | None = None
    role: str | None = None
    content: str = ""
    status: str | None = None
    sender_agent_id: str | None = None
    sender_agent_name: str | None = None
    sender_user_id: str | None = None
    sender_username: str | None = None
    sender_user_name: str | None = None
    sender_user_image: str | None = None
    sender_is_verified: bool | None = None
    reply_to_id: str | None = None
    reply_to: RepliedMessage | None = None
    thread_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    attachments: tuple[MessageAttachment, ...] = ()


class SentMessage(Model, frozen=True):
    """The receipt for a message; the August 2026 server may leave it empty."""

    message_id: str | None = None
    seq: int | None = None


class FoundMessage(Model, frozen=True):
    """A message that a search found."""

    message_id: str
    conversation_id: str | None = None
    sender_name: str | None = None
    content: str = ""
    created_at: str | None = None


class UploadedFile(Model, frozen=True):
    """An uploaded file; file_size in bytes. Its url is absolute; put it into a message for people to see it."""

    url: str
    file_name: str | None = None
    file_type: str | None = None
    file_size: int | None = None


class Conversation(Model, frozen=True):
    """A conversation that the agent is in."""

    id: str
    type: str | None = None
    name: str | None = None
    updated_at: str | None = None


class Note(Model, frozen=True):
    """A note. The March 2026 server sends neither creator_name nor agent_name."""

    id: str
    title: str = ""
    content: str | None = None
    tags: tuple[str, ...] = ()
    notebook_id: str | None = None
    creator_name: str | None = None
    agent_name: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class Notebook(Model, frozen=True):
    """A notebook."""

    id: str
    name: str | None = None


class Column(Model, frozen=True):
    """A column of a board."""

    id: str
    name: str = ""
    board_id: str | None = None
    sort_order: float | None = None
    wip_limit: int | None = None
    column_type: str | None = None


class Board(Model, frozen=True):
    """A board. The March 2026 server lists it with its columns, the August 2026 server without."""

    id: str
    name: str = ""
    created_at: str | None = None
    archived: bool | None = None
    owner_id: str | None = None
    owner_username: str | None = None
    columns: tuple[Column, ...] | None = None


class Label(Model, frozen=True):
    """A label of a board; its colour as #rrggbb."""

    id: str
    board_id: str | None = None
    name: str = ""
    color: str | None = None


class Card(Model, frozen=True):
    """A card of a board."""

    id: str
    title: str = ""
    description: str | None = None
    priority: str | None = None
    column_id: str | None = None
    column_name: str | None = None
    board_id: str | None = None
    sort_order: float | None = None
    labels: tuple[Label, ...] = ()
    created_at: str | None = None
    updated_at: str | None = None


class CardCommit(Model, frozen=True):
    """A commit that belongs to a card."""

    commit_hash: str
    card_id: str | None = None
    message: str | None = None
    url: str | None = None
    created_at: str | None = None


class CardNote(Model, frozen=True):
    """A note that is linked to a card."""

    id: str
    title: str = ""
    tags: tuple[str, ...] = ()
    created_at: str | None = None


class Memory(Model, frozen=True):
    """Something that an agent remembers; tier is hot, warm or cold."""

    id: str
    category: str | None = None
    tier: str | None = None
    summary: str = ""
    detail: str | None = None
    pattern_key: str | None = None
    agent_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class MemoryMatch(Model, frozen=True):
    """A memory that a search found.

    Attributes:
        content: its text.
        category: its kind; on the March 2026 server the name of its capsule.
        score: how well it fits.
        origin: "self", "system" or "shared-from-" and the first 8 digits of an agent's id, if the server says so.
        id: the memory's id; on the March 2026 server the capsule's.
    """

    content: str
    category: str | None = None
    score: float | None = None
    origin: str | None = None
    id: str | None = None


class SkillPrompt(Model, frozen=True):
    """What a skill tells the model."""

    prompt_content: str | None = None
    prompt_template: str | None = None
    parameters: tuple[JSONObject, ...] = ()


class Action(Model, frozen=True):
    """An action of the platform; the schemas are JSON Schema."""

    name: str
    version: str | None = None
    description: str | None = None
    prompt_summary: str | None = None
    input_schema: JSONObject | None = None
    output_schema: JSONObject | None = None
    confirmation: object = None
    max_execution_ms: int | None = None
    max_arguments_bytes: int | None = None
    deprecated: object = None
    replacement_action: str | None = None
    removed: object = None


class ActionManifest(Model, frozen=True):
    """The actions that an agent may call."""

    manifest_version: str | int | None = None
    actions: tuple[Action, ...] = ()


M = TypeVar("M", bound=Model)


def parse(kind: type[M], value: JSON) -> M:
    """Return a JSON object as a model; raise Unfit for one without a required field, and for another value."""
    if not isinstance(value, dict):
        raise Unfit(f"{kind.__name__}: a JSON object was expected, not {type(value).__name__}")
    readers = _readers(kind)
    known: dict[str, Any] = {}
    extra: JSONObject = {}
    for name, item in value.items():
        if name not in readers:
            extra[name] = item
            continue
        attribute, read = readers[name]
        if item is None:
            continue  # the field's default says the same
        try:
            known[attribute] = read(item)
        except (ValueError, msgspec.ValidationError):  # UnicodeEncodeError for "\ud800" in place of a number
            extra[name] = item
    try:
        return kind(**known, extra=extra)
    except TypeError as error:
        raise Unfit(f"{kind.__name__}: {error}") from None


@cache
def _readers(kind: type[Model]) -> dict[str, tuple[str, Reader]]:
    """Return by the server's name of each field: its name here, and what turns its JSON into its type."""
    return {
        field.encode_name: (field.name, _reader(field.type))
        for field in msgspec.structs.fields(kind)
        if field.name != "extra"
    }


def _reader(wanted: Any) -> Reader:
    if wanted is object:
        return _as_it_is
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType) and len(arguments) == 2 and type(None) in arguments:
        return _reader(next(part for part in arguments if part is not type(None)))
    if origin is tuple:
        return partial(_each, _reader(arguments[0]))
    if origin is dict:
        return partial(msgspec.convert, type=dict)
    if isinstance(wanted, type) and issubclass(wanted, Model):
        return partial(parse, wanted)
    return partial(msgspec.convert, type=wanted)


def _as_it_is(value: JSON) -> object:
    return value


def _each(read: Reader, value: JSON) -> object:
    if not isinstance(value, list):
        raise Unfit("a list was expected")
    return tuple(map(read, value))
