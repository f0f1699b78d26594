"""Connect to host and port by TCP and TLS, straight or through a proxy, before a deadline."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from . import happy_eyeballs
from .abortable_wait import AbortableWait
from .deadline import Deadline
from .forks import importing
from .guarded_socket import Aborted, SendFailed, SocketGuard
from .proxies import Proxy, ProxyError, ProxyTimeout
from .resolver import Address, resolve

__all__ = ["dial", "receive_answer"]

_MAX_ANSWER_BYTES = 64 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")


def dial(
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None,
    proxy: Proxy | None,
    deadline: Deadline,
    publish: Callable[[AbortableWait | SocketGuard], object] | None = None,
    addresses: Sequence[Address] | None = None,
    tunnel: bool = True,
) -> SocketGuard:
    """Connect.

    Args:
        host: a name or an address, IPv6 without brackets.
        port: the server's port.
        tls: how to check the server; None for no TLS.
        proxy: whom to ask for the connection instead.
        deadline: for all of it, the look-up of the name included; see ``resolver`` for what that may leave behind.
        publish: told of what another thread may abort: the wait, before it begins, and the socket, which takes its
            place. It may raise. None if nobody is to abort it.
        addresses: the only addresses of the host to connect to, or to ask the proxy for; None for those it has.
        tunnel: False to connect to the proxy alone, which is given whole URLs then.

    Raises OSError: socket.gaierror, ProxyError, ssl.SSLError, TimeoutError, Aborted and its other children.
    """
    with AbortableWait() as wait:
        if publish is not None:
            publish(wait)
        if proxy is None:
            places = resolve(host, port, deadline, wait) if addresses is None else addresses
            sock = happy_eyeballs.connect(places, deadline, wait)
        else:
            with _naming(proxy):
                sock = happy_eyeballs.connect(resolve(proxy.host, proxy.port, deadline, wait), deadline, wait)
    guard = SocketGuard(sock)
    try:
        if publish is not None:
            publish(guard)
        if proxy is not None and tunnel:
            with _naming(proxy):
                _ask_proxy(guard, host if not addresses else _told(addresses), port, proxy, deadline)
        if tls is not None:
            guard.start_tls(tls, host, deadline)
    except BaseException:
        guard.close()
        raise
    return guard


@contextmanager
def _naming(proxy: Proxy) -> Iterator[None]:
    """Turn what fails on the way to the proxy into an error that names it."""
    advice = "check the proxy setting, or HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY"
    try:
        yield
    except (Aborted, ProxyError):
        raise
    except TimeoutError as error:
        raise ProxyTimeout(f"the proxy {proxy.url} did not answer in time: {advice}") from error
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "its host name is invalid"
        raise ProxyError(f"the proxy {proxy.url} cannot be reached ({why or error}): {advice}") from error


def _told(addresses: Sequence[Address]) -> str:
    # A proxy is told a checked address, not the name, which it could look up to be another.
    return next((one for one in addresses if one.family == socket.AF_INET), addresses[0]).host


def _ask_proxy(guard: SocketGuard, host: str, port: int, proxy: Proxy, deadline: Deadline) -> None:
    if not host.isascii():
        with importing():
            host = host.encode("idna").decode()
    if proxy.is_socks:
        with importing():  # not needed by most programs
            from .socks import ask_socks
        ask_socks(guard, host, port, proxy, deadline)
    else:
        _tunnel(guard, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", proxy, deadline)


def _tunnel(guard: SocketGuard, target: str, proxy: Proxy, deadline: Deadline) -> None:
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    guard.send_by = deadline
    try:
        guard.send_all("\r\n".join((*lines, "", "")).encode("ascii"))
        status, _, rest = receive_answer(guard, deadline)
    except SendFailed as error:
        raise error.__cause__ or error from None
    except (EOFError, ValueError) as error:
        raise ProxyError(f"the answer of the proxy {proxy.url} {error}") from error
    if status // 100 != 2:
        advice = ": check its user and password" if status == 407 else ""
        raise ProxyError(f"the proxy {proxy.url} answered HTTP {status}{advice}", status)
    if rest:
        raise ProxyError(f"the answer of the proxy {proxy.url} came with more behind it")


def receive_answer(guard: SocketGuard, deadline: Deadline) -> tuple[int, bytes, bytes]:
    """Receive an HTTP answer up to the end of its head.

    Returns its status, its head, and what was received behind it. Raises EOFError if it is cut short, ValueError if
    it is not HTTP or longer than 64 KiB, OSError.
    """
    answer = bytearray()
    buffer = memoryview(bytearray(4096))
    while (end := answer.find(b"\r\n\r\n") + 4) < 4:
        if len(answer) >= _MAX_ANSWER_BYTES:
            raise ValueError("has no end")
        count = guard.receive_into(buffer, by=deadline)
        if not count:
            raise EOFError("is cut short")
        answer += buffer[:count]
    status = _STATUS.match(answer)
    if status is None:
        raise ValueError("is not HTTP")
    return int(status[1]), bytes(answer[:end]), bytes(answer[end:])
