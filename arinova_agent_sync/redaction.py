"""Secrets are kept out of what people read: errors, log lines, frames on a screen. Pure functions.

Every text of the server passes through here before it enters an error or a log line: a server may send the
token back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from .net.forks import importing

__all__ = ["REDACTED", "redact", "redact_bytes", "redact_error", "redact_frame", "redact_json"]

REDACTED = "[redacted]"
E = TypeVar("E", bound=BaseException)
_SECRET_LENGTH = 8  # characters; a shorter token is a test's own, and may be part of any word
_SECRETS = ("token", "secret", "password")  # parts of the names of keys whose text is never shown


def redact(text: str, *tokens: str) -> str:
    """Return a text without the tokens."""
    for token in tokens:
        if len(token) >= _SECRET_LENGTH:
            text = text.replace(token, REDACTED)
    return text


def redact_bytes(raw: bytes, *tokens: str) -> bytes:
    """Return the body of a response without the tokens."""
    for token in tokens:
        if len(token) >= _SECRET_LENGTH:
            raw = raw.replace(token.encode(), REDACTED.encode())
    return raw


def redact_error(error: E, *tokens: str) -> E:
    """Take the tokens out of an error's text; let go of what it came from where that shows one. Return it."""
    if _shows(error, tokens):
        error.args = tuple(
            redact(value, *tokens) if isinstance(value, str) else value for value in error.args
        )
    seen: BaseException = error
    while (origin := seen.__cause__ or seen.__context__) is not None:
        if _shows(origin, tokens):
            seen.__cause__ = seen.__context__ = None
            break
        seen = origin
    return error


def redact_json(value: Any, *tokens: str) -> Any:
    """Return a JSON value without the tokens; None for one that is nested too deeply to look through."""
    with importing():  # here, as below: the log needs none of it
        import json

    try:
        text = json.dumps(value)
    except RecursionError:
        return None
    shown = redact(text, *(json.dumps(token)[1:-1] for token in tokens))
    return value if shown == text else json.loads(shown)


def redact_frame(frame: Mapping[str, Any] | str | bytes, tokens: Iterable[str]) -> str:
    """Return a frame as text without tokens, whether they are known or stand under a key that says so.

    Args:
        frame: the JSON object, a text that is not one, or the bytes of a binary or control frame.
        tokens: the tokens that are known; they are redacted wherever they stand.
    """
    if isinstance(frame, bytes):
        text = frame.hex(" ") if frame else ""
    elif isinstance(frame, str):
        text = frame
    else:
        with importing():
            import json

        safe = {name: _without_secret(name, value) for name, value in frame.items()}
        text = json.dumps(safe, ensure_ascii=False, separators=(",", ":"), default=str)
    return redact(text, *tokens)


def _without_secret(name: str, value: Any) -> Any:
    secret = any(part in name.lower() for part in _SECRETS)
    return REDACTED if secret and isinstance(value, str) else value


def _shows(error: BaseException, tokens: Iterable[str]) -> bool:
    text = f"{error} {error.args!r}"
    return redact(text, *tokens) != text
