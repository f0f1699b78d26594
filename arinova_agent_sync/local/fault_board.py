"""Which faults are on, and for whom. Thread-safe: it works under the hub's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, TypeVar

from .event_loop import EventLoop
from .faults import (
    AT_ONCE,
    EarlyTask,
    Fault,
    FaultName,
    HalfOpen,
    HttpDrop,
    HttpError,
    HttpFault,
    HttpSlow,
    LateAuth,
    RefuseAuth,
    SlowReads,
    fault,
)
from .framelog import Content
from .records import AgentAccount
from .replies import LocalReply

F = TypeVar("F", LateAuth, RefuseAuth, EarlyTask)
G = TypeVar("G")
H = TypeVar("H", HttpDrop, HttpError, HttpSlow)


class Injection:
    """Hold one fault that was injected; as a context manager it heals at the end.

    Attributes:
        name: the fault's name.
        fault: its parameters.
        agent_id: the one agent it hits, None for all.
        connections: how many connections it hit when it was injected.
        replies: what "early-task" asked.
    """

    def __init__(
        self, name: FaultName, fault: Fault, agent_id: str | None, heal: Callable[[Injection], None]
    ) -> None:
        self.name = name
        self.fault = fault
        self.agent_id = agent_id
        self.connections = 0
        self.replies: list[LocalReply] = []
        self.left: int | None = getattr(fault, "count", None)
        self._heal = heal

    def heal(self) -> None:
        """End the fault; a fault that is over already stays so."""
        self._heal(self)

    def hits(self, agent_id: str | None) -> bool:
        """Return whether it is meant for an agent; None is a connection that has not authenticated."""
        return self.agent_id is None or self.agent_id == agent_id

    def __enter__(self) -> Injection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.heal()

    def __repr__(self) -> str:
        return f"<Injection {self.name} of {self.fault}>"


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

    def suffer(self, fault: Fault) -> None:
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
        injection = Injection(name, fault(name, parameters), agent.agent_id if agent else None, self._heal)
        if injection.left is not None and injection.left < 1:
            raise ValueError("count must be at least 1, or None for as often as it likes")
        lasts = name not in AT_ONCE
        if lasts:
            with self._lock:
                self._injections.append(injection)
        if isinstance(injection.fault, HttpFault):
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

    def find(self, kind: type[G], agent_id: str | None) -> G | None:
        """Return the newest fault of a kind that is on for an agent."""
        with self._lock:
            for injection in reversed(self._injections):
                if isinstance(injection.fault, kind) and injection.hits(agent_id):
                    return injection.fault
        return None

    def use(self, kind: type[F], agent_id: str | None) -> tuple[F, Injection] | None:
        """Return the newest fault of a kind, and count down how often it still strikes."""
        with self._lock:
            for injection in reversed(self._injections):
                if isinstance(injection.fault, kind) and injection.hits(agent_id):
                    self._count_down(injection)
                    return injection.fault, injection
        return None

    @property
    def quiet(self) -> bool:
        """Whether no fault is on at all; asked without the lock, for every request."""
        return not self._injections

    def use_http(self, kind: type[H], agent_id: str | None, path: str) -> H | None:
        """Return the newest fault of a kind that hits a request, and count down how often it still strikes."""
        with self._lock:
            for injection in reversed(self._injections):
                fault = injection.fault
                if isinstance(fault, kind) and injection.hits(agent_id) and path.startswith(fault.path):
                    self._count_down(injection)
                    return fault
        return None

    def _count_down(self, injection: Injection) -> None:
        if injection.left is not None:
            injection.left -= 1
            if injection.left <= 0:
                self._injections.remove(injection)

    def _heal(self, injection: Injection) -> None:
        with self._lock:
            if injection not in self._injections:
                return
            self._injections.remove(injection)
        if self._loop.running and isinstance(injection.fault, (HalfOpen, SlowReads)):
            self._loop.call(self._ease)

    def _strike(self, injection: Injection) -> int:
        peers = [peer for peer in self._peers.values() if injection.hits(peer.agent_id)]
        for peer in peers:
            peer.suffer(injection.fault)
        return len(peers)

    def _ease(self) -> None:
        for peer in list(self._peers.values()):
            peer.ease()
