"""What each received frame means on one connection, given what came before.

Anything from the server may be odd: a value of the wrong type counts as absent, an unknown frame is ignored.
Not thread-safe: the reader owns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

import msgspec

JSONObject = Mapping[str, object]

WAKEUP_KINDS = ("cron_wakeup", "trigger")  # tasks without a conversation
SETTLED = ("success", "error", "requires_confirmation", "cancelled")

# Which refusals the August 2026 clients retry; the text is never asked, but for the March 2026 server's
# "Authentication timeout", which comes without a code.
_RETRYABLE_CODES = {
    "AUTH_TIMEOUT",
    "AUTH_SERVICE_UNAVAILABLE",
    "CONNECTION_UNAVAILABLE",
    "GATEWAY_TIMEOUT",
    "NETWORK_ERROR",
    "SERVICE_UNAVAILABLE",
    "TEMPORARILY_UNAVAILABLE",
    "502",
    "503",
    "504",
}
_RETRYABLE_TEXT = "Authentication timeout"
_SEED_KIND = "first_touch_opening"


class OnboardingSeed(msgspec.Struct, frozen=True):
    """What a newly claimed agent should open its first conversation with."""

    seed_id: str
    agent_id: str
    action: str
    prompt: str


class Authenticated(msgspec.Struct, frozen=True):
    """The server accepted the token."""

    agent_id: str | None
    agent_name: str | None
    permanent_token: str | None
    onboarding_seed: OnboardingSeed | None

    def __repr__(self) -> str:
        return (
            f"Authenticated(agent_id={self.agent_id!r}, agent_name={self.agent_name!r}, "
            f"permanent_token={self.permanent_token and '***'!r}, onboarding_seed={self.onboarding_seed!r})"
        )


class Refused(msgspec.Struct, frozen=True):
    """The server refused the token."""

    message: str
    code: str | None
    retryable: bool


class TokenClaim(msgspec.Struct, frozen=True):
    """The permanent token that a bootstrap token was exchanged for: store it, it is shown once."""

    agent_id: str | None
    permanent_token: str
    token_id: str | None

    def __repr__(self) -> str:
        return f"TokenClaim(agent_id={self.agent_id!r}, permanent_token='***', token_id={self.token_id!r})"


# Thousands may wait. A value of JSON refers to no record, so the garbage collector need not look at them.
class TaskArrived(msgspec.Struct, gc=False):
    """A user wants an answer.

    Attributes:
        task_id: the task's id.
        payload: the whole frame.
        size: bytes that it came in.
        conversation_id: its conversation's, None for a wakeup.
        connection: the number of the connection that it came on.
        asked_before: when the message was written that the agent was asked before in this conversation, if that is
            known; filled in by who takes the task.
    """

    task_id: str
    payload: JSONObject
    size: int = 0
    conversation_id: str | None = None
    connection: int = 0
    asked_before: str | None = None


class TaskMalformed(msgspec.Struct, frozen=True):
    """A task that cannot be run, and the error to answer."""

    task_id: str | None
    error: str


class TaskStopped(msgspec.Struct, frozen=True):
    """The user pressed stop; the server has forgotten the task already."""

    task_id: str


class ActionProgressed(msgspec.Struct, frozen=True):
    """An action call is under way."""

    call_id: str
    status: str


class ActionSettled(msgspec.Struct, frozen=True):
    """An action call has its result."""

    call_id: str
    result: JSONObject


class Ponged(msgspec.Struct, frozen=True):
    """The answer to an application ping."""


class Ignored(msgspec.Struct, frozen=True):
    """A frame that this package has no use for."""

    type: str


Event = Union[
    Authenticated,
    Refused,
    TokenClaim,
    TaskArrived,
    TaskMalformed,
    TaskStopped,
    ActionProgressed,
    ActionSettled,
    Ponged,
    Ignored,
]


class Session:
    """One connection's share of the protocol.

    Args:
        most_early_tasks: tasks that may come before auth_ok.
        most_early_bytes: bytes of their frames, all together.
        connection: the connection's number.
    """

    def __init__(
        self, most_early_tasks: int, most_early_bytes: int = 64 * 1024 * 1024, connection: int = 0
    ) -> None:
        self.authenticated = False
        self._connection = connection
        self._early: dict[str, TaskArrived] = {}
        self._most_early_tasks = most_early_tasks
        self._most_early_bytes = most_early_bytes

    def received(self, message: JSONObject, size: int = 0) -> list[Event]:
        """Return what a frame of so many bytes means, in the order in which it is to be acted on.

        A task may come before auth_ok (the March 2026 server registers the connection first and answers
        last): it is kept, and follows the Authenticated event.
        """
        kind = message.get("type")
        if kind == "task":
            task_id, content = message.get("taskId"), message.get("content")
            event: TaskArrived | TaskMalformed
            if isinstance(task_id, str) and task_id and isinstance(content, str):
                conversation_id = string(message, "conversationId")
                event = TaskArrived(task_id, message, size, conversation_id, self._connection)
            else:
                event = self._unusual_task(message, size)
            return [event] if self.authenticated else self._keep(event)
        if kind == "cancel_task":
            return self._cancel(message)
        if kind == "auth_ok":
            self.authenticated = True
            early, self._early = list(self._early.values()), {}
            return [_authenticated(message), *early]
        if kind == "auth_error":
            return [refusal(message)]
        if kind == "claim_ok":
            return [_claim(message)]
        if kind == "pong":
            return [Ponged()]
        if kind == "action_result":
            return [_action_result(message)]
        return [Ignored(kind if isinstance(kind, str) else "")]

    def _keep(self, event: TaskArrived | TaskMalformed) -> list[Event]:
        """Keep a task that came early; return what there is to do about it now."""
        if isinstance(event, TaskMalformed):
            return [event]
        if event.task_id in self._early:
            return []
        early_bytes = sum(early.size for early in self._early.values())
        if len(self._early) >= self._most_early_tasks or early_bytes + event.size > self._most_early_bytes:
            return [TaskMalformed(event.task_id, "queue_overflow")]
        self._early[event.task_id] = event
        return []

    def _unusual_task(self, message: JSONObject, size: int) -> TaskArrived | TaskMalformed:
        task_id = message.get("taskId")
        if not isinstance(task_id, str) or not task_id:
            return TaskMalformed(None, "missing_task_id")
        content = message.get("content")
        if content is None:
            if message.get("taskKind") not in WAKEUP_KINDS:
                return TaskMalformed(task_id, "missing_content")
        elif not isinstance(content, str):
            return TaskMalformed(task_id, "invalid_content")
        return TaskArrived(task_id, message, size, string(message, "conversationId"), self._connection)

    def _cancel(self, message: JSONObject) -> list[Event]:
        task_id = string(message, "taskId")
        if task_id is None:
            return [Ignored("cancel_task")]
        if self._early.pop(task_id, None) is not None:
            return []
        return [TaskStopped(task_id)]


def string(message: JSONObject, key: str) -> str | None:
    """Return the filled-in string under a key, None if there is none."""
    value = message.get(key)
    return value if isinstance(value, str) and value else None


def refusal(message: JSONObject) -> Refused:
    """Return what an auth_error says; its text and code may be nested (August 2026) or not (March 2026)."""
    error = message.get("error")
    nested: JSONObject = error if isinstance(error, dict) else {}
    text = error if isinstance(error, str) and error else None
    text = text or string(nested, "message") or string(message, "message") or "the server gave no reason"
    code = _code(message.get("code")) or _code(nested.get("code"))
    retryable = message.get("retryable")
    if not isinstance(retryable, bool):
        retryable = (code or "").upper() in _RETRYABLE_CODES or text == _RETRYABLE_TEXT
    return Refused(text, code, retryable)


def _code(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    return str(value) or None


def _authenticated(message: JSONObject) -> Authenticated:
    return Authenticated(
        string(message, "agentId"),
        string(message, "agentName"),
        string(message, "permanentToken"),
        _seed(message.get("onboardingSeed")),
    )


def _seed(value: object) -> OnboardingSeed | None:
    if not isinstance(value, dict) or value.get("kind") != _SEED_KIND:
        return None
    fields = [string(value, key) for key in ("seedId", "agentId", "action", "prompt")]
    if None in fields:
        return None
    return OnboardingSeed(*(field or "" for field in fields))


def _claim(message: JSONObject) -> Event:
    token = string(message, "permanentToken")
    if token is None:
        return Ignored("claim_ok")
    return TokenClaim(string(message, "agentId"), token, string(message, "tokenId"))


def _action_result(message: JSONObject) -> Event:
    call_id, status = string(message, "id"), string(message, "status")
    if call_id is None or status is None:
        return Ignored("action_result")
    if status not in SETTLED:
        return ActionProgressed(call_id, status)
    return ActionSettled(call_id, message)
