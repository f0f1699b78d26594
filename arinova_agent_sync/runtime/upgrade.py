"""The opening handshake of a WebSocket. The only importer of websocket-client, which makes it.

What can go wrong on the way to an open WebSocket is put into words here, with advice for the party that failed.
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
import threading
from io import BytesIO

import websocket

from ..net.deadline import Deadline
from ..net.dial import receive_answer
from ..net.guarded_socket import Aborted, SendFailed, SocketGuard
from ..net.proxies import ProxyError
from ..net.retry_after import retry_after
from .websocket_errors import WebSocketError

__all__ = ["OPENING_ERRORS", "Upgrade", "explained"]

_NOT_OFFERED = re.compile(rb"\nSec-WebSocket-(Protocol|Extensions)[ \t]*:[ \t]*[^\s]", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\nRetry-After[ \t]*:([^\r\n]*)", re.IGNORECASE)


class _NotUpgraded(Exception):
    """The server refused the upgrade, or agreed to what nobody offered.

    Attributes:
        text: what the server did.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Upgrade:
    """The opening handshake, and what websocket-client needs of a socket while it makes it.

    Args:
        guard: the connected socket.
        deadline: for all of it.

    Attributes:
        status: that of the server's answer, 0 before it came.
        rest: what came behind the answer: the first frames.
        retry_after: the seconds after which the server wants to be asked again, None if it does not say.
    """

    def __init__(self, guard: SocketGuard, deadline: Deadline) -> None:
        self.status = 0
        self.rest = b""
        self.retry_after: float | None = None
        self._guard = guard
        self._deadline = deadline
        self._head: BytesIO | None = None  # of the answer; websocket-client reads it byte by byte

    def run(self, url: str) -> None:
        """Make the handshake; raise one of OPENING_ERRORS."""
        client = websocket.WebSocket()
        _quiet.on = True
        try:
            client.connect(url, socket=self, redirect_limit=0, suppress_origin=True)  # type: ignore[no-untyped-call]
        finally:
            _quiet.on = False

    def recv(self, size: int) -> bytes:
        """Return the next bytes of the answer's head, once it is one that opens a WebSocket."""
        if self._head is None:
            self.status, head, self.rest = receive_answer(self._guard, self._deadline)
            self._check(head)
            self._head = BytesIO(head)
        return self._head.read(size)

    def send(self, data: bytes) -> int:
        """Send the request."""
        self._guard.send_all(data)
        return len(data)

    def gettimeout(self) -> None:
        """Tell websocket-client to wait in ``recv`` and ``send`` alone."""

    def close(self) -> None:
        """Leave the closing to the link."""

    def _check(self, head: bytes) -> None:
        if self.status != 101:  # before websocket-client follows it elsewhere, or waits for its body
            if asked := _RETRY_AFTER.search(head):
                self.retry_after = retry_after(asked[1].decode("latin-1"))
            advice = _ADVICE.get(self.status) or _ADVICE.get(self.status // 100, "check server_url")
            raise _NotUpgraded(
                f"the server answered HTTP {self.status} instead of opening a WebSocket: {advice}"
            )
        if found := _NOT_OFFERED.search(head):  # what follows would not be what was asked for
            what = "a subprotocol" if found[1].lower() == b"protocol" else "an extension"
            raise _NotUpgraded(
                f"the server, or what stands before it, chose {what} that was not offered: check server_url"
            )


def explained(error: BaseException | None, upgrade: Upgrade | None = None) -> WebSocketError:
    """Say what happened and what to do, without a header, a body or a credential in it.

    Args:
        error: what was raised.
        upgrade: the handshake, if it had begun.
    """
    if isinstance(error, SendFailed):
        error = error.__cause__
    match error:
        case _NotUpgraded() if upgrade is not None:
            status = upgrade.status if upgrade.status != 101 else 0
            return WebSocketError("upgrade", error.text, status=status, retry_after=upgrade.retry_after)
        case Aborted():
            return WebSocketError("aborted", "the connection was ended from this side")
        case socket.gaierror():
            return WebSocketError("dns", "looking the host up failed: check server_url and the network")
        case ProxyError():
            return WebSocketError("proxy", str(error), status=error.status)
        case ssl.SSLCertVerificationError():
            text = f"the server's certificate was not accepted ({error.verify_message})"
            advice = (
                "check server_url and the clock; name your network's own authority in REQUESTS_CA_BUNDLE, or "
                "pass an ssl_context. arinova-agent doctor looks further"
            )
            return WebSocketError("tls", f"{text}: {advice}")
        case ssl.SSLError():
            reason = error.reason or "no reason given"
            return WebSocketError("tls", f"TLS failed ({reason}): check scheme and port of server_url")
        case TimeoutError() | websocket.WebSocketTimeoutException():  # it wraps what recv raised
            return WebSocketError("timeout", "the peer did not answer in time: check the network")
        case ConnectionRefusedError():
            return WebSocketError("refused", "the connection was refused: check host and port of server_url")
        case ConnectionError():
            return WebSocketError("reset", "the peer or the network broke the connection")
        case EOFError():
            return WebSocketError("closed", "the server ended the connection during the opening handshake")
        case OSError():
            return WebSocketError(
                "unreachable", f"the network failed: {error.strerror or type(error).__name__}"
            )
        case UnicodeError() if upgrade is None:  # a label of the host's name is empty or too long
            return WebSocketError("dns", "the host's name is invalid: check server_url")
    return WebSocketError("upgrade", "what answered is no WebSocket server: check server_url")


OPENING_ERRORS = (OSError, ValueError, EOFError, SendFailed, websocket.WebSocketException, _NotUpgraded)
_LOGIN = (
    "what stands before the server wants another login than the token: check server_url, and ask who runs it"
)
_ADVICE = {  # by status, else by its first digit
    401: _LOGIN,
    403: _LOGIN,
    404: "there is none at this address: check server_url and its path",
    429: "too many connections were made; the agent waits before it tries again",
    503: "it is overloaded or restarts; the agent waits before it tries again",
    3: "redirects are not followed; set server_url to the final address",
    4: "check server_url, and what stands before the server",
    5: "it, or what stands before it, is out of order",
}

# websocket-client logs through one logger for the whole process. What it says about our connections may hold
# texts of the server, and is reported by other ways; what it says about a program's own connections passes.
_quiet = threading.local()
logging.getLogger("websocket").addFilter(lambda _: not getattr(_quiet, "on", False))
