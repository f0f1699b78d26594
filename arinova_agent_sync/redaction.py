"""Secrets are kept out of what people read: errors, log lines, frames on a screen. Pure functions.

Every text of the server passes through here before it enters an error or a log line: a server may send the
token back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

__all__ = ["REDACTED", "redact", "redact_bytes", "redact_error"]

REDACTED = "[redacted]"
E = TypeVar("E", bound=BaseException)
_SECRET_LENGTH = 8  # characters; a shorter token is a test's own, and may be part of any word


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


def _shows(error: BaseException, tokens: Iterable[str]) -> bool:
    text = f"{error} {error.args!r}"
    return redact(text, *tokens) != text
