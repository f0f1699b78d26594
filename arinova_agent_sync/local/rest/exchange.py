"""A request as a route sees it, and the answers it may give."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, NamedTuple, NoReturn, TypeVar
from urllib.parse import parse_qsl

import msgspec

from ..records import AgentAccount

B = TypeVar("B", bound="Body")

Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]  # what the server keeps whole numbers in

JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"

_UUID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.I)

# A NUL as JSON escapes it; of the backslashes in front, each two are one that has nothing to do with it.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Body(msgspec.Struct, rename="camel", kw_only=True):
    """What the JSON bodies share; fields that a route does not know are ignored."""


class Answer(NamedTuple):
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: Sequence[tuple[str, str]] = ()


class Refused(Exception):
    """End a request with an answer that says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass
class Request:
    """Show one request.

    Attributes:
        method: in capitals.
        path: all of it, decoded.
        parts: what stands in the path where the route has names in braces, in order.
        query_string: as it came.
        headers: by lower-case name; of several with one name the last.
        body: all of it.
        caller: whose token it has; only handlers of public routes meet None.
    """

    method: str
    path: str
    parts: Sequence[str]
    query_string: bytes
    headers: Mapping[bytes, bytes]
    body: bytes = b""
    caller: AgentAccount | None = field(default=None)

    @property
    def agent(self) -> AgentAccount:
        """Who asks."""
        if self.caller is None:
            raise Refused(error(401, "Unauthorized"))
        return self.caller

    @property
    def agent_id(self) -> str:
        """The id of who asks."""
        return self.agent.agent_id

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The parameters; of several with one name the last."""
        return dict(parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True))

    def uuid(self, place: int = 0) -> str:
        """Return a part of the path that has to be a UUID; refuse others as axum's extractor does."""
        text = self.parts[place]
        found = as_uuid(text)
        if found is None:
            refuse_plainly(
                400, f"Invalid URL: Cannot parse value at index {place} with value `{text}`: no UUID"
            )
        return found

    def number(self, name: str, default: int, least: int = 1, most: int | None = None) -> int:
        """Return a number of the query, cut to its bounds."""
        text = self.query.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            refuse_plainly(400, f"Failed to deserialize query string: {name}: invalid digit found in string")
        value = max(least, int(text))
        return value if most is None else min(value, most)

    def flag(self, name: str) -> bool | None:
        """Return a parameter that is true or false."""
        text = self.query.get(name)
        if text not in (None, "true", "false"):
            refuse_plainly(400, f"Failed to deserialize query string: {name}: not `true` or `false`")
        return None if text is None else text == "true"

    def json(self, kind: type[B]) -> B:
        """Return the body as what a route takes; refuse others as axum's extractor does."""
        content_type = self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if content_type != b"application/json" and not content_type.endswith(b"+json"):
            refuse_plainly(415, "Expected request with `Content-Type: application/json`")
        try:
            body = msgspec.json.decode(self.body, type=kind)
        except msgspec.ValidationError as problem:
            refuse_plainly(422, f"Failed to deserialize the JSON body into the target type: {problem}")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            refuse_plainly(400, f"Failed to parse the request body as JSON: {problem}")
        if b"\\u0000" in self.body and _NUL.search(self.body):
            # PostgreSQL has no NUL in its texts, and the failing query is all that the caller hears of it.
            refuse(500, "Database error")
        return body


def answer(value: object, status: int = 200) -> Answer:
    """Return an answer of JSON."""
    try:
        return Answer(status, msgspec.json.encode(value))
    except UnicodeEncodeError:  # half a surrogate pair, which a user's text may hold
        return Answer(status, json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))


def empty(status: int = 204) -> Answer:
    """Return an answer without a body."""
    return Answer(status, content_type="")


def done(**more: Any) -> Answer:
    """Return the March 2026 server's way to say that something was done."""
    return answer({"ok": True, **more})


def error(status: int, text: str) -> Answer:
    """Return an error in the server's JSON."""
    return answer({"error": text}, status)


def refuse(status: int, text: str) -> NoReturn:
    """End the request with an error in the server's JSON."""
    raise Refused(error(status, text))


def refuse_plainly(status: int, text: str) -> NoReturn:
    """End the request with a plain text, as axum's extractors do."""
    raise Refused(Answer(status, text.encode("utf-8", "replace"), TEXT_TYPE))


def as_uuid(text: object) -> str | None:
    """Return a UUID as it is usually written, None for what is none."""
    return str(uuid.UUID(text)) if isinstance(text, str) and _UUID.fullmatch(text) else None


def uuid_field(name: str, text: str) -> str:
    """Return a field of a body that has to be a UUID; refuse others as axum's extractor does."""
    found = as_uuid(text)
    if found is None:
        refuse_plainly(422, f"Failed to deserialize the JSON body into the target type: {name}: no UUID")
    return found


def changed(body: Body) -> dict[str, Any]:
    """Return what a body changes, by its Python names; refuse a body that changes nothing."""
    values = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not None}
    if not values:
        refuse(400, "No fields to update")
    return values
