"""One request and its answer on one connection, with every foreign exception turned into one of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

from ..net.deadline import Deadline
from ..net.guarded_socket import Aborted
from . import failures
from .bodies import BodyTooLarge, BrokenBody, limited, unpacked
from .connections import NETWORK_ERRORS, Blocks, HttpConnection, UnsentError
from .pool import Pool

__all__ = ["Exchange", "Pool", "open_exchange"]

if TYPE_CHECKING:
    from urllib3 import HTTPResponse

_BLOCK = 64 * 1024  # bytes
_REDIRECTS = (301, 302, 303, 307, 308)


class Exchange:
    """An answer whose head has arrived; a context manager that frees the connection.

    Attributes:
        status, reason, headers: the answer's; header names in any case.
    """

    def __init__(self, name: str, pool: Pool, connection: HttpConnection, answer: HTTPResponse) -> None:
        self.status = answer.status
        self.reason = answer.reason or ""
        self.headers: Mapping[str, str] = answer.headers
        self._name = name
        self._pool = pool
        self._connection = connection
        self._answer = answer
        self._finished = False

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        if self._finished and self._connection.whole:
            self._pool.give_back(self._connection)
            return
        self._answer.close()  # it keeps the socket open where the server said that it would close
        self._pool.drop(self._connection)

    @property
    def location(self) -> str | None:
        """Where a redirect leads to; None for another answer."""
        location = self.headers.get("Location") if self.status in _REDIRECTS else None
        if location is None or location.isascii():
            return location
        try:
            # http.client reads heads as Latin-1. Servers that do not percent-encode mean UTF-8.
            return location.encode("latin-1").decode()
        except UnicodeError:
            return location

    @property
    def size(self) -> int:
        """Bytes of the body, packed as it comes; 0 if the server does not say."""
        return self._answer.length_remaining or 0

    def blocks(self, limit: int) -> Iterator[bytes]:
        """Yield the body as it arrives, unpacked.

        Args:
            limit: the most bytes it may have.

        Raises ApiError for a larger one, ApiConnectionError for one that breaks off.
        """
        encoding = self.headers.get("Content-Encoding", "")
        announced = self._answer.length_remaining  # 0 for an answer to HEAD, whatever its head says
        if not encoding and announced is not None and announced > limit:
            raise failures.too_large(self._name, self.status, limit)
        try:
            yield from limited(unpacked(self._arriving(), encoding), limit)
        except BodyTooLarge:
            raise failures.too_large(self._name, self.status, limit) from None
        except (BrokenBody, *NETWORK_ERRORS) as error:
            raise failures.unanswered(self._name, error, self._connection.deadline, self.status) from error

    def read(self, limit: int) -> bytes:
        """Return the whole body; see blocks()."""
        return b"".join(self.blocks(limit))

    def read_beginning(self, limit: int) -> bytes:
        """Return as much of the body as comes, up to a limit in bytes; never raise for what does not come."""
        beginning = bytearray()
        try:
            for block in unpacked(self._arriving(), self.headers.get("Content-Encoding", "")):
                beginning += block
                if len(beginning) >= limit:
                    break
        except (BrokenBody, *NETWORK_ERRORS):
            pass  # the status says enough
        return bytes(beginning[:limit])

    def _arriving(self) -> Iterator[bytes]:
        while block := self._answer.read1(_BLOCK, decode_content=False):
            yield block
        self._finished = True


def open_exchange(
    name: str,
    pool: Pool,
    deadline: Deadline,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: Blocks | None = None,
    *,
    fresh: bool = False,
) -> Exchange:
    """Send a request and return the exchange once the head of its answer has arrived.

    Args:
        name: method and path, for errors.
        pool: the connections to the server.
        deadline: the end of the call.
        method, target, headers: the request.
        body: its blocks, from the beginning each time they are asked for.
        fresh: whether it must not meet a connection that was idle for long, because it cannot be repeated.

    Raises ApiConnectionError, or SourceError for what the body's own source raises.
    """
    while True:
        try:
            connection = pool.take(deadline, fresh=fresh)
        except Aborted as error:
            raise failures.unanswered(name, error, deadline) from error
        try:
            return Exchange(name, pool, connection, connection.ask(method, target, headers, body))
        except UnsentError as error:
            pool.drop(connection)
            if connection.idle_since is None:
                raise failures.unanswered(
                    name, cast(Exception, error.__cause__), deadline
                ) from error.__cause__
            # The server closed a kept connection without the whole request: another one may carry it.
        except NETWORK_ERRORS as error:
            pool.drop(connection)
            raise failures.unanswered(name, error, deadline) from error
        except BaseException:
            pool.drop(connection)
            raise
