"""``--health``: a port that tells whether the agents are connected, and their numbers for Prometheus."""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import threading
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import REGISTRY, make_wsgi_app

from .. import _internals
from ..agent import ArinovaAgent
from .metrics import AgentMetrics
from .options import ListenAddress

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Health"]

logger = logging.getLogger("arinova_agent_sync.cli")

_PATIENCE = 5.0  # seconds for a request to arrive and for its answer to leave
_WELL = ("connected", "standby")  # what an end of the process would not improve
_STATUSES = (*_WELL, "trying", "ending", "ended")  # from good to bad


class Health:
    """Answer ``/healthz`` and ``/metrics`` on a thread, from ``start`` to ``close``. Thread-safe.

    Args:
        address: where to listen; port 0 is any that is free.

    Attributes:
        address: where it listens.

    Raises OSError if it cannot listen there.
    """

    def __init__(self, address: ListenAddress) -> None:
        self._agents: tuple[ArinovaAgent, ...] = ()
        self._lock = threading.Lock()  # guards the agents
        self._metrics = AgentMetrics(lambda: self._agents)
        self._show_metrics: WSGIApplication = make_wsgi_app()
        self._server = _Server(address)
        self._server.set_app(self._answer)
        self.address = ListenAddress(address.host, self._server.server_port)
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="arinova-health", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        REGISTRY.register(self._metrics)  # where an agent's own program has its metrics, too
        self._thread.start()

    def add(self, agent: ArinovaAgent) -> None:
        """Tell of an agent, too, from now on."""
        with self._lock:
            if agent not in self._agents:
                self._agents = (*self._agents, agent)

    def close(self) -> None:
        """Answer no more."""
        self._closed = True
        if self._thread.is_alive():
            self._server.wake()
            self._thread.join(_PATIENCE)
            REGISTRY.unregister(self._metrics)
        self._server.server_close()

    def _serve(self) -> None:
        while not self._closed:
            self._server.handle_request()

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return self._show_metrics(environ, start_response)
        if path != "/healthz":
            return _text(start_response, "404 Not Found", "there are /healthz and /metrics\n")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _text(start_response, "405 Method Not Allowed", "use GET\n", ("Allow", "GET, HEAD"))
        body = _of_process([_of_agent(agent, place) for place, agent in enumerate(self._agents, 1)])
        status = "200 OK" if body["status"] in _WELL else "503 Service Unavailable"
        text = json.dumps(body, ensure_ascii=False) + "\n"
        data = _text(start_response, status, text, ("Content-Type", "application/json"))
        return () if environ["REQUEST_METHOD"] == "HEAD" else data


def _text(start: StartResponse, status: str, text: str, *headers: tuple[str, str]) -> Iterable[bytes]:
    data = text.encode()
    kind = () if any(name == "Content-Type" for name, _ in headers) else (("Content-Type", "text/plain"),)
    start(status, [*headers, *kind, ("Content-Length", str(len(data))), ("Cache-Control", "no-store")])
    return [data]


class _AgentHealth(NamedTuple):
    """How an agent is.

    Attributes:
        agent: its name, as far as it is known.
        status: one of _STATUSES.
        seconds: how long it has had no connection, while it tries.
    """

    agent: str
    status: str
    seconds: float | None = None

    def shown(self) -> dict[str, object]:
        """Return what there is to say."""
        return {name: value for name, value in self._asdict().items() if value is not None}


def _of_agent(agent: ArinovaAgent, place: int) -> _AgentHealth:
    name = agent.agent_name or agent.agent_id or f"agent {place}"
    engine, stats = _internals.engine_of(agent), agent.stats()
    if stats.life in ("draining", "stopped", "failed"):
        return _AgentHealth(name, "ending" if stats.life == "draining" else "ended")
    if stats.link in ("online", "standby"):
        return _AgentHealth(name, "connected" if stats.link == "online" else "standby")
    since = None if engine is None else engine.state.waiting_since
    return _AgentHealth(name, "trying", 0.0 if since is None else round(time.monotonic() - since, 1))


def _of_process(agents: Sequence[_AgentHealth]) -> dict[str, object]:
    """Return how the process is, which is how the worst of its agents is; one that has ended is left out."""
    alive = [each for each in agents if each.status != "ended"] or agents
    if not alive:  # it is still loading
        return {"status": "starting", "agents": []}
    worst = max(alive, key=lambda each: (_STATUSES.index(each.status), each.seconds or 0.0))
    process = {name: value for name, value in worst.shown().items() if name != "agent"}
    return {**process, "agents": [each.shown() for each in agents]}


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """A server that waits without looking around from time to time."""

    daemon_threads = True
    allow_reuse_port = False  # or a second process would get a share of the requests

    def __init__(self, address: ListenAddress) -> None:
        if ":" in address.host:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # without asking a name server what this host is called
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Note in the log what a request came to; there is nobody to tell it."""
        logger.debug("a request for --health failed", exc_info=True)

    def wake(self) -> None:
        """Let ``handle_request`` return."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(self.server_name), str(self.server_name))
        try:
            socket.create_connection((host, self.server_port), _PATIENCE).close()
        except OSError:
            pass  # it has been woken by others


class _Handler(WSGIRequestHandler):
    """Serve one request, without a line in the log."""

    timeout = _PATIENCE

    def log_message(self, format: str, *args: object) -> None:
        pass
