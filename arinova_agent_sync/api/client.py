"""The HTTP client: what users touch."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType

from .. import argument_checks, settings
from ..protocol.json_values import JSONValue
from .multipart import FilePart, Form
from .resources.actions import Actions
from .resources.boards import Boards
from .resources.cards import Cards
from .resources.columns import Columns
from .resources.conversations import Conversations
from .resources.files import Files
from .resources.labels import Labels
from .resources.memories import Memories
from .resources.messages import Messages
from .resources.notebooks import Notebooks
from .resources.notes import Notes
from .resources.search import Search
from .resources.skills import Skills
from .routes import any_path
from .transport import ApiSession, Options, Transport
from .values import JSON, Parameter, identifier


class ArinovaClient:
    """Talks to an Arinova server over HTTP, from as many threads as you like.

    Args:
        server_url: http(s) or ws(s); by default the environment variable ARINOVA_SERVER_URL.
        bot_token: by default the environment variable ARINOVA_BOT_TOKEN.
        timeout: seconds that one call may take: connecting, repeating and the whole answer included.
        max_retries: how often a call is repeated when the network fails or the server answers 429 or 5xx: GET and
            HEAD, and what has an idempotency key. Nothing else is ever sent twice.
        max_response_bytes: the most that an answer may have, unpacked.
        proxy: http:// or socks5://[user:password@]host:port, "" for none; by default what the environment says.
        ssl_context: how to speak TLS; by default as the system does.

    Raises ValueError or TypeError for a wrong argument. Nothing connects before the first call.

        with ArinovaClient() as client:
            client.messages.send(conversation_id, "Good morning!")
    """

    def __init__(
        self,
        *,
        server_url: str | None = None,
        bot_token: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 2,
        max_response_bytes: int = 10 * 1024 * 1024,
        proxy: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        checked = settings.check(
            {"server_url": server_url, "bot_token": bot_token, "proxy": proxy, "ssl_context": ssl_context}
        )
        session = ApiSession(checked.server_url, checked.bot_token, checked.proxy, checked.ssl_context)
        self._use(Transport(session, _options(Options(), timeout, max_retries, max_response_bytes)))

    def _use(self, transport: Transport) -> None:
        self._transport = transport
        self.messages = Messages(transport)
        self.files = Files(transport)
        self.notes = Notes(transport)
        self.notebooks = Notebooks(transport)
        self.boards = Boards(transport)
        self.columns = Columns(transport)
        self.cards = Cards(transport)
        self.labels = Labels(transport)
        self.memories = Memories(transport)
        self.skills = Skills(transport)
        self.conversations = Conversations(transport)
        self.search = Search(transport)
        self.actions = Actions(transport)

    @property
    def server_url(self) -> str:
        """The server's URL, http or https, without a slash at the end."""
        return self._transport.session.server_url

    def with_options(
        self,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
        max_response_bytes: int | None = None,
    ) -> ArinovaClient:
        """Return a client with other bounds that shares this one's connections and token.

        Args:
            timeout: seconds that one call may take; None leaves it as it is, here and below.
            max_retries: how often a call is repeated.
            max_response_bytes: the most that an answer may have.

            client.with_options(timeout=5, max_retries=0).notes.list()
        """
        options = _options(self._transport.options, timeout, max_retries, max_response_bytes)
        client = object.__new__(type(self))
        client._use(Transport(self._transport.session, options))
        return client

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Parameter] | None = None,
        json: JSONValue = None,
        form: Mapping[str, str | FilePart] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> JSON:
        """Call any route, and return its JSON: None for an empty answer.

        Args:
            method: such as "GET".
            path: below /api/v1, such as "/platform-cron/jobs"; or from /api/ on.
            params: the query; a list repeats its name, None is left out.
            json: the body.
            form: the body as a form: texts, and files as FilePart.
            headers: further headers.
            idempotency_key: allows the call to be repeated, by which a server that knows such keys does it once.
            timeout: seconds for the whole call.

        Raises ApiError; TypeError or ValueError for what cannot be sent.

            client.request("GET", "/deliveries", params={"status": "pending"})
        """
        route = any_path(path)
        if form is None:
            return self._transport.json(
                method,
                route,
                params=params,
                json=json,
                headers=headers,
                idempotency_key=idempotency_key,
                timeout=timeout,
            ).value
        if not isinstance(form, Mapping):
            raise TypeError(f"form must be a mapping, not {type(form).__name__}")
        with Form(form) as opened:
            return self._transport.json(
                method,
                route,
                params=params,
                json=json,
                form=opened,
                headers=headers,
                idempotency_key=idempotency_key,
                timeout=timeout,
            ).value

    def request_bytes(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Parameter] | None = None,
        json: JSONValue = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """Call any route, and return its answer as it comes; otherwise as request()."""
        transport = self._transport
        request = transport.prepare(
            method,
            any_path(path),
            params=params,
            json=json,
            headers={"Accept": "*/*", **(headers or {})},
            idempotency_key=idempotency_key,
        )
        limit = transport.options.max_response_bytes
        return transport.perform(request, lambda exchange: exchange.read(limit), timeout)

    def replace_token(self, token: str) -> None:
        """Use another bot token from the next call on, here and in all clients made with with_options()."""
        self._transport.session.replace_token(settings.bot_token(identifier("token", token)))

    def close(self) -> None:
        """Close all connections; those in use are closed when their call is over. A later call makes new ones."""
        self._transport.session.close()

    def __enter__(self) -> ArinovaClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(server_url={self.server_url!r})"


def abort(client: ArinovaClient) -> None:
    """End the calls of a client in other threads at once, with ApiConnectionError, and let it make no more."""
    client._transport.session.abort()


def _options(
    options: Options, timeout: float | None, max_retries: int | None, max_response_bytes: int | None
) -> Options:
    if timeout is not None:
        options = replace(options, timeout=argument_checks.seconds("timeout", timeout))
    if max_retries is not None:
        options = replace(options, max_retries=argument_checks.count("max_retries", max_retries, 0, 100))
    if max_response_bytes is not None:
        limit = argument_checks.count("max_response_bytes", max_response_bytes, 1, 1 << 40)
        options = replace(options, max_response_bytes=limit)
    return options
