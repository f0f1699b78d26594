"""httpx and httpx2: the httpcore pools of a client, checked and made interruptible."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from .httpcore_pools import Backend, InterruptiblePool
from .versions import unknown_release


def check_client(client: Any, library: str) -> Callable[[], None]:
    """Return what makes a Client of a library, "httpx" or "httpx2", interruptible.

    Raises ValueError for one that is closed, busy or speaks HTTP/2, TypeError for a transport of another kind.
    """
    if client.is_closed:
        raise ValueError("interruptible() was given a client that is closed")
    for name in ("_transport", "_mounts"):
        if not hasattr(client, name):
            raise unknown_release(library, f"Client.{name}")
    transports = {id(found): found for found in (client._transport, *client._mounts.values()) if found}
    new = [(found, *_pool_of(found, library)) for found in transports.values() if not _is_adapted(found)]

    def adapt() -> None:
        for transport, pool, core in new:
            pool.close()  # idle connections: they were made without guards
            pool._network_backend = Backend(pool._network_backend)
            transport._pool = InterruptiblePool(pool, core)

    return adapt


def _is_adapted(transport: object) -> bool:
    return isinstance(getattr(transport, "_pool", None), InterruptiblePool)


def _pool_of(transport: object, library: str) -> tuple[Any, ModuleType]:
    """Return a transport's pool and the library that it is from."""
    pool: Any = getattr(transport, "_pool", None)
    if pool is None and isinstance(transport, sys.modules[library].HTTPTransport):
        raise unknown_release(library, "HTTPTransport._pool")
    cores = [core for name in ("httpcore", "httpcore2") if (core := sys.modules.get(name))]
    matching = [core for core in cores if isinstance(pool, core.ConnectionPool)]
    if not matching:
        raise TypeError(
            f"interruptible() does not know the transport {_name(transport)}; it takes {library}.HTTPTransport "
            "and its subclasses"
        )
    _check_pool(pool, matching[0])
    return pool, matching[0]


def _check_pool(pool: Any, core: ModuleType) -> None:
    for name in ("_network_backend", "_max_connections", "_http2"):
        if not hasattr(pool, name):
            raise unknown_release(core.__name__, f"ConnectionPool.{name}")
    if not isinstance(pool._network_backend, core.SyncBackend):
        raise TypeError(
            f"interruptible() does not know the network backend {_name(pool._network_backend)}; it takes "
            f"{core.__name__}.SyncBackend"
        )
    if pool._http2:
        raise ValueError(
            "interruptible() was given a client with http2=True; tasks share an HTTP/2 connection, so it "
            "cannot be shut down for one of them. Leave http2 out: HTTP/1.1 is the default"
        )
    if any(not connection.is_idle() for connection in pool.connections):
        raise ValueError("interruptible() was given a client in the midst of a request; call it at start-up")


def _name(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"
