"""The error for a setting of the network that cannot be used."""

from __future__ import annotations

__all__ = ["UnusableSetting"]


class UnusableSetting(ValueError):
    """A setting about proxies or TLS, mostly of the environment, cannot be used. The network is not to blame."""
