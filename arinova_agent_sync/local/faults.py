"""Faults by name: what can be made to go wrong, with which parameters, and what is on.

Thread-safe, under the hub's lock.

| name        | parameters (default)           | what happens                              | until   |
|-------------|--------------------------------|-------------------------------------------|---------|
| drop        | mid_frame (False)              | TCP ends, after half a frame if mid_frame | at once |
| close       | code (1001), reason ("")       | a Close frame is sent, then TCP ends      | at once |
| garbage     | kind ("json")                  | what is no frame of the protocol is sent  | at once |
| oversize    | size (17 MiB), fragments (1)   | a text message of so many bytes is sent   | at once |
| half-open   | new (False)                    | no reading, no writing, TCP stays open    | healed  |
| slow-reads  | bytes_per_second (1000)        | agents' bytes are read at that pace       | healed  |
| no-pongs    |                                | pings are read and not answered           | healed  |
| late-auth   | seconds (1.0), count (None)    | auth_ok comes so long after registration  | healed  |
| refuse-auth | error ("Invalid bot token"),   | auth_error is sent, then TCP ends         | healed  |
|             | code (None), retryable (None), |                                           |         |
|             | nested (False), count (None)   |                                           |         |
| early-task  | content ("early"), count (1)   | a task is sent before auth_ok             | healed  |
| http-error  | status (503), error,           | requests get that answer and are not      | healed  |
|             | retry_after (None),            | carried out; retry_after in seconds       |         |
|             | path (""), count (None)        |                                           |         |
| http-slow   | seconds (1.0),                 | requests are carried out and answered so  | healed  |
|             | path (""), count (None)        | much later                                |         |
| http-drop   | done (False), half (False),    | TCP ends instead of an answer: before the | healed  |
|             | path (""), count (None)        | request is carried out, after it if done, |         |
|             |                                | after half of the answer's body if half   |         |

``count`` heals a fault after so many authentications, or requests in the case of HTTP; ``path`` limits it to
the requests whose path begins so, such as "/api/v1/notes". The faults of HTTP hit the bots' routes and the
files below /uploads, and not the routes that the user added. "half-open" freezes the connections of its moment, and
with ``new=True`` the later ones too, before they get any answer. The kinds of "garbage": "json" is a volley
of texts that are no frame of the protocol, which an agent has to survive; "utf8" is a text that is no UTF-8;
"binary" is a binary frame; "masked" and "reserved" break the rules of RFC 6455.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, get_args

from ..argument_checks import count, one_of, seconds
from .framelog import Content
from .records import AgentAccount
from .replies import LocalReply
from .roster import INVALID_TOKEN
from .threads import EventLoop

FaultName = Literal[
    "drop",
    "close",
    "garbage",
    "oversize",
    "half-open",
    "slow-reads",
    "no-pongs",
    "late-auth",
    "refuse-auth",
    "early-task",
    "http-error",
    "http-slow",
    "http-drop",
]
GarbageKind = Literal["json", "utf8", "binary", "masked", "reserved"]

_AUTH, _HTTP = {"count": None}, {"path": "", "count": None}
_PARAMETERS: Mapping[FaultName, Mapping[str, object]] = {
    "drop": {"mid_frame": False},
    "close": {"code": 1001, "reason": ""},
    "garbage": {"kind": "json"},
    "oversize": {"size": 17 * 1024 * 1024, "fragments": 1},
    "half-open": {"new": False},
    "slow-reads": {"bytes_per_second": 1_000},
    "no-pongs": {},
    "late-auth": {"seconds": 1.0, **_AUTH},
    "refuse-auth": {"error": INVALID_TOKEN, "code": None, "retryable": None, "nested": False, **_AUTH},
    "early-task": {"content": "early", "count": 1},
    "http-error": {"status": 503, "error": "Service unavailable", "retry_after": None, **_HTTP},
    "http-slow": {"seconds": 1.0, **_HTTP},
    "http-drop": {"done": False, "half": False, **_HTTP},
}

AT_ONCE: tuple[FaultName, ...] = ("drop", "close", "garbage", "oversize")  # the others last until healed


def _check_path(name: str, value: object) -> None:
    if not isinstance(value, str) or (value and not value.startswith("/")):
        raise ValueError(f'{name} must begin with "/", such as "/api/v1/notes", not {value!r}')


_CHECKS: Mapping[str, Callable[[str, Any], object]] = {
    "kind": lambda name, value: one_of(name, value, get_args(GarbageKind)),
    "size": lambda name, value: count(name, value, 64, 2**40),
    "fragments": lambda name, value: count(name, value, 1, 2**20),
    "bytes_per_second": lambda name, value: count(name, value, 1, 2**40),  # to read nothing is "half-open"
    "seconds": lambda name, value: seconds(name, value, least=True),
    "count": lambda name, value: value is None or count(name, value, 1, 2**40),
    "status": lambda name, value: count(name, value, 400, 599),
    "path": _check_path,
}


def _parameters_of(name: FaultName, given: Mapping[str, object]) -> dict[str, Any]:
    known = _PARAMETERS.get(name)
    if known is None:
        raise ValueError(f"there is no fault {name!r}; there are {', '.join(_PARAMETERS)}")
    if unknown := sorted(set(given) - set(known)):
        raise TypeError(f"{name} has no parameter {unknown[0]!r}; it has {', '.join(known) or 'none'}")
    for parameter, value in given.items():
        if parameter in _CHECKS:
            _CHECKS[parameter](parameter, value)
    return {**known, **given}


# Well-formed text messages that are no frame of the protocol. A correct agent drops them all and lives on.
JSON_GARBAGE: tuple[str, ...] = (
    "",
    "not json",
    "{",
    "null",
    "17",
    '"task"',
    "[]",
    "[" * 5_000 + "]" * 5_000,
    "{}",
    '{"type": null}',
    '{"type": 7}',
    '{"type": ["task"]}',
    '{"type": "no-such-frame", "taskId": {}}',
    '{"type": "task"}',
    '{"type": "task", "taskId": ["x"], "content": "hi"}',
    '{"type": "task", "taskId": {"a": 1}, "content": "hi"}',
    '{"type": "task", "taskId": "", "content": "hi"}',
    '{"type": "cancel_task"}',
    '{"type": "cancel_task", "taskId": {}}',
    '{"type": "cancel_task", "taskId": "unknown"}',
    '{"type": "action_result"}',
    '{"type": "action_result", "id": [], "status": "success"}',
    '{"type": "pong", "number": NaN}',
    '{"type": "pong", "number": 1' + "0" * 5_000 + "}",
    '{"type": "pong", "text": "\\ud83d"}',
    '{"type": "voice_offer", "sdp": "", "sessionId": "s", "callerId": "c", "conversationId": "v"}',
)


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
        checked, agent_id = _parameters_of(name, parameters), agent.agent_id if agent else None
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
        if not self._injections:  # asked for every request, and mostly without any fault
            return None
        with self._lock:
            found = self.find(name, agent_id, path)
            if found is not None and found.left is not None:
                found.left -= 1
                if found.left <= 0:
                    self._injections.remove(found)
            return found

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
