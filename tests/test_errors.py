"""The tree of errors."""

from __future__ import annotations

import copy
import pickle

import pytest

import arinova_agent_sync
from arinova_agent_sync import errors
from arinova_agent_sync.errors import (
    ActionError,
    ActionTimeout,
    ApiConnectionError,
    ApiError,
    ApiTimeoutError,
    ArinovaError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ConnectionLost,
    ConnectTimeout,
    ExecutorError,
    FrameTooLargeError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    RemoteHandlerError,
    ServerError,
    TaskCancelled,
    WorkerLost,
)

API = {"status": 404, "body": {"error": "gone"}, "request": "GET /api/v1/notes"}
EVERY: list[BaseException] = [
    ArinovaError("broke"),
    AuthenticationError("refused", code="REVOKED", retryable=True),
    ConnectionLost("lost"),
    ConnectTimeout("too late"),
    ActionError("no result"),
    ActionTimeout("no result in time"),
    FrameTooLargeError("too large", size=17, limit=16),
    ProtocolError("odd"),
    ExecutorError("not there"),
    WorkerLost("gone"),
    RemoteHandlerError("broke", kind="KeyError", traceback="KeyError: 1"),
    ApiError("failed", **API),
    BadRequestError("failed", **API),
    PermissionDeniedError("failed", **API),
    NotFoundError("failed", **API),
    ConflictError("failed", **API),
    RateLimitError("failed", **API, retry_after=1.5),
    ServerError("failed", **API),
    ApiConnectionError("failed", **API),
    ApiTimeoutError("failed", **API),
    TaskCancelled("task t1 was cancelled"),
]


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (ArinovaError, [Exception]),
        (AuthenticationError, [ArinovaError]),
        (ConnectionLost, [ArinovaError]),
        (ConnectTimeout, [ArinovaError, TimeoutError]),
        (ActionError, [ArinovaError]),
        (ActionTimeout, [ActionError, TimeoutError]),
        (FrameTooLargeError, [ArinovaError]),
        (ProtocolError, [ArinovaError]),
        (ExecutorError, [ArinovaError]),
        (WorkerLost, [ExecutorError]),
        (RemoteHandlerError, [ExecutorError]),
        (ApiError, [ArinovaError]),
        (BadRequestError, [ApiError]),
        (PermissionDeniedError, [ApiError]),
        (NotFoundError, [ApiError]),
        (ConflictError, [ApiError]),
        (RateLimitError, [ApiError]),
        (ServerError, [ApiError]),
        (ApiConnectionError, [ApiError]),
        (ApiTimeoutError, [ApiConnectionError, TimeoutError]),
        (TaskCancelled, [BaseException]),
    ],
)
def test_tree(kind: type[BaseException], parents: list[type[BaseException]]) -> None:
    assert list(kind.__bases__) == parents
    assert kind.__doc__


def test_only_a_timeout_is_a_timeout() -> None:
    timeouts = {type(error) for error in EVERY if isinstance(error, (TimeoutError, OSError))}
    assert timeouts == {ConnectTimeout, ActionTimeout, ApiTimeoutError}


def test_a_cancelled_task_passes_through_except_exception() -> None:
    assert not issubclass(TaskCancelled, Exception)


def test_every_error_is_here_and_public() -> None:
    names = {type(error).__name__ for error in EVERY}
    assert names == set(errors.__all__)
    assert names <= set(arinova_agent_sync.__all__)
    assert all(name in (errors.__doc__ or "") for name in names)


@pytest.mark.parametrize("error", EVERY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_copies_and_pickles_keep_everything(error: BaseException, again: object) -> None:
    made = again(error)  # type: ignore[operator]
    assert type(made) is type(error)
    assert made is not error
    assert str(made) == str(error)
    assert made.args == error.args
    assert vars(made) == vars(error)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_pickle_protocol(protocol: int) -> None:
    for error in EVERY:
        made = pickle.loads(pickle.dumps(error, protocol))
        assert (type(made), str(made), vars(made)) == (type(error), str(error), vars(error))


def test_a_subclass_with_arguments_of_its_own_is_pickled_too() -> None:
    made = pickle.loads(pickle.dumps(Own("a", 5)))
    assert (type(made), str(made), made.number) == (Own, "a and 5", 5)


class Own(NotFoundError):
    def __init__(self, name: str, number: int) -> None:
        super().__init__(f"{name} and {number}", status=404)
        self.number = number


@pytest.mark.parametrize(
    ("error", "attributes"),
    [
        (AuthenticationError("no"), {"code": None, "retryable": False}),
        (FrameTooLargeError("no"), {"size": None, "limit": 0}),
        (ApiError("no"), {"status": 0, "body": None, "request": ""}),
        (NotFoundError("no", **API), API),
        (RateLimitError("no"), {"status": 429, "body": None, "request": "", "retry_after": None}),
        (RateLimitError("no", retry_after=2.0), {"status": 429, "body": None, "request": "", "retry_after": 2.0}),
        (ApiTimeoutError("no"), {"status": 0, "body": None, "request": ""}),
        (ConnectionLost("no"), {}),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_attributes(error: BaseException, attributes: dict[str, object]) -> None:
    assert vars(error) == attributes
    assert str(error) == "no"


@pytest.mark.parametrize(
    ("length", "shown"),
    [(0, 0), (1_999, 1_999), (2_000, 2_000), (2_001, 2_000), (10_000_000, 2_000)],
)
def test_long_answers_of_a_server_are_cut(length: int, shown: int) -> None:
    for kind in (ApiError, NotFoundError, RateLimitError, ApiTimeoutError):
        text = str(kind("x" * length, body="x" * length))
        assert len(text) == shown
        assert text.endswith("…") is (length > shown)


def test_a_cause_stays() -> None:
    cause = OSError(104, "Connection reset by peer")
    with pytest.raises(ConnectionLost) as caught:
        raise ConnectionLost("lost") from cause
    assert caught.value.__cause__ is cause
