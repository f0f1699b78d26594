"""The platform's actions over HTTP: manifest, call, pending, confirm, reject, cancel."""

from __future__ import annotations

from .router import Routes

routes = Routes()
