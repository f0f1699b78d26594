"""The look-up of a host's addresses, which ends in time.

The C library's look-up can be neither bounded nor interrupted. It runs on a thread of its own, ``arinova-lookup``,
which is left behind when the deadline passes or the wait is aborted: a daemon that ends when the library returns,
after 5 to 30 seconds with most, and whose result nobody takes. Whoever asks for the same host meanwhile waits for
that same thread, so that a resolver that hangs costs one thread for each host and port, however often it is asked.
An IP address is converted at once, without a thread.
"""

from __future__ import annotations

import socket
import threading
from typing import NamedTuple, cast

from .abortable_wait import AbortableWait
from .deadline import Deadline
from .forks import importing, renew_after_fork

__all__ = ["Address", "resolve"]


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


class _Lookup:
    """One look-up, and whoever waits for it. Its fields are guarded by the lock of the look-ups."""

    def __init__(self) -> None:
        self.waits: set[AbortableWait] = set()
        self.addresses: list[Address] | None = None
        self.error: Exception | None = None

    @property
    def done(self) -> bool:
        return self.addresses is not None or self.error is not None


class _Lookups:
    """The look-ups under way. Thread-safe."""

    def __init__(self) -> None:
        self.after_fork()
        renew_after_fork(self.after_fork)

    def after_fork(self) -> None:
        """Forget them: a child has none of the threads."""
        self._lock = threading.Lock()  # never held while waiting
        self._under_way: dict[tuple[bytes, int], _Lookup] = {}

    def join(self, host: bytes, port: int, wait: AbortableWait) -> _Lookup:
        """Return the look-up of a host, which notifies the wait when it is done."""
        with self._lock:
            lookup = self._under_way.get((host, port))
            if lookup is not None:
                lookup.waits.add(wait)
                return lookup
            lookup = self._under_way[host, port] = _Lookup()
            lookup.waits.add(wait)
        thread = threading.Thread(
            target=self._run, args=(host, port, lookup), name="arinova-lookup", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the interpreter ends: then it cannot be interrupted
            self._run(host, port, lookup)
        return lookup

    def leave(self, lookup: _Lookup, wait: AbortableWait) -> None:
        """Wait no more."""
        with self._lock:
            lookup.waits.discard(wait)

    def _run(self, host: bytes, port: int, lookup: _Lookup) -> None:
        addresses: list[Address] | None = None
        failure: Exception | None = None
        try:
            addresses = _addresses(host, port)
        except Exception as error:  # noqa: BLE001  # it is raised where it is waited for
            failure = error
        with self._lock:
            lookup.addresses, lookup.error = addresses, failure
            if self._under_way.get((host, port)) is lookup:
                del self._under_way[host, port]
            waits = list(lookup.waits)
        for wait in waits:
            wait.notify()


_lookups = _Lookups()


def resolve(host: str, port: int, deadline: Deadline, wait: AbortableWait) -> list[Address]:
    """Return the addresses of a host, in the order in which the system prefers them.

    Args:
        host: a name or an address, IPv6 without brackets.
        port: the port that the addresses shall have.
        deadline: when to give up.
        wait: by which another thread may abort it.

    Raises socket.gaierror for an unknown name, TimeoutError, Aborted; UnicodeError for a name that cannot be one.
    """
    if host.isascii():
        name = host.encode()  # for a str, Python would load its tables of international names, in the thread
    else:
        with importing():
            name = host.encode("idna")
    try:
        return _addresses(name, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name
    lookup = _lookups.join(name, port, wait)
    try:
        while not lookup.done:
            wait.wait(deadline.require())
    except TimeoutError as error:
        raise TimeoutError("the host's name was not looked up in time") from error
    finally:
        _lookups.leave(lookup, wait)
    wait.raise_if_aborted()  # what the look-up found may have come before the first wait
    if lookup.error is not None:
        raise lookup.error
    return lookup.addresses or []


def _addresses(host: bytes, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [
        Address(family, kind, protocol, cast("tuple[str, int]", place))
        for family, kind, protocol, _, place in found
    ]
