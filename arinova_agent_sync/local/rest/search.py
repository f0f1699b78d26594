"""Search over everything that an agent may see."""

from __future__ import annotations

from .router import Routes

routes = Routes()
