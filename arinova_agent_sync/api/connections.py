"""One connection to a server, from its address to the answers on it. The only module that imports urllib3.

urllib3's connections speak HTTP here; its pool manager does not fit. It can bound one read but not one call, and
it cannot say which request must not meet a connection that the server may be about to close.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, cast
from urllib.parse import SplitResult

from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError
from urllib3.util import wait_for_read
from urllib3.util.wait import wait_for_socket

from ..net.proxies import Proxy
from .bodies import SourceError
from .deadline import Deadline

NETWORK_ERRORS = (OSError, http.client.HTTPException, HTTPError, UnicodeError)

Blocks = Callable[[], Iterable[bytes]]  # a request's body, from its beginning each time

_DEFAULT_PORTS = {"http": 80, "https": 443}
_BLOCK = 64 * 1024  # bytes per read or write
_EARLY = 4 * 1024  # bytes read ahead of their turn at once

# What a server says before its answer, such as 100 Continue; 101 would be the end of HTTP on a connection.
_INTERIM_STATUS = rb"HTTP/1\.[01] 1(?!01)[0-9]{2}"
_INTERIM = re.compile(_INTERIM_STATUS + rb"\b.*?\r?\n\r?\n", re.DOTALL)
_BEGUN_INTERIM = re.compile(_INTERIM_STATUS)
_STATUS_LENGTH = len(b"HTTP/1.1 100")  # bytes that tell the one from the other
_MAX_INTERIM = 64 * 1024  # bytes

# A request that must not be sent twice goes out on a new connection rather than on one that was idle for
# longer: a server whose keep-alive ends (after 5 s with many, 2 s at the least) might close it at that moment.
_FRESH_SECONDS = 1.0

# Some servers close after each answer without a word. Until a connection has been used again once, such a request
# waits this long after the answer for the end that may be on its way.
_SETTLING_SECONDS = 0.05


class Origin(NamedTuple):
    """Where a server listens. The host is in ASCII, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: SplitResult) -> Origin:
        """Return the origin of an http or https URL; raise ValueError (UnicodeError) for an unusable host."""
        host = url.hostname or ""
        if not host.isascii():
            host = host.encode("idna").decode()
        scheme = url.scheme.lower()
        if scheme not in _DEFAULT_PORTS:
            raise ValueError(f"{scheme!r} is no scheme of HTTP")
        return cls(scheme, host, url.port or _DEFAULT_PORTS[scheme])

    @property
    def netloc(self) -> str:
        """Host and port as they stand in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


class Address(NamedTuple):
    """What socket.getaddrinfo() says about one address of a host."""

    family: int
    kind: int
    protocol: int
    place: tuple[str, int]

    @property
    def host(self) -> str:
        """The IP address."""
        return self.place[0]


class UnsentError(Exception):
    """The connection ended before the request had left whole, so the server cannot have acted on it."""


class _TimedSocket:
    """A socket whose every read and write ends with its connection's deadline.

    A socket's own timeout starts anew with each byte: a peer that drips would hold a call for ever.
    """

    def __init__(self, sock: socket.socket, connection: HttpConnection) -> None:
        self._sock = sock
        self._connection = connection
        self._early = b""  # what was read before its turn

    def has_answer(self, patience: float = 0.0) -> bool:
        """Whether anything, or the end of the connection, arrives within so many seconds."""
        return bool(self._early) or self._read_early(patience) is not None

    def is_answered(self) -> bool:
        """Whether the answer, or the end of the connection, is there before the request has left whole.

        What a server says before its answer, such as 100 Continue, is dropped.
        """
        if self._read_early() == b"":
            return True
        while interim := _INTERIM.match(self._early):
            self._early = self._early[interim.end() :]
        if len(self._early) < _STATUS_LENGTH:
            return False
        return _BEGUN_INTERIM.match(self._early) is None or len(self._early) > _MAX_INTERIM

    def _read_early(self, patience: float = 0.0) -> bytes | None:
        """Return what arrived: b"" at the end of the connection, None if there is nothing.

        That there is something to read says too little: under TLS 1.3 servers send tickets after the handshake.
        """
        if not wait_for_read(self._sock, timeout=patience):
            return None
        self._sock.settimeout(0.0)
        try:
            arrived = self._sock.recv(_EARLY)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        self._early += arrived
        return arrived

    def take_early(self, most: int) -> bytes:
        """Return what was read before its turn, once."""
        early, self._early = self._early[:most], self._early[most:]
        return early

    def send_unless_answered(self, data: bytes) -> bool:
        """Send; return whether all has left: not if the server answers first, which may read no more then."""
        view = memoryview(data)
        while view:
            if self.is_answered():
                return False
            self._sock.settimeout(0.0)
            try:
                view = view[self._sock.send(view[:_BLOCK]) :]
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                wait_for_socket(
                    self._sock, read=True, write=True, timeout=self._connection.deadline.require()
                )
        return True

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self.settimeout()
            view = view[self._sock.send(view[:_BLOCK]) :]

    def makefile(self, *_: object) -> io.BufferedReader:
        raw = cast(io.RawIOBase, self._sock.makefile("rb", buffering=0))
        return _LineReader(_TimedReader(raw, self), _BLOCK)

    def settimeout(self, _: float | None = None) -> None:
        """Set what the deadline leaves, whatever others ask for."""
        self._sock.settimeout(self._connection.deadline.require())

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: _TimedSocket) -> None:
        self._raw = raw
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        if early := self._sock.take_early(len(buffer)):
            buffer[: len(early)] = early
            return len(early)
        self._sock.settimeout()
        return cast("int | None", self._raw.readinto(buffer))

    def close(self) -> None:
        self._raw.close()
        super().close()


class _LineReader(io.BufferedReader):
    """Knows that a line without an end is none.

    http.client takes the end of the connection for the end of the head, and so half a head for an empty answer.
    """

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n") and len(line) != size:
            raise http.client.RemoteDisconnected("the connection ended in the middle of the answer")
        return line


class _FinalAnswer(http.client.HTTPResponse):
    """Skips what a server says before its answer, such as 103 Early Hints.

    http.client skips 100 alone: any other would count as the answer, and the answer as that of the next request.
    """

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200:
            if self.status == http.client.SWITCHING_PROTOCOLS:
                raise http.client.HTTPException("the server switched to another protocol, unasked")
            self.headers = self.msg = None  # type: ignore[assignment]  # begin() reads a head only if it has none
            super().begin()


class HttpConnection(HTTPConnection):
    """One connection to an origin: straight, through a proxy, or to addresses that were checked.

    Attributes:
        deadline: the end of the call that uses the connection.
        idle_since: when it last finished a call, on the monotonic clock; None if it has served none.
        lasting: whether it is known that the server keeps it after an answer.
        whole: whether the latest request left to its end.
    """

    response_class = _FinalAnswer

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
        super().__init__(*((proxy.host, proxy.port) if proxy else (origin.host, origin.port)))
        self.origin = origin
        self.deadline = deadline
        self.idle_since: float | None = None
        self.lasting = False
        self.whole = False
        self._tls = tls
        self._addresses = addresses
        self._absolute = False
        self._proxy_headers: dict[str, str] = {}
        if proxy is None:
            return
        if proxy.authorization is not None:
            self._proxy_headers["Proxy-Authorization"] = proxy.authorization
        if addresses:
            # The proxy is told the checked address, not the name, which it could look up to be another.
            self._addresses = None
            told = next((address for address in addresses if address.family == socket.AF_INET), addresses[0])
            self.set_tunnel(told.host, origin.port, self._proxy_headers)
        elif tls is not None:
            self.set_tunnel(origin.host, origin.port, self._proxy_headers)
        else:
            self._absolute = True

    def connect(self) -> None:
        """Connect before the deadline, through the proxy and TLS where there are any."""
        addresses = self._addresses or resolve(self.host, self.port, self.deadline)
        sock = _dial(addresses, self.deadline)
        self._use(sock)
        if self._tunnel_host:
            self._tunnel()
        if self._tls is not None:
            sock.settimeout(self.deadline.require())
            self._use(self._tls.wrap_socket(sock, server_hostname=self.origin.host))

    def _use(self, sock: socket.socket) -> None:
        self._timed = _TimedSocket(sock, self)
        self.sock = cast(socket.socket, self._timed)

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
        return self._is_quiet(min(patience, self.deadline.left()))

    def _is_quiet(self, patience: float) -> bool:
        try:
            return self.sock is not None and not self._timed.has_answer(patience)
        except OSError:
            return False

    def ask(self, method: str, target: str, headers: Mapping[str, str], body: Blocks | None) -> HTTPResponse:
        """Send a request and return its answer, whose body is still to be read.

        A body that the server refuses on the way (as too large, say) is not sent to its end; ``whole`` is False
        then, and the connection cannot be used again.

        Raises UnsentError, one of NETWORK_ERRORS, or SourceError.
        """
        if self._absolute:
            target = f"{self.origin.scheme}://{self.origin.netloc}{target}"
            headers = {**headers, **self._proxy_headers}
        self.whole = False
        if self.sock is None:
            self.connect()
        try:
            self.request(method, target, headers=headers, preload_content=False, decode_content=False)
            for block in _supplied(body):
                if not self._timed.send_unless_answered(block):
                    break  # an answer, or the end: reading it now beats losing it to a reset
            else:
                self.whole = True
        except (ConnectionError, ssl.SSLEOFError):
            pass  # the server may have answered before it closed
        try:
            return self.getresponse()
        except NETWORK_ERRORS as error:
            if self.whole or self.deadline.left() == 0:
                raise
            raise UnsentError from error


def _supplied(body: Blocks | None) -> Iterator[bytes]:
    """Yield a body; raise SourceError for what its source raises, which may look like an error of the network."""
    if body is not None:
        try:
            yield from body()
        except Exception as error:
            raise SourceError from error


def resolve(host: str, port: int, deadline: Deadline) -> list[Address]:
    """Return the addresses of a host; raise OSError if it has none or the time is over."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    deadline.require()  # the C library's look-up itself knows no time limit
    return [
        Address(family, kind, protocol, cast("tuple[str, int]", place))
        for family, kind, protocol, _, place in found
    ]


def _dial(addresses: Sequence[Address], deadline: Deadline) -> socket.socket:
    failure = OSError("the host has no address")
    for tried, address in enumerate(addresses):
        try:
            # A share for each: one silent address must not use up the time of the others.
            return _connected(address, deadline.require() / (len(addresses) - tried))
        except OSError as error:  # also from a system without this family of addresses
            failure = error
    raise failure


def _connected(address: Address, seconds: float) -> socket.socket:
    sock = socket.socket(address.family, address.kind, address.protocol)
    try:
        sock.settimeout(seconds)
        sock.connect(address.place)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock
