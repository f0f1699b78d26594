"""Who may come in: the token, the Host and the Origin of a request. And what browsers are told to forbid."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import Response

_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob:",
    "font-src 'self'",
    "connect-src 'self' {live}",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "worker-src 'self'",
    "trusted-types dompurify highlighter",
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class AccessControl:
    """Let in who knows the token, from this machine's own names only.

    Args:
        token: what the URL carries; a random one is made unless it is given.
        allowed_hosts: further names of this server, without a port, such as that of a reverse proxy.

    A page of a foreign site whose name was bound to 127.0.0.1 afterwards (DNS rebinding) has another Host, and
    one that merely sends requests has another Origin.
    """

    def __init__(self, token: str | None = None, *, allowed_hosts: Sequence[str] = ()) -> None:
        self.token = token or secrets.token_urlsafe(24)
        self._allowed = {host.lower() for host in allowed_hosts}

    def names_this_server(self, connection: HTTPConnection) -> bool:
        """Return whether a request names this server by one of its own names."""
        host = connection.headers.get("host", "")
        return host in self._hosts(connection) or _name_of(f"//{host}") in self._allowed

    def has_own_origin(self, connection: HTTPConnection) -> bool:
        """Return whether a request was made by a page of this server."""
        host = connection.headers.get("host", "")
        origin = connection.headers.get("origin", "")
        # A proxy may end TLS, listen on another port and pass on another Host: the Origin is what the browser sees.
        own = origin == f"http://{host}" or _name_of(origin) in self._allowed
        return self.names_this_server(connection) and own

    def has_token(self, connection: HTTPConnection) -> bool:
        """Return whether a request carries the token in its URL or its cookie."""
        given = (connection.query_params.get("token"), connection.cookies.get(self._cookie(connection)))
        return any(each is not None and self._is_token(each) for each in given)

    def set_cookie_on(self, connection: HTTPConnection, response: Response) -> None:
        """Let the browser bring the token with every further request."""
        response.set_cookie(
            self._cookie(connection), self.token, path="/playground", httponly=True, samesite="strict"
        )

    def policy(self, connection: HTTPConnection) -> str:
        """Return the Content-Security-Policy of the page."""
        live = " ".join(
            [
                f"ws://{connection.headers.get('host', '')}",
                *(f"{scheme}://{host}:*" for host in sorted(self._allowed) for scheme in ("ws", "wss")),
            ]
        )
        return "; ".join(_POLICY).format(live=live)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def _cookie(self, connection: HTTPConnection) -> str:
        # Cookies know no ports: two playgrounds must not take each other's.
        return f"arinova-playground-{_port(connection)}"

    def _hosts(self, connection: HTTPConnection) -> list[str]:
        return [f"{name}:{_port(connection)}" for name in _HOSTS]


def _name_of(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _port(connection: HTTPConnection) -> int:
    return int((connection.scope.get("server") or ("", 0))[1] or 0)
