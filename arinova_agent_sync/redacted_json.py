"""Secrets are kept out of JSON that people read: bodies of answers, frames on a screen. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .redaction import REDACTED, redact

__all__ = ["redact_frame", "redact_json"]

_SECRETS = ("token", "secret", "password")  # parts of the names of keys whose text is never shown


def redact_json(value: Any, *tokens: str) -> Any:
    """Return a JSON value without the tokens; None for one that is nested too deeply to look through."""
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
        safe = {name: _without_secret(name, value) for name, value in frame.items()}
        text = json.dumps(safe, ensure_ascii=False, separators=(",", ":"), default=str)
    return redact(text, *tokens)


def _without_secret(name: str, value: Any) -> Any:
    secret = any(part in name.lower() for part in _SECRETS)
    return REDACTED if secret and isinstance(value, str) else value
