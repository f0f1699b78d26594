"""The way of every call: token, deadline, retries, redirects, unchanged answers, errors."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from threading import Event, Lock
from typing import TYPE_CHECKING, TypeVar, Union, cast
from urllib.parse import urljoin, urlsplit

from .._version import __version__
from ..argument_checks import seconds
from ..errors import ApiConnectionError, ApiError, ApiTimeoutError, RateLimitError, ServerError
from ..log import logger
from ..net.chance import chance
from ..net.deadline import Deadline
from ..net.forks import importing, renew_after_fork
from ..net.proxies import proxy_for
from ..net.retry_after import retry_after
from ..net.tls import default_context
from ..protocol.json_values import JSONValue
from ..redaction import redact, redact_bytes, redact_error
from . import failures, routes
from .bodies import SourceError
from .etags import Entry, ETags, is_usable
from .origin import Origin
from .responses import ApiResponse
from .values import JSON, MalformedJSON, Parameter, decode, encode

if TYPE_CHECKING:
    from .connections import Blocks
    from .exchange import Exchange
    from .multipart import Form
    from .pool import Pool

T = TypeVar("T")
Timeout = Union[float, Deadline, None]

_LONGEST_CALL = 86_400.0  # seconds
_MAX_REDIRECTS = 5
_MAX_ERROR_BODY = 64 * 1024  # bytes
_BASE_DELAY = 0.1  # seconds
_MAX_JITTER = 0.05  # seconds


@dataclass(frozen=True)
class Options:
    """What a call may take: seconds in all, repetitions, bytes of its answer."""

    timeout: float = 30.0
    max_retries: int = 2
    max_response_bytes: int = 10 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """One call, checked and encoded.

    Attributes:
        token: the token it is made with, also if another one comes before its last try.
        method: in capitals.
        target: path and query, without the server's base path.
        headers: what it needs beyond the usual ones.
        body: its blocks, from the beginning each time they are asked for.
        repeatable: whether it may be sent twice.
        since: the server generation that brought the route, if not all have it.
    """

    token: str = field(repr=False)
    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Blocks | None = None
    repeatable: bool = False
    since: str | None = None

    @property
    def name(self) -> str:
        """Method and path, as errors and logs show them."""
        return f"{self.method} {self.target.partition('?')[0]}"


class RedirectedAway(ApiError):
    """The server redirects to another origin, to which the token does not go.

    Attributes:
        location: the URL there.
    """

    location: str = ""


class ApiSession:
    """What a client and those made with its with_options() share: server, token, connections. Thread-safe."""

    def __init__(
        self, server_url: str, token: str, proxy: str | None, ssl_context: ssl.SSLContext | None
    ) -> None:
        self.server_url = server_url
        self.base_path = routes.target(urlsplit(server_url)).rstrip("/")
        self.token = token
        logger.hide(token)
        self.proxy = proxy
        self.ssl_context = ssl_context
        self.etags = ETags()
        self.etags.belong_to(token)
        self.clock: Callable[[], float] = time.monotonic
        self._aborted = Event()
        self.pause: Callable[[float], object] = self._aborted.wait
        self.jitter: Callable[[], float] = chance
        self._lock = Lock()
        self._pool: Pool | None = None
        renew_after_fork(self.after_fork)

    def pool(self) -> Pool:
        """Return the connections to the server; the first call finds the proxy and imports urllib3.

        Raises ValueError for an environment variable about proxies or TLS that cannot be used.
        """
        if self._pool is not None:
            return self._pool
        with importing():  # exchange with it, and all that is built on urllib3
            from .exchange import Pool

        with self._lock:
            if self._pool is None:
                origin = Origin.of(urlsplit(self.server_url))
                tls = (self.ssl_context or default_context()) if origin.scheme == "https" else None
                self._pool = Pool(origin, tls, proxy_for(self.server_url, self.proxy))
                if self._aborted.is_set():
                    self._pool.abort()
            return self._pool

    def replace_token(self, token: str) -> None:
        """Use another token from the next request on, and forget what the old one was answered."""
        self.token = token
        logger.hide(token)
        self.etags.belong_to(token)

    def close(self) -> None:
        """Close the connections; a later call makes new ones."""
        if self._pool is not None:
            self._pool.close()

    def abort(self) -> None:
        """End the calls under way, with ApiConnectionError, and let there be no more."""
        self._aborted.set()
        with self._lock:
            pool = self._pool
        if pool is not None:
            pool.abort()

    def after_fork(self) -> None:
        """Take a new lock: the old one may be held by a thread that the child does not have."""
        self._lock = Lock()


class Transport:
    """Sends calls to one server. Thread-safe."""

    def __init__(self, session: ApiSession, options: Options) -> None:
        self.session = session
        self.options = options

    def deadline(self, timeout: Timeout = None) -> Deadline:
        """Return the end of a call that starts now; a call that is made of several passes it on."""
        if isinstance(timeout, Deadline):
            return timeout
        if timeout is None:
            timeout = self.options.timeout
        return Deadline(seconds("timeout", timeout, 0.0, _LONGEST_CALL), self.session.clock)

    def json(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Parameter] | None = None,
        json: JSONValue = None,
        form: Form | None = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        since: str | None = None,
        remember: bool = False,
        timeout: Timeout = None,
    ) -> ApiResponse:
        """Make a call whose answer is JSON, or empty.

        Args:
            method, path: the route.
            params: its query; those that are None are left out.
            json: its body.
            form: its body, as a form with files.
            headers: further headers.
            idempotency_key: allows the call to be repeated.
            since: the server generation that brought the route, if not all have it.
            remember: whether to keep the answer, and use it again when the server says that it is unchanged.
            timeout: seconds for the whole call, or the deadline of a call that this one is part of.
        """
        request = self.prepare(
            method,
            path,
            params=params,
            json=json,
            form=form,
            headers=headers,
            idempotency_key=idempotency_key,
            since=since,
        )
        limit = self.options.max_response_bytes
        if remember:
            return self._remembered(request, limit, timeout)
        return self.perform(
            request, lambda exchange: self._answer(request, exchange.status, exchange.read(limit)), timeout
        )

    def prepare(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Parameter] | None = None,
        json: JSONValue = None,
        form: Form | None = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        since: str | None = None,
    ) -> Request:
        """Check and encode a call; raise TypeError or ValueError for what cannot be sent."""
        method = routes.method_name(method)
        own = routes.header_fields(headers)
        body: Blocks | None = None
        if json is not None and form is not None:
            raise ValueError("a request has one body: json= or form=, not both")
        if json is not None:
            data = encode(json)
            body = lambda: (data,)  # noqa: E731
            own |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
        elif form is not None:
            body = form.blocks
            own |= {"Content-Type": form.content_type, "Content-Length": str(form.size)}
        elif method not in ("GET", "HEAD", "OPTIONS"):
            own["Content-Length"] = "0"
        if idempotency_key is not None:
            own["Idempotency-Key"] = routes.header_value("idempotency_key", idempotency_key)
        repeatable = method in ("GET", "HEAD") or "Idempotency-Key" in own
        return Request(self.session.token, method, path + routes.query(params), own, body, repeatable, since)

    def perform(self, request: Request, consume: Callable[[Exchange], T], timeout: Timeout = None) -> T:
        """Send a request, again where that is allowed and of use, and return what ``consume`` makes of the answer.

        Args:
            request: the call.
            consume: reads the answer; it may be called again if the answer breaks off.
            timeout: seconds for the whole call, or its deadline.

        Raises ApiError, or whatever ``consume`` and the body's source raise.
        """
        try:
            return self._perform(request, consume, timeout)
        except ApiError as error:  # a server may send the token back in any of its texts
            redact_error(error, request.token)
            raise

    def _perform(self, request: Request, consume: Callable[[Exchange], T], timeout: Timeout) -> T:
        deadline = self.deadline(timeout)
        retries = self.options.max_retries if request.repeatable else 0
        for attempt in range(retries + 1):
            try:
                with self.open(request, deadline, fresh=retries == 0) as exchange:
                    logger.debug("%s answered with status %d", request.name, exchange.status)
                    if exchange.status < 300 or (
                        exchange.status == 304 and "If-None-Match" in request.headers
                    ):
                        return consume(exchange)
                    error, asked = self.refusal(request, exchange)
            except SourceError as failed:
                raise cast(BaseException, failed.__cause__) from None
            except ApiTimeoutError:
                raise
            except ApiConnectionError as broken:
                error, asked = broken, None
            if attempt == retries or not _is_passing(error):
                raise error
            wait = _BASE_DELAY * 2**attempt + _MAX_JITTER * self.session.jitter() if asked is None else asked
            if wait >= deadline.left(inf):
                raise error
            logger.debug("%s failed with status %d, again in %.3f s", request.name, error.status, wait)
            self.session.pause(wait)
        raise AssertionError("the last try returns or raises")

    def open(self, request: Request, deadline: Deadline, *, fresh: bool) -> Exchange:
        """Send a request once, and to where redirects on the same origin lead."""
        session = self.session
        pool = session.pool()
        from .exchange import open_exchange  # which is there by now

        target = session.base_path + request.target
        for _ in range(_MAX_REDIRECTS + 1):
            headers = {
                "Host": pool.origin.netloc,
                "Authorization": f"Bearer {request.token}",
                "User-Agent": f"arinova-agent-sync/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                **request.headers,
            }
            exchange = open_exchange(
                request.name, pool, deadline, request.method, target, headers, request.body, fresh=fresh
            )
            location = exchange.location
            if location is None:
                return exchange
            with exchange:
                exchange.read_beginning(_MAX_ERROR_BODY)
                target = self._redirected(request, exchange.status, target, location)
        raise ApiError(f"{request.name} failed: more than {_MAX_REDIRECTS} redirects", request=request.name)

    def _redirected(self, request: Request, status: int, target: str, location: str) -> str:
        def refused(why: str) -> ApiError:
            text = f"{request.name} failed ({status}): {why}"
            return ApiError(text, status=status, request=request.name)

        pool = self.session.pool()
        try:
            url = urlsplit(urljoin(f"{pool.origin.scheme}://{pool.origin.netloc}{target}", location))
            origin = Origin.of(url)
        except ValueError:
            raise refused("the server redirects to an invalid URL") from None
        if origin != pool.origin:
            away = RedirectedAway(
                f"{request.name} failed ({status}): the server redirects to another origin, "
                f"{origin.scheme}://{origin.netloc}, to which the token does not go",
                status=status,
                request=request.name,
            )
            away.location = url.geturl()
            raise away
        if request.method not in ("GET", "HEAD") and status not in (307, 308):
            raise refused(f"a redirect with this status would turn the {request.method} into a GET")
        return routes.target(url)

    def refusal(self, request: Request, exchange: Exchange) -> tuple[ApiError, float | None]:
        """Return the error that an answer is, and for how many seconds the server wants to be left alone."""
        raw = redact_bytes(exchange.read_beginning(_MAX_ERROR_BODY), request.token)
        reason = redact(exchange.reason, request.token)
        error = failures.refusal(request.name, exchange.status, reason, exchange.headers, raw, request.since)
        return error, retry_after(exchange.headers.get("Retry-After", ""))

    def _remembered(self, request: Request, limit: int, timeout: Timeout) -> ApiResponse:
        etags = self.session.etags
        known = etags.get(request.token, request.target)
        if known is not None and len(known.body) <= limit:
            request = replace(request, headers={**request.headers, "If-None-Match": known.etag})

        def consume(exchange: Exchange) -> ApiResponse:
            raw = exchange.read(limit)
            if exchange.status == 304 and known is not None:
                return self._answer(request, 200, known.body)
            answer = self._answer(request, exchange.status, raw)
            if is_usable(etag := exchange.headers.get("ETag", "")):
                etags.put(request.token, request.target, Entry(etag, raw))
            return answer

        return self.perform(request, consume, timeout)

    def _answer(self, request: Request, status: int, raw: bytes) -> ApiResponse:
        return ApiResponse(request.name, status, self._decoded(request, status, raw), request.token)

    def _decoded(self, request: Request, status: int, raw: bytes) -> JSON:
        if not raw.strip():
            return None
        try:
            return decode(raw)
        except MalformedJSON as error:
            shown = redact_bytes(raw, request.token)
            raise failures.malformed(request.name, status, error, shown) from error


def _is_passing(error: ApiError) -> bool:
    """Whether the same request may fare better in a moment."""
    if isinstance(error, ApiConnectionError):
        return not isinstance(error.__cause__, ssl.SSLCertVerificationError)
    return isinstance(error, (RateLimitError, ServerError))
