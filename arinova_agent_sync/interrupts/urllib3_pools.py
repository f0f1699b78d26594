"""urllib3, and with it requests and botocore: their connections in the hands of scopes.

A connection is a task's from the task's first call on it until it goes back into the pool. The pool's queue takes
it away from the scope, and closes it if the scope has shut it down, before another thread can get it.
"""

from __future__ import annotations

import functools
import io
import sys
from collections.abc import Callable
from queue import Empty, LifoQueue
from typing import Any

from ..errors import TaskCancelled
from .scope import current_scope
from .sockets import Guard, Handshake, connect
from .versions import unknown_release


def check_manager(manager: Any, _library: str = "urllib3") -> Callable[[], None]:
    """Return what makes an urllib3.PoolManager interruptible; raise TypeError for pools of another kind."""
    pools = manager.pool_classes_by_scheme
    ours = {scheme: _pool_class(pool) for scheme, pool in pools.items()}

    def adapt() -> None:
        if ours != manager.pool_classes_by_scheme:
            manager.pool_classes_by_scheme = ours
            manager.clear()  # idle connections: they were made without guards

    return adapt


def check_session(session: Any, _library: str) -> Callable[[], None]:
    """Return what makes a requests.Session interruptible; raise TypeError for an adapter of another kind."""
    adapters = list({id(adapter): adapter for adapter in session.adapters.values()}.values())
    for adapter in adapters:
        if not isinstance(adapter, sys.modules["requests"].adapters.HTTPAdapter):
            kind = f"{type(adapter).__module__}.{type(adapter).__qualname__}"
            raise TypeError(
                f"interruptible() does not know the adapter {kind}; it takes requests.adapters.HTTPAdapter"
            )
    changes = [check_manager(adapter.poolmanager) for adapter in adapters]

    def adapt() -> None:
        for change in changes:
            change()
        for adapter in adapters:
            if not isinstance(adapter.proxy_manager, _ProxyManagers):
                managers = _ProxyManagers()
                for proxy, manager in adapter.proxy_manager.items():
                    managers[proxy] = manager
                adapter.proxy_manager = managers

    return adapt


def check_botocore(session: Any, _library: str) -> Callable[[], None]:
    """Return what makes a botocore.httpsession.URLLib3Session, as a boto3 client has it, interruptible."""
    pools = getattr(session, "_pool_classes_by_scheme", None)
    if not isinstance(pools, dict):
        raise unknown_release("botocore", "URLLib3Session._pool_classes_by_scheme")
    ours = {scheme: _pool_class(pool) for scheme, pool in pools.items()}

    def adapt() -> None:
        if ours != pools:
            pools.update(ours)  # the dict of all its managers, those of proxies that are to come among them
            session.close()  # idle connections: they were made without guards

    return adapt


class _ProxyManagers(dict[str, Any]):
    """What a requests adapter keeps its managers for proxies in. It makes them when it first needs them."""

    def __setitem__(self, proxy: str, manager: Any) -> None:
        check_manager(manager)()
        super().__setitem__(proxy, manager)


@functools.cache
def _pool_class(pool: Any) -> Any:
    """Return a class of connection pools like the given one, with connections and a queue of ours."""
    connection = pool.ConnectionCls
    if issubclass(connection, _Connection):
        return pool
    if not hasattr(connection, "_new_conn"):
        raise unknown_release("urllib3", f"{connection.__name__}._new_conn")
    if not issubclass(LifoQueue, pool.QueueCls):
        raise TypeError(
            f"interruptible() does not know the queue {pool.QueueCls.__qualname__} of urllib3's pools"
        )
    names = {"ConnectionCls": type(connection.__name__, (_Connection, connection), {}), "QueueCls": _Queue}
    return type(pool.__name__, (pool,), names)


class _Connection:
    """Mixed into urllib3's classes of connections."""

    sock: Any
    _handshake: Handshake | None = None

    def connect(self) -> None:
        """Connect, through a proxy if there is one, and encrypt."""
        with Handshake() as self._handshake:
            super().connect()  # type: ignore[misc]
        self._handshake = None
        self.sock = _Socket(self.sock)

    def _new_conn(self) -> Any:
        sock = connect(super()._new_conn)  # type: ignore[misc]
        if self._handshake is not None:
            try:
                self._handshake.begin(sock)
            except BaseException:
                sock.close()
                raise
        return sock


class _Socket:
    """What http.client needs of a socket.

    Args:
        sock: a socket, an ssl.SSLSocket, or an SSLTransport, as urllib3 calls TLS inside TLS.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._guard = Guard(getattr(sock, "socket", sock), keep=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def sendall(self, data: Any) -> None:
        """Send all bytes."""
        self._guard.call(self._sock.sendall, data)

    def makefile(self, mode: str, buffering: int | None = None) -> io.BufferedReader | _ResponseReader:
        """Return a file to read the connection from; "rb" is the one mode."""
        if mode != "rb":
            raise ValueError(f"an interruptible connection has no file of the mode {mode!r}")
        reader = _ResponseReader(self._sock.makefile("rb", buffering=0), self._guard)
        return reader if buffering == 0 else io.BufferedReader(reader)

    def close(self) -> None:
        """Close the socket."""
        self._guard.give_up()
        self._sock.close()

    def is_reusable(self) -> bool:
        """Take it away from the scope; return False if the scope has shut it down."""
        self._guard.give_up()
        return not self._guard.was_shut


class _ResponseReader(io.RawIOBase):
    """Reads from a socket.

    Args:
        raw: the socket's own file.
        guard: of the connection.
    """

    def __init__(self, raw: Any, guard: Guard) -> None:
        self._raw = raw
        self._guard = guard

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count: int | None = self._guard.call(self._raw.readinto, buffer)
        return count

    def close(self) -> None:
        if not self.closed:
            self._guard.give_up()  # for this may be what keeps the descriptor open
            self._raw.close()
        super().close()


class _Queue(LifoQueue[Any]):
    """The connections of a pool that nobody uses."""

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._not_taken = 0  # what urllib3 will put back although a cancelled get() gave it nothing

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        if item is None:
            if self._take_back():
                return
        elif isinstance(item.sock, _Socket) and not item.sock.is_reusable():
            item.close()  # the next user connects it anew
        super().put(item, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        scope = current_scope()
        if scope is None or not block:
            return super().get(block, timeout)
        try:
            with scope.waking(self._wake), self.not_empty:
                self.not_empty.wait_for(lambda: self.queue or scope.cancelled, timeout)
                scope.check()
                if not self.queue:
                    raise Empty
                self.not_full.notify()
                return self.queue.pop()
        except TaskCancelled:
            with self.mutex:
                self._not_taken += 1
            raise

    def _wake(self) -> None:
        with self.not_empty:
            self.not_empty.notify_all()

    def _take_back(self) -> bool:
        with self.mutex:
            if owed := self._not_taken > 0:
                self._not_taken -= 1
            return owed
