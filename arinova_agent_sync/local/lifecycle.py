"""How a server starts and stops: its database, its socket, its thread. Thread-safe."""

from __future__ import annotations

import logging
import threading

from starlette.types import ASGIApp

from .hosting import Host, listen
from .hub import Hub
from .rest.store import Store

logger = logging.getLogger("arinova_agent_sync.local")

_STOPS_WITHIN = 5.0  # seconds


class Lifecycle:
    """Start and stop a server, as often as one likes.

    Args:
        store: the database, which is open.
        hub: the chat.
        hosting: the thread.
        app: answers all but the agents' path.
        address: where to listen.
        port: 0 takes a free one, and the same again at the next start.
    """

    def __init__(self, store: Store, hub: Hub, hosting: Host, app: ASGIApp, address: str, port: int) -> None:
        self._lock = threading.Lock()  # taken before the hub's lock
        self._store = store
        self._hub = hub
        self._hosting = hosting
        self._app = app
        self._address = address
        self.port = port

    @property
    def url(self) -> str:
        """The address for agents."""
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"http://{host}:{self.port}"

    def start(self) -> None:
        """Listen and serve; at once if it does already. Raises what opening the database or the port raises."""
        with self._lock:
            if self._hub.running:
                return
            self._store.open()
            try:
                listener = listen(self._address, self.port)
                self.port = listener.getsockname()[1]
                self._hosting.start(self._app, listener)
            except BaseException:
                self._store.rest()
                raise
            logger.info("The embedded server listens on %s", self.url)

    def stop(self) -> None:
        """End every connection and the thread. Idempotent."""
        with self._lock:
            if not self._hub.running:
                self._store.rest()
                return
            with self._hub.turn() as chat:
                chat.halt()
            if not self._hosting.stop(_STOPS_WITHIN):
                logger.warning("The embedded server's thread did not end in %g s", _STOPS_WITHIN)
            for name in self._hub.end(_STOPS_WITHIN):
                logger.warning("The function of an action still runs: %s", name)
            self._store.rest()
            logger.info("The embedded server has stopped")
