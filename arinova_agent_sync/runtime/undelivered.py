"""An answer that nobody got."""

from __future__ import annotations

import msgspec


class Undelivered(msgspec.Struct, frozen=True):
    """What ``on_undelivered`` is called with.

    Attributes:
        task_id: the task's id.
        conversation_id: where the answer belongs; None for a wakeup.
        text: the answer, or the error's text.
    """

    task_id: str
    conversation_id: str | None
    text: str
