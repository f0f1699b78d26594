"""What can be wrong between here and an Arinova server, one step after the other.

Every step goes the way that an agent's connection goes: the same dialling, the same handshake, the same frames.
"""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from .._version import __version__
from ..errors import ArinovaError
from ..net.abortable_wait import AbortableWait
from ..net.deadline import Deadline
from ..net.dial import dial
from ..net.guarded_socket import SocketGuard
from ..net.proxies import Proxy, proxy_for
from ..net.resolver import resolve
from ..net.tls import authorities, default_context, own_context
from ..net.unusable import UnusableSetting
from ..protocol import frames
from ..protocol.session import Authenticated, Event, Ponged, Refused, Session, TokenClaim
from ..runtime.upgrade import explained
from ..runtime.websocket import WebSocket
from ..runtime.websocket_errors import MessageTooLarge, WebSocketError
from ..settings import Settings
from . import certificates

__all__ = ["Checkup", "Finding", "Status"]

Status = Literal["ok", "warn", "fail", "skip"]

_STEP = 10.0  # seconds that one step may take
_ROUTE = "/api/v1/conversations"  # both generations of servers have it, for every bot
_BOOTSTRAP = "obt_"  # how a token begins that serves once
_NOBODY = "none"  # stands for the token where there is none
_SKEW = 60.0  # seconds; what certificates and logs forgive
_MASK = "•••"
_SHOWN_ADDRESSES = 4


@dataclass(frozen=True)
class Finding:
    """What one step found.

    Attributes:
        name: the step's.
        status: "skip" if it could not be tried.
        detail: what was found.
        advice: what to do; empty if there is nothing to do.
        seconds: how long it took, None if it was not tried.
    """

    name: str
    status: Status
    detail: str
    advice: str = ""
    seconds: float | None = None


class _Found(Exception):
    """Ends a step with something else than success."""

    def __init__(self, status: Status, detail: str, advice: str = "") -> None:
        super().__init__(detail)
        self.status: Status = status
        self.advice = advice


