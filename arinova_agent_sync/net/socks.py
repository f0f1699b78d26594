"""Ask a SOCKS proxy for a connection, by the messages of python-socks over a socket of ours.

Its own connect() would make the socket, which could then be neither aborted nor bounded as a whole.
"""

from __future__ import annotations

from python_socks import ProxyType
from python_socks._abc import SyncResolver, SyncSocketStream
from python_socks._connectors.factory_sync import create_connector
from python_socks._protocols.errors import ReplyError

from .deadline import Deadline
from .guarded_socket import SendFailed, SocketGuard
from .proxies import Proxy, ProxyError

__all__ = ["ask_socks"]


def ask_socks(guard: SocketGuard, host: str, port: int, proxy: Proxy, deadline: Deadline) -> None:
    """Have the proxy connect to a server, whose name it looks up itself.

    Args:
        guard: the connection to the proxy.
        host, port: the server; a name in ASCII, or an address.
        proxy: the proxy, with its kind and credentials.
        deadline: when to give up.

    Raises ProxyError, or another OSError for a connection that breaks.
    """
    connector = create_connector(
        ProxyType.SOCKS4 if proxy.scheme.startswith("socks4") else ProxyType.SOCKS5,
        username=proxy.user,
        password=None if proxy.user is None else proxy.password or "",
        rdns=True,
        resolver=SyncResolver(),  # which resolves nothing: the proxy does
    )
    try:
        connector.connect(_Stream(guard, deadline), host, port)
    except (ReplyError, EOFError, ValueError) as error:
        raise ProxyError(f"the proxy {proxy.url} did not make the connection: {error}") from error


class _Stream(SyncSocketStream):
    """A guarded socket with a deadline, as python-socks reads and writes it."""

    def __init__(self, guard: SocketGuard, deadline: Deadline) -> None:
        guard.send_by = deadline
        self._guard = guard
        self._deadline = deadline

    def write(self, data: bytes) -> None:
        try:
            self._guard.send_all(data)
        except SendFailed as failed:
            raise failed.__cause__ or failed from None

    def read_exactly(self, n: int) -> bytes:
        data = memoryview(bytearray(n))
        got = 0
        while got < n:
            count = self._guard.receive_into(data[got:], by=self._deadline)
            if not count:
                raise EOFError("it ended the connection")
            got += count
        return bytes(data)
