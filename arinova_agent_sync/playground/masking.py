"""How a frame is shown to people: as text, cut to a length, and never with a token. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

MASK = "•••"
_SECRETS = ("token", "secret", "password")  # parts of the names of keys whose text is never shown


def shown(frame: Mapping[str, Any] | str | bytes, tokens: Iterable[str]) -> str:
    """Return a frame as text without tokens.

    Args:
        frame: the JSON object, a text that is none, or the bytes of a binary or control frame.
        tokens: the tokens that are known; they are masked wherever they stand.
    """
    if isinstance(frame, bytes):
        text = frame.hex(" ") if frame else ""
    elif isinstance(frame, str):
        text = frame
    else:
        safe = {name: _without_secret(name, value) for name, value in frame.items()}
        text = json.dumps(safe, ensure_ascii=False, separators=(",", ":"), default=str)
    for token in tokens:
        if token in text:
            text = text.replace(token, MASK)
    return text


def _without_secret(name: str, value: Any) -> Any:
    secret = any(part in name.lower() for part in _SECRETS)
    return MASK if secret and isinstance(value, str) else value
