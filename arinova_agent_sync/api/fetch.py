"""Files from URLs that somebody else wrote: from the public internet and the server itself, nowhere else.

Each host is looked up once, each of its addresses must be public, and the connection goes to one of those
addresses: a name that stands for another one a moment later gains nothing. Each redirect is checked likewise.

A proxy would look names up by itself. Therefore it is asked for a connection to a checked address, not to a
name; a program whose proxy refuses that, or that cannot look names up itself, gets an ApiError.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urljoin, urlsplit

from .._version import __version__
from ..argument_checks import count, seconds
from ..errors import ApiError
from ..net.abortable_wait import AbortableWait
from ..net.deadline import Deadline
from ..net.forks import importing
from ..net.proxies import proxy_for
from ..net.resolver import Address, resolve
from ..net.tls import default_context
from . import failures
from .addresses import is_public
from .origin import Origin
from .routes import target
from .values import identifier

if TYPE_CHECKING:
    from .exchange import Exchange

MAX_BYTES = 50 * 1024 * 1024
MAX_SECONDS = 30.0
_MAX_REDIRECTS = 5
_MAX_ERROR_BODY = 64 * 1024  # bytes
_LONGEST = 86_400.0  # seconds
_ALONE = "; files.fetch(url) gets one without a budget)"


class Budget:
    """Bytes and seconds that several fetches share, such as those of one task. Thread-safe.

    Args:
        max_bytes: bytes in all, 64 MiB by default.
        max_seconds: seconds in all that fetches may take, 30 by default.
    """

    def __init__(self, max_bytes: int = 64 * 1024 * 1024, max_seconds: float = 30.0) -> None:
        self.max_bytes = count("max_bytes", max_bytes, 0, 1 << 50)
        self.max_seconds = seconds("max_seconds", max_seconds, 0.0, _LONGEST)
        self._lock = Lock()
        self._bytes = self.max_bytes
        self._seconds = self.max_seconds

    @property
    def bytes_left(self) -> int:
        """Bytes that may still be fetched."""
        return self._bytes

    @property
    def seconds_left(self) -> float:
        """Seconds that fetches may still take."""
        return self._seconds

    def spend(self, size: int = 0, time: float = 0.0) -> bool:
        """Take bytes and seconds off; return whether there were that many bytes."""
        with self._lock:
            self._seconds = max(0.0, self._seconds - time)
            enough = size <= self._bytes
            self._bytes = max(0, self._bytes - size)
            return enough


def fetch(
    url: str,
    *,
    base_url: str,
    token: str | None = None,
    proxy: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    max_bytes: int = MAX_BYTES,
    timeout: float = MAX_SECONDS,
    budget: Budget | None = None,
    sink: Callable[[bytes], object] | None = None,
) -> bytes:
    """Return the content of a URL of the public internet or of the server itself.

    Args:
        url: absolute, or relative to base_url.
        base_url: the server's URL; its origin may have a private address.
        token: the bot token; it goes to the server's origin only, and no more once a redirect led elsewhere.
        proxy: as for ArinovaClient.
        ssl_context: as for ArinovaClient; one that verifies nothing is used for the server's origin only.
        max_bytes: the most the content may have, unpacked.
        timeout: seconds for everything.
        budget: what this fetch shares with others.
        sink: takes the content block by block instead; nothing is returned then, and it may have got some blocks
            when the fetch fails.

    Raises ApiError for an address that is not public, a content that is too large, a status that is no success;
    ApiConnectionError, ApiTimeoutError; and what the sink raises.
    """
    max_bytes = count("max_bytes", max_bytes, 0, 1 << 50)
    seconds_left = seconds("timeout", timeout, 0.0, _LONGEST)
    identifier("url", url)
    try:
        whole = absolute(url, base_url)
        name = _name(urlsplit(whole))
    except ValueError as error:
        raise ApiError(f"GET refused: invalid URL: {error}") from None
    if budget is not None:
        seconds_left = min(seconds_left, budget.seconds_left)
        if not seconds_left or not budget.bytes_left:
            raise ApiError(
                f"{name} not sent: the budget for attachments is used up ({budget.max_bytes} bytes and "
                f"{budget.max_seconds:g} s in all{_ALONE}",
                request=name,
            )
    content = bytearray()
    deadline = Deadline(seconds_left)
    visit = _Visit(base_url, token, proxy, ssl_context, deadline)
    try:
        with visit.open(whole) as exchange:
            for block in exchange.blocks(max_bytes):
                if budget is not None and not budget.spend(size=len(block)):
                    raise ApiError(
                        f"{visit.name} response exceeds configured limit ({budget.max_bytes} bytes for "
                        f"attachments in all{_ALONE}",
                        status=exchange.status,
                        request=visit.name,
                    )
                (sink or content.extend)(block)
    finally:
        if budget is not None:
            budget.spend(time=seconds_left - deadline.left(inf))
    return bytes(content)


def absolute(url: str, base_url: str) -> str:
    """Return a URL of the server's, which may be relative, as an absolute one."""
    if url.startswith("/") and not url.startswith("//"):
        return base_url + url  # a base path in front of the server is kept
    return urljoin(f"{base_url}/", url)


