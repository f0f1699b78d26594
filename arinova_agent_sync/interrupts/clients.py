"""interruptible(client): where the HTTP client is inside a model's client."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any, TypeVar

from ..net.forks import importing
from . import httpx_clients, sleeps, urllib3_pools

T = TypeVar("T")

# By module and class: found there if the program has loaded it, never imported.
# What looks at it, and returns what changes it.
Check = Callable[[Any, str], Callable[[], None]]
_CHECKS: tuple[tuple[str, str, Check], ...] = (
    ("httpx", "Client", httpx_clients.check_client),
    ("httpx2", "Client", httpx_clients.check_client),
    ("requests", "Session", urllib3_pools.check_session),
    ("urllib3", "PoolManager", urllib3_pools.check_manager),
    ("botocore.httpsession", "URLLib3Session", urllib3_pools.check_botocore),
)
_DEPTH = 4  # attributes of attributes: an agent's own class that holds a boto3 client needs this many


def interruptible(client: T) -> T:
    """Let a cancel end the requests that a client makes for the cancelled task.

    Call it once, at start-up: ``client = interruptible(openai.OpenAI())``. When a task is cancelled, the call
    of the client that its handler waits for raises TaskCancelled, as does each further one; and the provider sees
    the connection end. Responses that a handler leaves unfinished are closed when its task
    ends. Requests outside of handlers are as before. See docs/stopping.md for what it covers.

    Args:
        client: a client that stands on httpx, httpx2, requests, urllib3 or boto3, or one of theirs.

    Returns the same object. Calling it again, or in a handler, does no harm.

    Raises TypeError if there is no such client in it, for a custom transport, and for a release of these libraries
    that it does not fit; ValueError for a client that is closed, in the midst of a request, or set to HTTP/2.
    """
    found = list(_http_clients(client))
    if not found and callable(make := getattr(client, "_get_client", None)):
        found = list(_http_clients(make()))  # llama-index makes its client late
    if not found:
        raise TypeError(
            f"interruptible() finds no HTTP client in {type(client).__module__}.{type(client).__qualname__}. It "
            "takes httpx.Client, httpx2.Client, requests.Session, urllib3.PoolManager, boto3 clients and what "
            "stands on these; async clients need none of it, since async handlers are cancelled where they wait"
        )
    with importing():  # one thread at a time: a client that is half changed looks like an unknown one
        changes = [check(http_client, library) for check, library, http_client in found]
        for change in changes:  # all were checked before the first one is changed
            change()
        sleeps.make_interruptible()
    return client


def _http_clients(client: object) -> Iterator[tuple[Check, str, object]]:
    """Go through the attributes, and theirs: clients keep their HTTP client under names of their own."""
    kinds = [
        (getattr(module, name), check, library)
        for library, name, check in _CHECKS
        if (module := sys.modules.get(library)) is not None
    ]
    seen: dict[int, object] = {}
    level = [client]
    for _ in range(_DEPTH):
        inner: dict[int, object] = {}
        for thing in level:
            for kind, check, library in kinds:
                if isinstance(thing, kind):
                    yield check, library, thing
                    break
            else:
                inner.update((id(value), value) for value in _attributes(thing))
        level = [value for number, value in inner.items() if number not in seen]
        seen.update(inner)


def _attributes(thing: object) -> Iterator[object]:
    if isinstance(thing, (type, ModuleType, FunctionType)):
        return
    for name in ("__dict__", "__pydantic_private__"):  # pydantic keeps private attributes apart
        found = getattr(thing, name, None)
        if isinstance(found, dict):
            for value in list(found.values()):
                yield value
                if isinstance(value, (list, tuple)):  # of LangChain's fallbacks, say
                    yield from tuple(value)
                elif isinstance(value, dict):
                    yield from list(value.values())
