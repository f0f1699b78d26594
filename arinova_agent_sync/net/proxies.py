"""One rule that says which proxy leads to a server, for the WebSocket and for HTTP alike."""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from .forks import importing
from .unusable import UnusableSetting

__all__ = ["Proxy", "ProxyError", "ProxyTimeout", "proxy_for"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PROXY_PORTS = {"http": 80, "socks5": 1080, "socks5h": 1080, "socks4": 1080, "socks4a": 1080}


class ProxyError(OSError):
    """The proxy could not be reached, or did not make the connection. The text names it, without credentials.

    Attributes:
        status: the HTTP status that it answered, 0 if there was none.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class ProxyTimeout(ProxyError, TimeoutError):
    """The proxy did not answer in time."""


class Proxy(msgspec.Struct, frozen=True):
    """An HTTP or SOCKS proxy. Its repr shows no credentials; a SOCKS proxy looks the server's name up."""

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    scheme: str = "http"

    def __repr__(self) -> str:
        return f"Proxy(host={self.host!r}, port={self.port!r})"

    @property
    def url(self) -> str:
        """The proxy's URL without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS."""
        return self.scheme != "http"

    @property
    def authorization(self) -> str | None:
        """The value of the Proxy-Authorization header, None without credentials."""
        if self.user is None:
            return None
        return "Basic " + b64encode(f"{self.user}:{self.password or ''}".encode()).decode()


def proxy_for(server_url: str, setting: str | None) -> Proxy | None:
    """Return the proxy that leads to a server, None for a straight connection.

    Args:
        server_url: the server's http, https, ws or wss URL.
        setting: the user's choice: a proxy's URL, "" for no proxy, None for what the environment says
            (HTTPS_PROXY or HTTP_PROXY by the server's scheme, ALL_PROXY, NO_PROXY, lower case first) and, on
            macOS and Windows, the system. A server on this machine needs none of these.

    Raises UnusableSetting, without showing the value, for a proxy of another kind than HTTP and SOCKS.
    """
    if setting is not None:
        return _parsed("proxy", setting) if setting else None
    server = urlsplit(server_url)
    if _is_loopback(server.hostname or ""):
        return None  # to the proxy it would be another machine: the proxy's own
    scheme = "https" if server.scheme.lower() in ("https", "wss") else "http"
    for kind in (scheme, "all"):
        name = _variable(f"{kind}_proxy")
        if name is not None and os.environ[name].strip():
            return None if _bypassed(server, scheme) else _parsed(name, os.environ[name].strip())
    if sys.platform in ("darwin", "win32") and not _bypassed(server, scheme):
        return _of_the_system(server, scheme)
    return None


def _variable(name: str) -> str | None:
    """Return the name under which a variable is set. An empty lower-case one hides its upper-case twin."""
    if name in os.environ:
        return name
    if name == "http_proxy" and "REQUEST_METHOD" in os.environ:
        return None  # under CGI, HTTP_PROXY is the request header "Proxy", which anybody may send
    return name.upper() if name.upper() in os.environ else None


def _of_the_system(server: SplitResult, scheme: str) -> Proxy | None:
    with importing():  # heavy: it brings http.client and email along
        from urllib.request import getproxies, proxy_bypass

    value = getproxies().get(scheme)
    if not value or proxy_bypass(server.hostname or ""):
        return None
    return _parsed("the system's proxy setting", value)


def _parsed(name: str, value: str) -> Proxy:
    wrong = UnusableSetting(
        f"{name} must be http://[user:password@]host:port; socks5:// and socks4:// work, too, https:// does not"
    )
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None  # the cause would show the value
    scheme = parts.scheme.lower()
    if scheme not in _PROXY_PORTS or not host or port == 0:
        raise wrong
    if scheme != "http" and find_spec("python_socks") is None:
        raise UnusableSetting(
            f"{name} is a SOCKS proxy, which takes another package: pip install python-socks"
        )
    user = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    return Proxy(host, port or _PROXY_PORTS[scheme], user, password, scheme)


def _bypassed(server: SplitResult, scheme: str) -> bool:
    name = _variable("no_proxy")
    if name is None:
        return False
    host = (server.hostname or "").rstrip(".")
    port = server.port or _DEFAULT_PORTS[scheme]
    return any(_matches(entry, host, port) for entry in os.environ[name].lower().replace(",", " ").split())


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return _in_network(host, entry)
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdecimal() and (":" not in name or name.endswith("]")):
        if int(wanted) != port:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*").removeprefix(".").rstrip(".")
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))


def _is_loopback(host: str) -> bool:
    if host.rstrip(".") == "localhost" or host.endswith((".localhost", ".localhost.")):
        return True
    return host == "::1" or (host[:1].isdigit() and _in_network(host, "127.0.0.0/8"))


def _in_network(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
