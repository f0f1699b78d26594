"""Every error that leaves the package.

* ArinovaError
    * AuthenticationError: the server refused the token
    * ConnectionLost: the connection ended; why stands in its text and its cause
    * ConnectTimeout (also TimeoutError): connect() ran out of time
    * ActionError: an action call did not get its result
        * ActionTimeout (also TimeoutError)
    * FrameTooLargeError: an inbound message was above max_frame_bytes
    * ProtocolError: the server sent something that the protocol has no room for
    * ExecutorError: handlers cannot be run where the executor runs them
        * WorkerLost: what ran a handler has ended or cannot be reached
        * RemoteHandlerError: a handler raised in another process
    * ApiError: an HTTP call failed
        * BadRequestError 400, 422, PermissionDeniedError 401, 403, NotFoundError 404, ConflictError 409,
          RateLimitError 429, ServerError 5xx
        * ApiConnectionError: no answer was received
            * ApiTimeoutError (also TimeoutError)
* TaskCancelled (BaseException): raised inside a handler whose task the user stopped

Wrong arguments raise ValueError or TypeError at the call. No text of these errors holds a token.
"""

from __future__ import annotations

__all__ = [
    "ActionError",
    "ActionTimeout",
    "ApiConnectionError",
    "ApiError",
    "ApiTimeoutError",
    "ArinovaError",
    "AuthenticationError",
    "BadRequestError",
    "ConflictError",
    "ConnectTimeout",
    "ConnectionLost",
    "ExecutorError",
    "FrameTooLargeError",
    "NotFoundError",
    "PermissionDeniedError",
    "ProtocolError",
    "RateLimitError",
    "RemoteHandlerError",
    "ServerError",
    "TaskCancelled",
    "WorkerLost",
]

_MESSAGE_LIMIT = 2_000


class ArinovaError(Exception):
    """The root of every error of this package but TaskCancelled."""

    def __reduce__(self) -> tuple[object, ...]:
        # By default an exception is rebuilt by calling its class with its args: keyword arguments get lost.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[ArinovaError], args: tuple[object, ...], state: dict[str, object]) -> ArinovaError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class AuthenticationError(ArinovaError):
    """The server refused the token.

    Attributes:
        code: the server's error code, if it gave one (the March 2026 server gives none).
        retryable: whether the server calls the refusal a passing one.
    """

    def __init__(self, message: str, *, code: str | None = None, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class ConnectionLost(ArinovaError):
    """The connection ended. The cause, if there is one, is in __cause__."""


class ConnectTimeout(ArinovaError, TimeoutError):
    """connect() ran out of time; the agent goes on trying until disconnect()."""


class ActionError(ArinovaError):
    """An action call did not get its result: there was no connection, it was lost, or the agent stopped."""


class ActionTimeout(ActionError, TimeoutError):
    """The server did not settle an action call in time."""


class FrameTooLargeError(ArinovaError):
    """An inbound message was above max_frame_bytes and was dropped.

    Attributes:
        size: its length in bytes, as far as it was announced; None if it was not.
        limit: the limit in bytes.
    """

    def __init__(self, message: str, *, size: int | None = None, limit: int = 0) -> None:
        super().__init__(message)
        self.size = size
        self.limit = limit


class ProtocolError(ArinovaError):
    """The server sent something that the protocol has no room for."""


class ApiError(ArinovaError):
    """An HTTP call failed.

    Attributes:
        status: the HTTP status, 0 if there was no answer.
        body: the parsed JSON body, else its text, else None.
        request: method and path, such as "GET /api/v1/notes".
    """

    def __init__(self, message: str, *, status: int = 0, body: object = None, request: str = "") -> None:
        if len(message) > _MESSAGE_LIMIT:
            message = message[: _MESSAGE_LIMIT - 1] + "…"
        super().__init__(message)
        self.status = status
        self.body = body
        self.request = request


class BadRequestError(ApiError):
    """The server understood the request and refuses its content (400, 413, 415, 422)."""


class PermissionDeniedError(ApiError):
    """The token is wrong (401) or lacks the right (403)."""


class NotFoundError(ApiError):
    """There is no such thing, or no such route on this server (404, 405)."""


class ConflictError(ApiError):
    """The state on the server forbids it (409)."""


class RateLimitError(ApiError):
    """Too many requests (429).

    Attributes:
        retry_after: seconds to wait, if the server said so.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 429,
        body: object = None,
        request: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, body=body, request=request)
        self.retry_after = retry_after


class ServerError(ApiError):
    """The server failed (5xx)."""


class ApiConnectionError(ApiError):
    """No answer was received: the network, a proxy, TLS, or a broken answer."""


class ApiTimeoutError(ApiConnectionError, TimeoutError):
    """The call ran out of its time."""


class ExecutorError(ArinovaError):
    """Handlers cannot be run where the executor runs them."""


class WorkerLost(ExecutorError):
    """What ran a handler has ended or cannot be reached: a process that was killed, a machine that is gone."""


class RemoteHandlerError(ExecutorError):
    """A handler raised in another process.

    Attributes:
        kind: the class of the exception, such as "ValueError".
        traceback: its traceback, as text.
    """

    def __init__(self, message: str, *, kind: str = "", traceback: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.traceback = traceback


class TaskCancelled(BaseException):
    """Raised inside a handler whose task was cancelled; let it pass, after cleaning up.

    It is a BaseException, like asyncio's CancelledError, because code around language models is full of
    ``except Exception``.
    """
