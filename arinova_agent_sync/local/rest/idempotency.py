"""Idempotency keys of August 2026: the same key gets the same answer, and the thing is done once.

Refusals are not kept: nothing was done, so a repetition may succeed.
"""

from __future__ import annotations

import hashlib

from .exchange import Answer, Request, refuse
from .store import Store


def earlier(store: Store, key: str, request: Request) -> Answer | None:
    """Return the answer that a key got before, None for a new key; refuse a key of another request."""
    found = store.row("SELECT * FROM idempotency WHERE agent_id = ? AND key = ?", request.agent_id, key)
    if found is None:
        return None
    if found["request"] != _digest(request):
        refuse(409, "This Idempotency-Key belongs to another request")
    return Answer(found["status"], found["body"], found["content_type"])


def keep(store: Store, key: str, request: Request, answer: Answer) -> None:
    """Remember the answer of a key."""
    store.run(
        "INSERT OR IGNORE INTO idempotency VALUES (?, ?, ?, ?, ?, ?)",
        request.agent_id,
        key,
        _digest(request),
        answer.status,
        answer.content_type,
        answer.body,
    )


def _digest(request: Request) -> str:
    said = b"\n".join((request.method.encode(), request.path.encode(), request.query_string, request.body))
    return hashlib.sha256(said).hexdigest()
