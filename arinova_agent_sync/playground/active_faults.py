"""The faults that a page's buttons inject. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, cast

from ..local import FaultName, Injection, LocalServer
from ..local.faults import AT_ONCE


class ActiveFaults:
    """Inject faults and remember which of them last.

    Args:
        server: what goes wrong.
    """

    def __init__(self, server: LocalServer) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._lasting: list[Injection] = []

    def inject(self, name: str, agent_id: str | None, parameters: Mapping[str, object]) -> None:
        """Make something go wrong; raise ValueError or TypeError if there is no such fault, agent or parameter."""
        account = None
        if agent_id is not None:
            account = next((each for each in self._server.agents if each.agent_id == agent_id), None)
            if account is None:
                raise ValueError("unknown agent")
        injection = self._server.inject(cast(FaultName, name), agent=account, **parameters)
        if name not in AT_ONCE:
            with self._lock:
                self._lasting.append(injection)

    def heal(self, name: str | None = None) -> None:
        """End the faults of a name, or all."""
        with self._lock:
            ending = [each for each in self._lasting if name in (None, each.name)]
            self._lasting = [each for each in self._lasting if each not in ending]
        for injection in ending:
            injection.heal()

    def lasting(self) -> list[dict[str, Any]]:
        """Return the faults that are on."""
        with self._lock:
            self._lasting = [each for each in self._lasting if each.left is None or each.left > 0]
            return [{"name": each.name, "agent": each.agent_id} for each in self._lasting]
