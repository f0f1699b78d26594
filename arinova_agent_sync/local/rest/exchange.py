"""A request as the routes see it, and the answers that they give."""

from __future__ import annotations

import re
import uuid
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Union

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope

from ..records import AgentAccount, Conversation, User, as_uuid
from .store import encoded

if TYPE_CHECKING:
    from ..hub import Hub

Body = type[msgspec.Struct]
Values = dict[str, Any]  # of a body or a row, by the columns' names

_INT32 = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]  # what the server keeps whole numbers in
TEXT, NUMBER, ID = (Union[str, None], None), (Union[_INT32, None], None), (Union[uuid.UUID, None], None)

# A NUL as JSON escapes it; of the backslashes in front, each two are one that has nothing to do with it.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Refused(Exception):
    """End a request with an answer that says why."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class ApiRequest(Request):
    """Show one request.

    Args:
        scope: as the application got it.
        receive: as the application got it.
        hub: what the routes work with.

    Attributes:
        store: the database.
        hub: the chat behind its lock, which is never held over a call into the database.
        august: whether the answers are those of August 2026.
        caller: whose token it has; only handlers of public routes meet None.
        data: its body, None if that was too large.
    """

    def __init__(self, scope: Scope, receive: Receive, hub: Hub) -> None:
        super().__init__(scope, receive)
        self.store, self.hub, self.august = hub.store, hub, hub.chat.rules.august
        self.caller = self._caller()
        self.data: bytes | None = b""

    def _caller(self) -> AgentAccount | None:
        # A bot token without the prefix works on the socket and on the older routes, and not here.
        token = self.headers.get("x-agent-token", "").strip()
        if not token:
            scheme, _, token = self.headers.get("authorization", "").partition(" ")
            token = token.strip() if scheme.lower() == "bearer" else ""
            v1 = not self.scope["path"].startswith("/api/agent/")
            if v1 and (not token.startswith("ari_") or token.startswith("ari_cli_")):
                return None
        return self.hub.chat.roster.find(token)

    async def collect(self, limit: int) -> None:
        """Read the body to its end, and keep it unless it is larger than its limit."""
        blocks: list[bytes] = []
        size = 0
        async for block in self.stream():
            size += len(block)
            if size <= limit:
                blocks.append(block)
        self.data = b"".join(blocks) if size <= limit else None

    def admit(self) -> None:
        """Refuse whoever has no token, and whoever is a user and an agent at once, which v1 alone notices."""
        if (
            "x-agent-token" in self.headers
            and self.scope["path"].startswith("/api/v1/")
            and self._has_session()
        ):
            refuse(400, "A session and X-Agent-Token exclude each other")
        _ = self.agent

    def _has_session(self) -> bool:
        # Nobody has one here, and it is not known what the real one's cookie is called.
        return any("session" in name.lower() for name in self.cookies)

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

    @property
    def owner(self) -> User:
        """Who owns the agents."""
        with self.hub.lock:
            return self.hub.chat.owner

    @property
    def conversations(self) -> list[Conversation]:
        """The conversations that the agent is in, oldest first."""
        with self.hub.lock:
            return [each for each in self.hub.chat.conversations.values() if self.agent in each.agents]

    def conversation(self, conversation_id: str) -> Conversation:
        """Return a conversation; refuse one that is not there, or that the agent is not in."""
        with self.hub.lock:
            found = self.hub.chat.conversations.get(as_uuid(conversation_id) or "")
        if found is None or self.agent not in found.agents:
            refuse(403, "Not a member of this conversation")
        return found

    def text(self, name: str = "id") -> str:
        """Return a part of the path."""
        return str(self.path_params[name])

    def id(self, name: str = "id") -> str:
        """Return a part of the path that has to be a UUID; refuse others as axum's extractor does."""
        found = as_uuid(self.text(name))
        if found is None:
            refuse_plainly(400, f"Invalid URL: Cannot parse `{name}` with value `{self.text(name)}`: no UUID")
        return found

    def number(self, name: str, default: int, least: int = 1, most: int = 2**62) -> int:
        """Return a number of the query, cut to its bounds."""
        text = self.query_params.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            refuse_plainly(400, f"Failed to deserialize query string: {name}: invalid digit found in string")
        return min(max(least, int(text)), most)

    def page(self, default: int, most: int, skips: bool = True) -> tuple[int, int]:
        """Return the limit and the offset of the query, which not every route knows."""
        return self.number("limit", default, most=most), self.number("offset", 0, least=0) if skips else 0

    def flag(self, name: str) -> bool | None:
        """Return a parameter that is true or false."""
        text = self.query_params.get(name)
        if text not in (None, "true", "false"):
            refuse_plainly(400, f"Failed to deserialize query string: {name}: not `true` or `false`")
        return None if text is None else text == "true"

    def read(self, kind: Body, nul: int = 400) -> Values:
        """Return what the body says, null being nothing; refuse others as axum's extractor does.

        ``nul`` is the status for a text with a NUL, which PostgreSQL does not keep.
        """
        content_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "application/json" and not content_type.endswith("+json"):
            refuse_plainly(415, "Expected request with `Content-Type: application/json`")
        if self.data is None:
            refuse_plainly(413, "Failed to buffer the request body: length limit exceeded")
        try:
            values = msgspec.structs.asdict(msgspec.json.decode(self.data, type=kind))
        except msgspec.ValidationError as problem:
            refuse_plainly(422, f"Failed to deserialize the JSON body into the target type: {problem}")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            refuse_plainly(400, f"Failed to parse the request body as JSON: {problem}")
        if b"\\u0000" in self.data and _NUL.search(self.data):
            refuse(nul, "Database error" if nul == 500 else "A text must not hold a NUL")
        as_text = {name: str(value) for name, value in values.items() if isinstance(value, uuid.UUID)}
        return {name: value for name, value in {**values, **as_text}.items() if value is not None}


def body(strict: bool = False, snake: bool = False, **fields: Any) -> Body:
    """Describe a JSON body by the type of each field, or a type and a default.

    A strict one refuses fields that it does not know; the names are in camel case unless they are in snake case.
    """
    given = [(name, *kind) if isinstance(kind, tuple) else (name, kind) for name, kind in fields.items()]
    make = partial(msgspec.defstruct, "Body", given, forbid_unknown_fields=strict, kw_only=True)
    return make() if snake else make(rename="camel")


def answer(value: object, status: int = 200) -> Response:
    """Return an answer of JSON."""
    return Response(encoded(value), status, media_type="application/json")


def empty(status: int = 204) -> Response:
    """Return an answer without a body."""
    return Response(status_code=status)


def done(**more: Any) -> Response:
    """Return the March 2026 server's way to say that something was done."""
    return answer({"ok": True, **more})


def error(status: int, text: str) -> Response:
    """Return an error in the server's JSON."""
    return answer({"error": text}, status)


def refuse(status: int, text: str) -> NoReturn:
    """End the request with an error in the server's JSON."""
    raise Refused(error(status, text))


def refuse_plainly(status: int, text: str) -> NoReturn:
    """End the request with a plain text, as axum's extractors do."""
    raise Refused(Response(text.encode("utf-8", "replace"), status, media_type="text/plain"))
