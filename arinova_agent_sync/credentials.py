"""Whose agent it is on which server: the token in use, and the HTTP client that speaks for it. Thread-safe."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .log import logger
from .net.forks import importing, renew_after_fork
from .settings import Settings
from .shadows import naming_shadows

if TYPE_CHECKING:
    from .api import ArinovaClient


class Credentials:
    """The token, which a claimed one replaces, and the client, which is made when it is first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._api: ArinovaClient | None = None
        self.token = settings.bot_token
        logger.hide(self.token)
        self.after_fork()
        renew_after_fork(self.after_fork)

    def __repr__(self) -> str:
        return f"Credentials({self._settings.server_url!r})"

    def after_fork(self) -> None:
        """Make the lock, anew in a forked child, where a thread that is gone may have held it."""
        self._lock = threading.Lock()

    @property
    def api(self) -> ArinovaClient:
        """The HTTP client; it connects with its first call."""
        with self._lock:
            if self._api is None:
                self._api = self.new_client()
            return self._api

    def load_client(self) -> None:
        """Load all that the calls of a client need; raise ImportError for what cannot be loaded."""
        with importing(), naming_shadows():
            from .api import ArinovaClient, exchange  # noqa: F401

    def new_client(self) -> ArinovaClient:
        """Return an HTTP client of its own for the caller to close."""
        with importing(), naming_shadows():  # here: an agent that never uses HTTP loads none of it
            from .api import ArinovaClient

        return ArinovaClient(
            server_url=self._settings.server_url,
            bot_token=self.token,
            proxy=self._settings.proxy,
            ssl_context=self._settings.ssl_context,
        )

    def abort(self, client: ArinovaClient) -> None:
        """End the calls of a client of new_client() at once, and let it make no more."""
        with importing():
            from .api.client import abort

        abort(client)

    def replace_token(self, token: str) -> None:
        """Use a permanent token in place of the bootstrap token that it was exchanged for."""
        logger.hide(token)
        with self._lock:
            self.token = token
            api = self._api
        if api is not None:
            try:
                api.replace_token(token)
            except ValueError as error:  # its text does not show the token
                logger.warning("agent.api keeps the token it had; it cannot use the new one: %s", error)

    def close(self) -> None:
        """Close the client's connections; a later call makes new ones."""
        with self._lock:
            api = self._api
        if api is not None:
            api.close()
