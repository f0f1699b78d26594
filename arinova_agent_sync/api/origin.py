"""Where a server listens."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult

from ..net.forks import importing

__all__ = ["Origin"]

_DEFAULT_PORTS = {"http": 80, "https": 443}


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
            with importing():  # Python's tables of international names
                host = host.encode("idna").decode()
        scheme = url.scheme.lower()
        if scheme not in _DEFAULT_PORTS:
            raise ValueError(f"the scheme must be http or https, not {scheme!r}")
        return cls(scheme, host, url.port or _DEFAULT_PORTS[scheme])

    @property
    def netloc(self) -> str:
        """Host and port as they stand in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"
