"""How a server starts and stops: its database, its socket, and the thread of uvicorn's event loop. Thread-safe."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from email.utils import formatdate
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from .agent_socket import AgentSocket
from .hub import Hub

logger = logging.getLogger("arinova_agent_sync.local")

AGENT_PATH = "/ws/agent"

_THREAD = "arinova-local-server"
_LOGGERS = ("uvicorn.error", "uvicorn.access")
_BACKLOG = 256  # connections; asyncio also accepts so many before it does anything else
_STARTS_WITHIN = 10.0  # seconds
_STOPS_WITHIN = 5.0  # seconds
_TASKS_END_WITHIN = 1.0  # seconds


class Host:
    """Serve HTTP and WebSockets in one background thread, as often as one likes.

    Args:
        hub: takes the agents' connections; its database is open.
        address: where to listen.
        port: 0 takes a free one, and the same again at the next start.
    """

    def __init__(self, hub: Hub, address: str, port: int) -> None:
        self._lock = threading.Lock()  # taken before the hub's lock
        self._hub = hub
        self._address = address
        self.port = port
        self._thread: threading.Thread | None = None
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """The address for agents."""
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"http://{host}:{self.port}"

    def start(self, app: ASGIApp) -> None:
        """Listen and serve; at once if it does already.

        Args:
            app: answers all but the agents' path.

        Raises what opening the database or the port raises.
        """
        with self._lock:
            if self._hub.running:
                return
            self._hub.store.open()
            try:
                listener = _listen(self._address, self.port)
                self.port = listener.getsockname()[1]
                self._serve(app, listener)
            except BaseException:
                self._hub.store.rest()
                raise
            logger.info("The embedded server listens on %s", self.url)

    def stop(self) -> None:
        """Drop every connection and end the thread. Idempotent."""
        with self._lock:
            if not self._hub.running or self._server is None or self._thread is None:
                self._hub.store.rest()
                return
            with self._hub.turn() as chat:
                chat.halt()
            self._hub.post(self._server.stopping.set)
            self._thread.join(_STOPS_WITHIN)
            if self._thread.is_alive():
                logger.warning("The embedded server's thread did not end in %g s", _STOPS_WITHIN)
            for name in self._hub.end(_STOPS_WITHIN):
                logger.warning("The function of an action still runs: %s", name)
            self._hub.store.rest()
            logger.info("The embedded server has stopped")

    def drop(self, scope: Scope) -> None:
        """End the TCP connection on which a request came; called on the event loop's thread."""
        if self._server is not None:
            for connection in self._server.server_state.connections:
                if getattr(connection, "scope", None) is scope:
                    connection.transport.abort()
                    break

    def _serve(self, app: ASGIApp, listener: socket.socket) -> None:
        config = uvicorn.Config(
            _dated(app),
            http="h11",
            ws=self._door(),
            loop="asyncio",
            lifespan="off",
            log_config=None,
            server_header=False,
            date_header=False,  # it would come from the ticks that _Server has not
            proxy_headers=False,
            ws_per_message_deflate=False,
            ws_ping_interval=None,
            ws_ping_timeout=None,
            backlog=_BACKLOG,
        )
        self._server = _Server(config, self._hub)
        self._thread = threading.Thread(
            target=self._run, args=(self._server, listener), name=_THREAD, daemon=True
        )
        self._thread.start()
        if not self._server.up.wait(_STARTS_WITHIN) or self._server.failure is not None:
            raise RuntimeError("the embedded server could not start") from self._server.failure

    def _run(self, server: _Server, listener: socket.socket) -> None:
        thread, loggers = threading.get_ident(), [logging.getLogger(name) for name in _LOGGERS]

        def silence(record: logging.LogRecord) -> bool:
            return record.thread != thread  # a program's own uvicorn is left alone

        for logger in loggers:
            logger.addFilter(silence)
        try:
            # asyncio's own debug mode, which python -X dev turns on, would log and slow down a user's test.
            asyncio.run(server.serve(sockets=[listener]), debug=False)
        except BaseException as error:  # noqa: BLE001 - start() raises it in the thread that asked
            server.failure = error
        finally:
            listener.close()
            server.up.set()
            for logger in loggers:
                logger.removeFilter(silence)

    def _door(self) -> type[asyncio.Protocol]:
        hub = self._hub

        class Door(asyncio.Protocol):
            """Hand an upgraded connection to who serves its path."""

            def __init__(self, **from_uvicorn: Any) -> None:
                self._from_uvicorn = from_uvicorn

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self._transport = cast(asyncio.Transport, transport)

            def data_received(self, data: bytes) -> None:
                # uvicorn gives the whole request at once and only then makes this object the transport's
                # protocol; the loop puts the right one into its place before it reads again.
                path = data.split(b" ", 2)[1].partition(b"?")[0]
                agent = AgentSocket(hub) if path == AGENT_PATH.encode() else None
                inner = agent.wire if agent else WebSocketsSansIOProtocol(**self._from_uvicorn)
                inner.connection_made(self._transport)
                asyncio.get_running_loop().call_soon(self._transport.set_protocol, inner)
                if agent is not None:
                    agent.settle()
                inner.data_received(data)

        return Door


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only for sockets that name TCP as their protocol.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except BaseException:
        listener.close()
        raise
    return listener


def _dated(app: ASGIApp) -> ASGIApp:
    """Let every answer tell when it was made, as those of a real server do."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(usegmt=True).encode()
                message["headers"] = [*message.get("headers", ()), (b"date", date)]
            await send(message)

        await app(scope, receive, send_dated if scope["type"] == "http" else send)

    return serve


class _Server(uvicorn.Server):
    """Start and stop without uvicorn's ticks of 100 ms, and let no connection hold the stop up."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self.up = threading.Event()
        self.failure: BaseException | None = None
        self._hub = hub
        self.stopping = asyncio.Event()

    async def main_loop(self) -> None:
        self._hub.begin(asyncio.get_running_loop())
        self.up.set()
        await self.stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        # asyncio accepts connections in tasks of its own. They leak if their server is closed meanwhile, so the
        # door shuts first, then those in the hall are let in, and only then everyone is thrown out.
        for listener in sockets or ():
            try:
                loop.remove_reader(listener)
            except NotImplementedError:
                pass  # Windows, whose event loop accepts in another way
        for task in list(self.server_state.tasks):
            task.cancel()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=_TASKS_END_WITHIN)
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self._hub.drop_all()
        # One turn of the loop in which the transports close their sockets.
        await asyncio.sleep(0)
        self._hub.loop.detach()
