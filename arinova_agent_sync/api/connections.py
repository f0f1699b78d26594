"""One connection to a server, from its address to the answers on it. The only module that imports urllib3.

urllib3's connections speak HTTP here; its pool manager does not fit. It can bound one read but not one call, and
it cannot say which request must not meet a connection that the server may be about to close.
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError

from ..log import WithoutTokens
from ..net.abortable_wait import AbortableWait
from ..net.deadline import Deadline
from ..net.dial import dial
from ..net.guarded_socket import Aborted, SocketGuard
from ..net.proxies import Proxy
from ..net.resolver import Address
from .bodies import SourceError
from .http_stream import FinalResponse, HttpStream
from .origin import Origin

for _name in ("urllib3.connection", "urllib3.response"):  # they log headers that they cannot read
    logging.getLogger(_name).addFilter(WithoutTokens())

NETWORK_ERRORS = (OSError, http.client.HTTPException, HTTPError, UnicodeError)

Blocks = Callable[[], Iterable[bytes]]  # a request's body, from its beginning each time

# A request that must not be sent twice goes out on a new connection rather than on one that was idle for
# longer: a server whose keep-alive ends (after 5 s with many, 2 s at the least) might close it at that moment.
_FRESH_SECONDS = 1.0

# Some servers close after each answer without a word. Until a connection has been used again once, such a request
# waits this long after the answer for the end that may be on its way.
_SETTLING_SECONDS = 0.05


class UnsentError(Exception):
    """The connection ended before the request had left whole, so the server cannot have acted on it."""


class HttpConnection(HTTPConnection):
    """One connection to an origin: straight, through a proxy, or to addresses that were checked.

    Attributes:
        deadline: the end of the call that uses the connection.
        idle_since: when it last finished a call, on the monotonic clock; None if it has served none.
        lasting: whether it is known that the server keeps it after an answer.
        whole: whether the latest request left to its end.
    """

    response_class = FinalResponse

    def __init__(
        self,
        origin: Origin,
        deadline: Deadline,
        tls: ssl.SSLContext | None,
        proxy: Proxy | None,
        addresses: Sequence[Address] | None = None,
    ) -> None:
        """Prepare a connection.

        Args:
            origin: the server.
            deadline: the end of the first call.
            tls: how to speak TLS; None for an http origin.
            proxy: the proxy on the way, if any.
            addresses: the only addresses of the origin to connect to; None for those its name has.
        """
        super().__init__(origin.host, origin.port)
        self.origin = origin
        self.deadline = deadline
        self.idle_since: float | None = None
        self.lasting = False
        self.whole = False
        self._tls = tls
        self._proxy = proxy
        self._addresses = addresses
        self._stream: HttpStream | None = None
        self._abortable: AbortableWait | SocketGuard | None = None  # what the call under way waits for
        self._aborted = False

    @property
    def _is_absolute(self) -> bool:
        """Whether a proxy is given whole URLs, in place of being asked for a tunnel."""
        proxy = self._proxy
        return proxy is not None and not proxy.is_socks and self._tls is None and not self._addresses

    def connect(self) -> None:
        """Connect before the deadline, through the proxy and TLS where there are any."""
        guard = dial(
            self.origin.host,
            self.origin.port,
            tls=self._tls,
            proxy=self._proxy,
            deadline=self.deadline,
            addresses=self._addresses,
            tunnel=not self._is_absolute,
            publish=self._publish,
        )
        self._stream = HttpStream(guard, self.deadline)
        self.sock = cast(socket.socket, self._stream)

    def abort(self) -> None:
        """End the call under way in another thread, with Aborted or another OSError. Never waits."""
        self._aborted = True
        if (abortable := self._abortable) is not None:
            abortable.abort()

    def _publish(self, abortable: AbortableWait | SocketGuard) -> None:
        self._abortable = abortable
        if self._aborted:  # looked at after it was published: abort() does the two the other way round
            raise Aborted

    def abandon(self) -> None:
        """Close a forked child's copy of the socket, without a word to the server."""
        if self._stream is not None:
            self._stream.abandon()

    @property
    def is_connected(self) -> bool:
        """Whether a kept connection can be used again, as far as one can see from here."""
        return self._is_quiet(0.0)

    def is_reliable(self) -> bool:
        """Whether a kept connection will very likely live through a request that cannot be repeated."""
        idle = time.monotonic() - (self.idle_since or 0.0)
        if idle > _FRESH_SECONDS:
            return False
        patience = 0.0 if self.lasting else max(0.0, _SETTLING_SECONDS - idle)
        return self._is_quiet(self.deadline.left(patience))

    def _is_quiet(self, patience: float) -> bool:
        try:
            return (
                self.sock is not None and self._stream is not None and not self._stream.has_answer(patience)
            )
        except OSError:
            return False

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: Blocks | None) -> HTTPResponse:
        """Send a request and return its answer, whose body is still to be read.

        A body that the server refuses on the way (as too large, say) is not sent to its end; ``whole`` is False
        then, and the connection cannot be used again.

        Raises UnsentError, one of NETWORK_ERRORS, or SourceError.
        """
        if self._proxy is not None and self._is_absolute:
            target = f"{self.origin.scheme}://{self.origin.netloc}{target}"
            if self._proxy.authorization is not None:
                headers = {**headers, "Proxy-Authorization": self._proxy.authorization}
        self.whole = False
        if self.sock is None:
            self.connect()
        assert self._stream is not None
        self._stream.deadline = self.deadline
        try:
            self.request(method, target, headers=headers, preload_content=False, decode_content=False)
            for block in _supplied(body):
                if not self._stream.send_unless_answered(block):
                    break  # an answer, or the end: reading it now beats losing it to a reset
            else:
                self.whole = True
        except (ConnectionError, ssl.SSLEOFError):
            pass  # the server may have answered before it closed
        try:
            return self.getresponse()
        except NETWORK_ERRORS as error:
            if self.whole or self.deadline.expired:
                raise
            raise UnsentError from error


def _supplied(body: Blocks | None) -> Iterator[bytes]:
    """Yield a body; raise SourceError for what its source raises, which may look like an error of the network."""
    if body is not None:
        try:
            yield from body()
        except Exception as error:
            raise SourceError from error
