"""What hangs on a card: commits, notes, labels, comments."""

from __future__ import annotations

from .router import Routes

routes = Routes()
