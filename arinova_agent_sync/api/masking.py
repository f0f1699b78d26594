"""The bot token is kept out of what errors show, also where a server sends it back."""

from __future__ import annotations

import json

from .values import JSON

_MASK = "[bot token]"
_SECRET_LENGTH = 8  # characters; a shorter token is a test's own, and may be part of any word


def masked(text: str, token: str) -> str:
    """Return a text without the token."""
    return text.replace(token, _MASK) if len(token) >= _SECRET_LENGTH else text


def masked_bytes(raw: bytes, token: str) -> bytes:
    """Return an answer's body without the token."""
    return raw.replace(token.encode(), _MASK.encode()) if len(token) >= _SECRET_LENGTH else raw


def masked_json(value: JSON, token: str) -> JSON:
    """Return a value without the token; None for one that is nested too deeply to look through."""
    try:
        text = json.dumps(value)
    except RecursionError:
        return None
    shown = masked(text, json.dumps(token)[1:-1])
    return value if shown == text else json.loads(shown)
