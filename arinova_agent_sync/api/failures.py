"""Which error an answer or a broken connection is, and what its text says."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from .. import errors
from ..net.deadline import Deadline
from ..net.retry_after import retry_after
from .values import JSON, MalformedJSON, decode

_KINDS: dict[int, type[errors.ApiError]] = {
    400: errors.BadRequestError,
    401: errors.PermissionDeniedError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    405: errors.NotFoundError,
    409: errors.ConflictError,
    410: errors.NotFoundError,
    413: errors.BadRequestError,
    415: errors.BadRequestError,
    422: errors.BadRequestError,
}
_INSTANT = 0.001  # seconds
_SHOWN = 2_000  # bytes


def refusal(
    request: str, status: int, reason: str, headers: Mapping[str, str], raw: bytes, since: str | None = None
) -> errors.ApiError:
    """Return the error that an answer with a status of 300 or more is.

    Args:
        request: method and path.
        status: the HTTP status.
        reason: the words that came with it.
        headers: the answer's headers.
        raw: the answer's body, without the token.
        since: the server generation that brought the route, if not all have it.
    """
    body = _body(raw)
    text = _text(body, headers.get("Content-Type", "")) or reason or "no reason given"
    message = f"{request} failed ({status}): {text}"
    # A server that has the route says in JSON what is missing.
    if since is not None and status in (404, 405) and not isinstance(body, dict):
        message += f" (this route came with the {since} server; older servers lack it)"
    if status == 429:
        wait = retry_after(headers.get("Retry-After", ""))
        return errors.RateLimitError(message, status=status, body=body, request=request, retry_after=wait)
    kind = errors.ServerError if status >= 500 else _KINDS.get(status, errors.ApiError)
    return kind(message, status=status, body=body, request=request)


def unanswered(
    request: str, error: Exception, deadline: Deadline, status: int = 0
) -> errors.ApiConnectionError:
    """Return the error for a connection that broke; raise it from the original.

    Args:
        request: method and path.
        error: what the connection raised.
        deadline: the end of the call.
        status: the HTTP status, if it had arrived.
    """
    if deadline.left(inf) < _INSTANT:
        text = (
            f"{request} failed: not finished within {deadline.seconds:g} s (timeout= sets the time of a call)"
        )
        return errors.ApiTimeoutError(text, status=status, request=request)
    # urllib3 hands on what happened as one of the arguments of its own error.
    what = next((item for item in error.args if isinstance(item, Exception)), error)
    text = f"{request} failed: {type(what).__name__}: {what}"
    return errors.ApiConnectionError(text, status=status, request=request)


def too_large(request: str, status: int, limit: int) -> errors.ApiError:
    """Return the error for a body above its limit in bytes."""
    return errors.ApiError(
        f"{request} response exceeds configured limit ({limit} bytes)", status=status, request=request
    )


def malformed(request: str, status: int, error: MalformedJSON, raw: bytes) -> errors.ApiError:
    """Return the error for a body that should be JSON and is not; raise it from the original."""
    text = raw[:_SHOWN].decode("utf-8", "replace")
    message = f"{request} returned malformed JSON: {error}"
    return errors.ApiError(message, status=status, body=text, request=request)


def _body(raw: bytes) -> JSON:
    if not raw.strip():
        return None
    try:
        return decode(raw)
    except MalformedJSON:
        return raw.decode("utf-8", "replace").strip()


def _text(body: JSON, content_type: str) -> str | None:
    """Return what a body says: {"error": text}, {"error": {code, message}}, {code, message} or plain text."""
    if isinstance(body, str):
        # A page made for a browser, by a proxy most likely, says less than the status does.
        is_page = "html" in content_type or body.startswith("<")
        return None if is_page else body
    if not isinstance(body, dict):
        return None
    told = body.get("error")
    if isinstance(told, dict):
        body = told
    elif isinstance(told, str) and told:
        return told
    message, code = body.get("message"), body.get("code")
    words = [word for word in (message, code) if isinstance(word, str) and word]
    return f"{words[0]} ({words[1]})" if len(words) == 2 else words[0] if words else None