class Checkup:
    """Try everything that an agent does to be connected.

    Args:
        settings: where the server is, and the token.
        has_token: whether the settings' token is one.
        authenticates: whether to authenticate, which takes the place of a running connection of the same agent.
        timeout: seconds for all of it.
    """

    def __init__(self, settings: Settings, *, has_token: bool, authenticates: bool, timeout: float) -> None:
        self._settings = settings
        self._has_token = has_token
        self._authenticates = authenticates
        self._timeout = timeout
        self._deadline = Deadline(timeout)
        self._secrets = [settings.bot_token] if has_token else []
        url = urlsplit(settings.server_url)
        self._secure = url.scheme == "https"
        self._host = url.hostname or ""
        self._port = url.port or (443 if self._secure else 80)
        self._tls: ssl.SSLContext | None = None
        self._proxy: Proxy | None = None
        self._link: WebSocket | None = None
        self._session = Session(0)
        self._date: tuple[str | None, float] | None = None  # the server's, and this clock's at that moment

    def run(self) -> Iterator[Finding]:
        """Yield what each step finds, as it finds it."""
        self._deadline = Deadline(self._timeout)
        passed = {""}
        try:
            for name, needed, step in self._steps():
                if needed not in passed:
                    yield Finding(name, "skip", f"not tried: it needs {needed}")
                    continue
                finding = self._taken(name, step)
                if finding.status in ("ok", "warn"):
                    passed.add(name)
                yield finding
        finally:
            self._leave()

    def _steps(self) -> Iterator[tuple[str, str, Callable[[], str]]]:
        """Yield each step with its name and the step that it needs."""
        yield "proxy", "", self._find_proxy
        yield "name", "proxy", self._look_up
        yield "connection", "name", self._connect
        way = "connection"
        if self._proxy is not None:
            way = "tunnel"
            yield way, "connection", self._tunnel
        yield "TLS", way, self._secure_it
        yield "WebSocket", "TLS", self._upgrade
        yield "authentication", "WebSocket", self._authenticate
        yield "ping", "authentication", self._ping
        yield "HTTP", "TLS", self._ask
        yield "clock", "", self._compare_clocks

    def _taken(self, name: str, step: Callable[[], str]) -> Finding:
        began = time.monotonic()
        status: Status = "ok"
        try:
            detail, advice = step(), ""
        except _Found as found:
            status, detail, advice = found.status, str(found), found.advice
        except WebSocketError as error:
            status = "fail"
            detail, advice = _parted(error)
        except TimeoutError:
            status, detail = "fail", "timed out"
            advice = "check the network, or allow more with --timeout"
        taken = None if status == "skip" else round(time.monotonic() - began, 4)
        return Finding(name, status, self._masked(detail), self._masked(advice), taken)

    def _step(self) -> Deadline:
        return Deadline(self._deadline.left(_STEP))

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text

    # The steps

    def _find_proxy(self) -> str:
        try:
            self._proxy = proxy = proxy_for(self._settings.server_url, self._settings.proxy)
        except UnusableSetting as error:
            raise _Found("fail", str(error), "correct it, or unset it for a direct connection") from None
        if proxy is None:
            return "none: a direct connection"
        self._secrets += [secret for secret in (proxy.password, proxy.authorization) if secret]
        credentials = ", with credentials" if proxy.user is not None else ""
        return f"{proxy.url}{credentials}, of the environment or the system"

    def _look_up(self) -> str:
        host, port = self._first_hop
        try:
            with AbortableWait() as wait:
                found = resolve(host, port, self._step(), wait)
        except TimeoutError:
            raise
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "it is not a valid host name"
            advice = "check the host of the proxy" if self._proxy else "check the host in server_url"
            raise _Found("fail", f"{host} was not found: {why}", f"{advice}, and the network") from error
        addresses = list(dict.fromkeys(address.host for address in found))
        if addresses == [host]:
            return f"{host} is an address: there is nothing to look up"
        more = "" if len(addresses) <= _SHOWN_ADDRESSES else f" and {len(addresses) - _SHOWN_ADDRESSES} more"
        return f"{host} is {', '.join(addresses[:_SHOWN_ADDRESSES])}{more}"

    def _connect(self) -> str:
        host, port = self._first_hop
        try:
            guard = self._dialled(host, port, None, self._proxy, tunnel=False)
        except WebSocketError as error:
            detail, advice = _parted(error)
            place = "" if self._proxy else f"{host} port {port}: "  # the proxy's error names it
            raise _Found("fail", f"{place}{detail}", advice) from error
        place = guard.sock.getpeername()
        guard.close()
        return f"{place[0]} answers on port {port}"

    def _tunnel(self) -> str:
        self._dialled(self._host, self._port, None, self._proxy).close()
        return f"the proxy leads to {self._host} port {self._port}"

    def _secure_it(self) -> str:
        if not self._secure:
            if self._settings.exposes_token:
                raise _Found("warn", "no TLS: the token is sent unencrypted", "use an https:// or wss:// URL")
            return "no TLS, and none is needed on this machine"
        try:
            self._tls, other = default_context(), own_context()
        except UnusableSetting as error:
            raise _Found("fail", str(error), "correct the variable, or unset it") from None
        other.verify_flags ^= ssl.VERIFY_X509_STRICT  # which is on by default from Python 3.13
        strict = bool(self._tls.verify_flags & ssl.VERIFY_X509_STRICT)
        try:
            version, certificate = self._handshake(self._tls)
        except ssl.SSLCertVerificationError as error:
            only_strictly = strict and self._refusal(other) is None
            told = certificates.refused(error, authorities(), only_strictly=only_strictly)
            raise _Found("fail", *told) from error
        strictly = None if strict else self._refusal(other)
        status, about, advice = certificates.accepted(certificate, strictly, time.time())
        detail = f"{version}; {about}; trusted by {authorities()}"
        if status != "ok":
            raise _Found(status, detail, advice)
        return detail

    def _handshake(self, context: ssl.SSLContext) -> tuple[str | None, Mapping[str, Any]]:
        """Return TLS version and certificate of the server; raise SSLCertVerificationError, WebSocketError."""
        try:
            guard = self._dialled(self._host, self._port, context, self._proxy)
        except WebSocketError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise error.__cause__ from None
            raise
        with closing(guard):
            tls = guard.sock
            assert isinstance(tls, ssl.SSLSocket)
            return tls.version(), tls.getpeercert() or {}

    def _refusal(self, context: ssl.SSLContext) -> ssl.SSLCertVerificationError | None:
        try:
            self._handshake(context)
        except ssl.SSLCertVerificationError as error:
            return error
        return None

    def _upgrade(self) -> str:
        settings = self._settings
        self._link = link = WebSocket(
            settings.socket_url,
            ssl_context=self._tls,
            proxy=self._proxy,
            max_message_bytes=settings.max_frame_bytes,
            send_timeout=settings.send_timeout,
            silence_timeout=settings.ping_timeout,
        )
        link.open(self._step())
        return f"{settings.socket_url} speaks WebSocket"

    def _authenticate(self) -> str:
        if not self._authenticates:
            raise _Found("skip", "not tried: authentication was declined")
        settings = self._settings
        if settings.bot_token.startswith(_BOOTSTRAP):
            raise _Found(
                "skip",
                f"not tried: a bootstrap token ({_BOOTSTRAP}…) is valid once, and the agent needs it",
            )
        auth = frames.agent_auth(settings.bot_token, (), __version__, sys.implementation.name)
        event = self._answer(auth, (Authenticated, Refused, TokenClaim))
        if isinstance(event, Refused):
            code = f" ({event.code})" if event.code else ""
            advice = (
                "the server says that this is temporary: try again in a moment"
                if event.retryable
                else "check the token: the bot's page shows it, and it begins with ari_. If the bot's owner has an "
                "IP allow-list, this machine's address has to be on it"
            )
            raise _Found("fail", f"the server refused the token: {event.message}{code}", advice)
        if isinstance(event, TokenClaim):
            raise _Found("fail", "the server treated the token as a bootstrap token", "get a new token")
        return f"authenticated as {event.agent_name or event.agent_id or 'an agent'}"

    def _ping(self) -> str:
        self._answer(frames.PING, (Ponged,))
        return "the server answers pings"

    def _ask(self) -> str:
        from ..api.transport import ApiSession, Options, Transport

        settings = self._settings
        session = ApiSession(settings.server_url, settings.bot_token, settings.proxy, self._tls)
        with closing(session):
            transport = Transport(session, Options())
            request = transport.prepare("GET", _ROUTE, params={"limit": 1})
            deadline = transport.deadline(max(0.001, self._step().left() or 0.0))
            try:
                with transport.open(request, deadline, fresh=False) as exchange:
                    self._date = exchange.headers.get("Date"), time.time()
                    if exchange.status < 300:
                        return f"{request.name} answered with status {exchange.status}"
                    error, _ = transport.refusal(request, exchange)
            except (ArinovaError, OSError) as failure:
                raise _Found(
                    "fail", str(failure), "check server_url, and any proxy in front of it"
                ) from failure
        if not self._has_token and error.status in (401, 403):
            return f"the API answers with status {error.status}, as expected without a token"
        raise _Found("fail", str(error), _ADVICE.get(error.status, _ADVICE.get(error.status // 100, "")))

    def _compare_clocks(self) -> str:
        if self._date is None:
            raise _Found("skip", "not tried, since there was no answer over HTTP")
        text, now = self._date
        try:
            server = parsedate_to_datetime(text or "").timestamp()
        except (TypeError, ValueError, IndexError, OverflowError):
            raise _Found("skip", "the server's answer has no date") from None
        ahead = now - server
        if abs(ahead) < _SKEW:
            return "this machine and the server agree"
        which = "ahead of" if ahead > 0 else "behind"
        raise _Found(
            "fail",
            f"this machine's clock is {_span(abs(ahead))} {which} the server's",
            "set it; a wrong clock makes valid certificates look expired",
        )

    # What they share

    @property
    def _first_hop(self) -> tuple[str, int]:
        return (self._proxy.host, self._proxy.port) if self._proxy else (self._host, self._port)

    def _leave(self) -> None:
        if self._link is None:
            return
        try:
            if self._session.authenticated:  # before that the March 2026 server wants nothing but text
                self._link.send_close(1000)
        except WebSocketError:
            pass  # it has ended already
        self._link.close()

    def _dialled(
        self, host: str, port: int, tls: ssl.SSLContext | None, proxy: Proxy | None, *, tunnel: bool = True
    ) -> SocketGuard:
        try:
            return dial(host, port, tls=tls, proxy=proxy, deadline=self._step(), tunnel=tunnel)
        except (OSError, EOFError, ValueError) as error:
            raise explained(error) from error

    def _answer(self, frame: bytes, kinds: tuple[type[Event], ...]) -> Any:
        """Send a frame and return the first event of some kinds; the tasks that come meanwhile stay unanswered."""
        assert self._link is not None
        self._link.send_text(frame)
        by = self._step()
        while True:
            try:
                message = frames.decode(self._link.receive(by))
            except MessageTooLarge:
                continue
            for event in self._session.received(message or {}):
                if isinstance(event, kinds):
                    return event


_ADVICE = {
    401: "the socket and the HTTP API ask for the same token: check it, with its beginning ari_",
    403: "the token may not do this: check the bot's rights, and the IP allow-list of its owner",
    404: "check server_url: that is not an Arinova server, or its API is at another address",
    5: "the server, or a proxy in front of it, is failing: try again later",
}


def _parted(error: WebSocketError) -> tuple[str, str]:
    """Return what happened, and what to do."""
    text, _, advice = str(error).partition(": ")
    return (text, advice) if error.kind == "upgrade" or advice.startswith("check") else (str(error), "")


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def failures(findings: Sequence[Finding]) -> int:
    """Count the steps that failed."""
    return sum(finding.status == "fail" for finding in findings)
