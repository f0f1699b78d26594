"""How words and names that people type are compared. Pure functions."""

from __future__ import annotations

import unicodedata


def folded(text: str) -> str:
    """Return a text as it is compared: NFKC, so that full-width letters are plain ones, and without case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
