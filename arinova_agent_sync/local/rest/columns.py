"""The columns of a kanban board."""

from __future__ import annotations

from .router import Routes

routes = Routes()
