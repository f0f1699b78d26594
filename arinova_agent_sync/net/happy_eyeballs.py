"""Connecting to whichever address of a host answers first (RFC 8305, "Happy Eyeballs")."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Sequence
from itertools import chain, zip_longest

from .abortable_wait import AbortableWait
from .deadline import Deadline
from .resolver import Address

__all__ = ["connect", "interleaved"]

_ATTEMPT_DELAY = 0.25  # seconds that an address has for itself before the next one is tried beside it
_MOST_UNSENT = 128 * 1024  # bytes that the kernel keeps beside what is on its way
_IN_PROGRESS = (errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK))


def interleaved(addresses: Sequence[Address]) -> list[Address]:
    """Return the addresses in the order in which to try them: IPv6 first, then the families by turns."""
    first = [address for address in addresses if address.family == socket.AF_INET6]
    others = [address for address in addresses if address.family != socket.AF_INET6]
    return [address for address in chain(*zip_longest(first, others)) if address is not None]


def connect(addresses: Sequence[Address], deadline: Deadline, wait: AbortableWait) -> socket.socket:
    """Return a socket that is connected to one of the addresses; the attempts at the others are closed.

    A silent address costs 0.25 s, one that refuses costs nothing.

    Args:
        addresses: in any order.
        deadline: when to give up.
        wait: by which another thread may abort it.

    Raises OSError: the last failure if all fail, TimeoutError, Aborted.
    """
    untried = interleaved(addresses)
    untried.reverse()
    under_way = 0
    next_at = time.monotonic()
    failure = OSError("the host's name has no address")
    while untried or under_way:
        if deadline.expired:
            raise TimeoutError("no address of the host answered in time")
        if untried and (not under_way or time.monotonic() >= next_at):
            next_at = time.monotonic() + _ATTEMPT_DELAY
            try:
                sock = _begun(untried.pop(), wait)
            except OSError as error:  # also from a system without this family of addresses
                failure = error
                continue
            if sock is not None:
                return sock
            under_way += 1
        pause = max(0.0, next_at - time.monotonic()) if untried else None
        for sock in wait.wait(deadline.left(pause)):
            under_way -= 1
            wait.release(sock)
            if (code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) == 0:
                return sock
            sock.close()
            failure = OSError(code, os.strerror(code))
            next_at = 0.0
    raise failure


def _begun(address: Address, wait: AbortableWait) -> socket.socket | None:
    """Begin to connect; return the socket if it is connected at once."""
    sock = socket.socket(address.family, address.kind, address.protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _keep_backlog_short(sock)
        code = sock.connect_ex(address.place)
        if code and code not in _IN_PROGRESS:
            raise OSError(code, os.strerror(code))
        if code:
            wait.watch(sock)
            return None
    except BaseException:
        sock.close()
        raise
    return sock


def _keep_backlog_short(sock: socket.socket) -> None:
    """Keep the kernel from taking megabytes that the peer is not ready for: a ping would wait behind them."""
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _MOST_UNSENT)
        except OSError:
            pass  # some sandboxes know the name alone
