"""Faults by name: what can be made to go wrong, and with which parameters. Immutable.

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

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from .roster import INVALID_TOKEN

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


@dataclass(frozen=True)
class Drop:
    """End the TCP connection."""

    mid_frame: bool = False


@dataclass(frozen=True)
class Close:
    """Send a Close frame, which the March 2026 server never does, and end the TCP connection."""

    code: int = 1001
    reason: str = ""


@dataclass(frozen=True)
class Garbage:
    """Send what the protocol has no room for."""

    kind: GarbageKind = "json"

    def __post_init__(self) -> None:
        if self.kind not in get_args(GarbageKind):
            raise ValueError(f"kind must be one of {', '.join(get_args(GarbageKind))}, not {self.kind!r}")


@dataclass(frozen=True)
class Oversize:
    """Send a text message of ``size`` bytes in so many fragments."""

    size: int = 17 * 1024 * 1024
    fragments: int = 1


@dataclass(frozen=True)
class HalfOpen:
    """Stop reading and writing."""

    new: bool = False


@dataclass(frozen=True)
class SlowReads:
    """Read at most so many bytes in a second."""

    bytes_per_second: int = 1_000

    def __post_init__(self) -> None:
        if self.bytes_per_second < 1:
            raise ValueError("bytes_per_second must be at least 1; half-open stops reading")


@dataclass(frozen=True)
class NoPongs:
    """Answer no ping."""


@dataclass(frozen=True)
class LateAuth:
    """Hold ``auth_ok`` back; the agent is registered meanwhile, so tasks may overtake it."""

    seconds: float = 1.0
    count: int | None = None


@dataclass(frozen=True)
class RefuseAuth:
    """Answer with ``auth_error``; ``nested`` puts text and code into an object, as in August 2026."""

    error: str = INVALID_TOKEN
    code: str | None = None
    retryable: bool | None = None
    nested: bool = False
    count: int | None = None

    def frame(self) -> dict[str, object]:
        """Return the frame that refuses."""
        frame: dict[str, object] = {"type": "auth_error", "error": self.error}
        if self.nested:
            frame["error"] = {"message": self.error, "code": self.code}
        elif self.code is not None:
            frame["code"] = self.code
        if self.retryable is not None:
            frame["retryable"] = self.retryable
        return frame


@dataclass(frozen=True)
class EarlyTask:
    """Say something to the agent between its registration and its ``auth_ok``."""

    content: str = "early"
    count: int | None = 1


@dataclass(frozen=True)
class HttpError:
    """Answer requests with an error."""

    status: int = 503
    error: str = "Service unavailable"
    retry_after: float | None = None
    path: str = ""
    count: int | None = None

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ValueError(f"status must be an HTTP error from 400 to 599, not {self.status!r}")
        _check_path(self.path)


@dataclass(frozen=True)
class HttpSlow:
    """Carry requests out late."""

    seconds: float = 1.0
    path: str = ""
    count: int | None = None

    def __post_init__(self) -> None:
        if self.seconds < 0:
            raise ValueError(f"seconds must not be negative, not {self.seconds!r}")
        _check_path(self.path)


@dataclass(frozen=True)
class HttpDrop:
    """End TCP instead of answering; ``half`` is after the request was carried out, like ``done``."""

    done: bool = False
    half: bool = False
    path: str = ""
    count: int | None = None

    def __post_init__(self) -> None:
        _check_path(self.path)


def _check_path(path: str) -> None:
    if path and not path.startswith("/"):
        raise ValueError(f'path must begin with "/", such as "/api/v1/notes", not {path!r}')


HttpFault = HttpError | HttpSlow | HttpDrop
Fault = (
    Drop
    | Close
    | Garbage
    | Oversize
    | HalfOpen
    | SlowReads
    | NoPongs
    | LateAuth
    | RefuseAuth
    | EarlyTask
    | HttpError
    | HttpSlow
    | HttpDrop
)

_KINDS: Mapping[FaultName, type[Fault]] = {
    "drop": Drop,
    "close": Close,
    "garbage": Garbage,
    "oversize": Oversize,
    "half-open": HalfOpen,
    "slow-reads": SlowReads,
    "no-pongs": NoPongs,
    "late-auth": LateAuth,
    "refuse-auth": RefuseAuth,
    "early-task": EarlyTask,
    "http-error": HttpError,
    "http-slow": HttpSlow,
    "http-drop": HttpDrop,
}

AT_ONCE: tuple[FaultName, ...] = ("drop", "close", "garbage", "oversize")  # the others last until healed


def fault(name: FaultName, parameters: Mapping[str, object]) -> Fault:
    """Return the fault of a name; raise ValueError or TypeError that says what is wrong with it."""
    kind = _KINDS.get(name)
    if kind is None:
        raise ValueError(f"there is no fault {name!r}; there are {', '.join(_KINDS)}")
    known = kind.__dataclass_fields__
    if unknown := sorted(set(parameters) - set(known)):
        raise TypeError(f"{name} has no parameter {unknown[0]!r}; it has {', '.join(known) or 'none'}")
    return kind(**parameters)  # type: ignore[arg-type]


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
