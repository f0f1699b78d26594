"""Notes and the discussions under them."""

from __future__ import annotations

from .router import Routes

routes = Routes()
