"""Connect to host and port by TCP and TLS, straight or through a proxy, before a deadline."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from functools import cache

from .deadline import Deadline
from .guarded_socket import SendFailed, SocketGuard, Woken
from .proxies import Proxy

__all__ = ["ProxyRefused", "default_context", "dial", "receive_answer"]

_MAX_ANSWER_BYTES = 64 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")


class ProxyRefused(OSError):
    """The proxy did not make the connection.

    Attributes:
        status: its HTTP status, 0 if its answer was none.
    """

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


def dial(
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None,
    proxy: Proxy | None,
    deadline: Deadline,
    publish: Callable[[SocketGuard], None],
) -> SocketGuard:
    """Connect.

    Args:
        host: a name or an address, IPv6 without brackets.
        port: the server's port.
        tls: how to check the server; None for no TLS.
        proxy: whom to ask for the connection instead.
        deadline: for all of it but the look-up of the name, which the C library does not let go.
        publish: told of each socket before its first wait, so that another thread can wake it; may raise.

    Raises OSError: socket.gaierror, ProxyRefused, ssl.SSLError, TimeoutError, Woken and its other children.
    """
    guard = _first_to_answer(proxy.host if proxy else host, proxy.port if proxy else port, deadline, publish)
    try:
        if proxy:
            _tunnel(guard, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", proxy, deadline)
        if tls:
            guard.start_tls(tls, host, deadline)
    except BaseException:
        guard.close()
        raise
    return guard


@cache
def default_context() -> ssl.SSLContext:
    """Return the context that trusts what the system trusts; reading all its certificates takes a while."""
    return ssl.create_default_context()


def _first_to_answer(
    host: str, port: int, deadline: Deadline, publish: Callable[[SocketGuard], None]
) -> SocketGuard:
    # As bytes, for a text Python would load its tables of international names.
    name = host.encode() if host.isascii() else host
    addresses = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    failure: OSError | None = None
    for done, (family, kind, protocol, _, address) in enumerate(addresses):
        left = deadline.left()
        # Else a silent address would take all the time there is.
        share = Deadline(None if left is None else left / (len(addresses) - done))
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            failure = error  # a family that this machine does not have
            continue
        guard = SocketGuard(sock)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            publish(guard)
            guard.connect(address, share)
            return guard
        except BaseException as error:
            guard.close()
            if isinstance(error, Woken) or not isinstance(error, OSError):
                raise
            failure = error
    raise failure or TimeoutError("the name has no address")


def _tunnel(guard: SocketGuard, target: str, proxy: Proxy, deadline: Deadline) -> None:
    if not target.isascii():
        target = target.encode("idna").decode()
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
        raise ProxyRefused(f"the proxy's answer {error}") from error
    if status // 100 != 2:
        raise ProxyRefused(f"the proxy answered HTTP {status}", status)
    if rest:
        raise ProxyRefused("the proxy's answer came with more behind it")


def receive_answer(guard: SocketGuard, deadline: Deadline) -> tuple[int, bytes, bytes]:
    """Receive an HTTP answer up to the end of its head.

    Returns its status, its head, and what was received behind it. Raises EOFError if it is cut short, ValueError if
    it is no HTTP or longer than 64 KiB, OSError.
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
