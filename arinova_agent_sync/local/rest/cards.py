"""Kanban cards."""

from __future__ import annotations

from .router import Routes

routes = Routes()