class _Visit:
    """One fetch, from redirect to redirect."""

    def __init__(
        self,
        base_url: str,
        token: str | None,
        proxy: str | None,
        ssl_context: ssl.SSLContext | None,
        deadline: Deadline,
    ) -> None:
        self._home = Origin.of(urlsplit(base_url))
        self._token = token
        self._proxy = proxy
        self._ssl_context = ssl_context
        self._deadline = deadline
        self.name = ""

    @contextmanager
    def open(self, url: str) -> Iterator[Exchange]:
        """Yield the answer with the content."""
        for _ in range(_MAX_REDIRECTS + 1):
            with self._visited(url) as exchange:
                location = exchange.location
                if location is None:
                    if exchange.status >= 300:
                        raw = exchange.read_beginning(_MAX_ERROR_BODY)
                        raise failures.refusal(
                            self.name, exchange.status, exchange.reason, exchange.headers, raw
                        )
                    yield exchange
                    return
                try:
                    url = urljoin(url, location)
                except ValueError:
                    raise self._refused("it redirects to an invalid URL") from None
        raise self._refused(f"more than {_MAX_REDIRECTS} redirects")

    @contextmanager
    def _visited(self, url: str) -> Iterator[Exchange]:
        with importing():
            from .connections import NETWORK_ERRORS
            from .exchange import Pool, open_exchange

        parts = urlsplit(url)
        self.name = _name(parts)
        origin = self._origin(parts)
        headers = {
            "Host": origin.netloc,
            "User-Agent": f"arinova-agent-sync/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "gzip",
        }
        addresses = None
        if origin == self._home:
            if self._token is not None:
                headers["Authorization"] = f"Bearer {self._token}"
        else:
            self._token = None
            try:
                addresses = self._checked(origin)
            except NETWORK_ERRORS as error:
                raise failures.unanswered(self.name, error, self._deadline) from error
        pool = Pool(origin, self._tls(origin), proxy_for(url, self._proxy), addresses)
        try:
            with open_exchange(self.name, pool, self._deadline, "GET", target(parts), headers) as exchange:
                yield exchange
        finally:
            pool.close()

    def _origin(self, parts: SplitResult) -> Origin:
        if parts.scheme.lower() not in ("http", "https"):
            raise self._refused("its URL is neither http nor https")
        if parts.username is not None or parts.password is not None:
            raise self._refused("its URL contains a user or a password")
        try:
            origin = Origin.of(parts)
        except ValueError:  # UnicodeError included
            raise self._refused("its host or port is invalid") from None
        if not origin.host:
            raise self._refused("its URL has no host")
        return origin

    def _checked(self, origin: Origin) -> list[Address]:
        with AbortableWait() as wait:
            addresses = resolve(origin.host, origin.port, self._deadline, wait)
        if not addresses or not all(is_public(address.host) for address in addresses):
            # The address itself stays out of the text: it would tell about the network in here.
            raise self._refused("its host has an address that is not public")
        return addresses

    def _tls(self, origin: Origin) -> ssl.SSLContext | None:
        if origin.scheme != "https":
            return None
        given = self._ssl_context
        if given is not None and (origin == self._home or given.verify_mode == ssl.CERT_REQUIRED):
            return given
        return default_context()

    def _refused(self, why: str) -> ApiError:
        return ApiError(f"{self.name} refused: {why}", request=self.name)


def _name(parts: SplitResult) -> str:
    # Without user, password and query: signed URLs carry their secret there.
    return f"GET {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
