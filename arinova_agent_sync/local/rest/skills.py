"""The skills that are installed on an agent."""

from __future__ import annotations

from .router import Routes

routes = Routes()
