"""Which faults are on, and for whom. Thread-safe: it works under the hub's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .event_loop import EventLoop
from .faults import AT_ONCE, FaultName, parameters_of
from .framelog import Content
from .records import AgentAccount
from .replies import LocalReply


class Injection:
    """Hold one fault that was injected; as a context manager it heals at the end.

    Attributes:
        name: the fault's name.
        parameters: its parameters, also those that were not given.
        agent_id: the one agent it hits, None for all.
        connections: how many connections it hit when it was injected.
        replies: what "early-task" asked.
    """

    def __init__(
        self,
        name: FaultName,
        parameters: Mapping[str, Any],
        agent_id: str | None,
        heal: Callable[[Injection], None],
    ) -> None:
        self.name = name
        self.parameters = parameters
        self.agent_id = agent_id
        self.connections = 0
        self.replies: list[LocalReply] = []
        self.left: int | None = parameters.get("count")
        self._heal = heal

    def heal(self) -> None:
        """End the fault; a fault that is over already stays so."""
        self._heal(self)

    def hits(self, agent_id: str | None) -> bool:
        """Return whether it is meant for an agent; None is a connection that has not authenticated."""
        return self.agent_id is None or self.agent_id == agent_id

    def __enter__(self) -> Injection:
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()

    def __repr__(self) -> str:
        return f"<Injection {self.name} of {self.parameters}>"


class Peer(Protocol):
    """What a connection of an agent is to all who do not know how it is carried."""

    number: int

    @property
    def agent_id(self) -> str | None:
        """Whose connection it is, as far as that is known."""
        ...

    def deliver(self, frame: Content) -> None:
        """Send a frame."""
        ...

    def suffer(self, injection: Injection) -> None:
        """Let a fault strike now."""
        ...

    def ease(self) -> None:
        """Go on as far as the faults that are still on allow."""
        ...

    def drop(self) -> None:
        """End it at once."""
        ...


class FaultBoard:
    """Keep the faults that last, and let those that do not strike.

    Args:
        lock: the hub's.
        loop: where connections live.
        peers: all connections, by their numbers.
    """

    def __init__(self, lock: threading.RLock, loop: EventLoop, peers: Mapping[int, Peer]) -> None:
        self._lock = lock
        self._loop = loop
        self._peers = peers
        self._injections: list[Injection] = []

    def inject(
        self, name: FaultName, agent: AgentAccount | None, parameters: Mapping[str, object]
    ) -> Injection:
        """Let a fault strike; it has when this returns."""
        checked, agent_id = parameters_of(name, parameters), agent.agent_id if agent else None
        injection, lasts = Injection(name, checked, agent_id, self._heal), name not in AT_ONCE
        if lasts:
            with self._lock:
                self._injections.append(injection)
        if name.startswith("http-"):
            return injection
        if self._loop.running or not lasts:
            injection.connections = self._loop.call(lambda: self._strike(injection))
            # Once more round the loop: then the ends of connections have been noticed.
            self._loop.call(lambda: None)
        return injection

    def heal(self, name: FaultName | None) -> None:
        """End the faults of a name, or all."""
        with self._lock:
            injections = [injection for injection in self._injections if name in (None, injection.name)]
        for injection in injections:
            injection.heal()

    def find(self, name: FaultName, agent_id: str | None, path: str = "") -> Injection | None:
        """Return the newest fault of a name that is on for an agent, or for its request for a path."""
        with self._lock:
            for each in reversed(self._injections):
                prefix = each.parameters.get("path", "")
                if each.name == name and each.hits(agent_id) and path.startswith(prefix):
                    return each
        return None

    def use(self, name: FaultName, agent_id: str | None, path: str = "") -> Injection | None:
        """Return what ``find`` does, and count down how often it still strikes."""
        with self._lock:
            found = self.find(name, agent_id, path)
            if found is not None and found.left is not None:
                found.left -= 1
                if found.left <= 0:
                    self._injections.remove(found)
            return found

    @property
    def quiet(self) -> bool:
        """Whether no fault is on at all; asked without the lock, for every request."""
        return not self._injections

    def _heal(self, injection: Injection) -> None:
        with self._lock:
            if injection not in self._injections:
                return
            self._injections.remove(injection)
        if self._loop.running and injection.name in ("half-open", "slow-reads"):
            self._loop.call(self._ease)

    def _strike(self, injection: Injection) -> int:
        peers = [peer for peer in self._peers.values() if injection.hits(peer.agent_id)]
        for peer in peers:
            peer.suffer(injection)
        return len(peers)

    def _ease(self) -> None:
        for peer in list(self._peers.values()):
            peer.ease()
