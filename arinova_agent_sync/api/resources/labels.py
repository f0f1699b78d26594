"""The labels of a board."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import Label
from ..routes import route
from ..values import changes, filled, identifier, optional
from .resource import Resource


class Labels(Resource):
    """Labels, which cards can have; see also cards.add_label() and cards.remove_label()."""

    def list(self, board_id: str, *, timeout: float | None = None) -> Sequence[Label]:
        """Return the labels of a board."""
        path = route("/kanban/boards/{board_id}/labels", board_id=board_id)
        return self._transport.json("GET", path, timeout=timeout).models(Label, "labels")

    def create(
        self, board_id: str, name: str, *, color: str | None = None, timeout: float | None = None
    ) -> Label:
        """Create a label; its colour as #rrggbb, by default #6366f1 on the March 2026 server."""
        path = route("/kanban/boards/{board_id}/labels", board_id=board_id)
        body = filled(name=identifier("name", name), color=optional("color", color))
        return self._transport.json("POST", path, json=body, timeout=timeout).made(Label)

    def update(
        self,
        label_id: str,
        *,
        name: str | None = None,
        color: str | None = None,
        timeout: float | None = None,
    ) -> Label:
        """Change what is given of a label, and return it."""
        path = route("/kanban/labels/{label_id}", label_id=label_id)
        body = changes(name=optional("name", name), color=optional("color", color))
        return self._transport.json("PATCH", path, json=body, timeout=timeout).made(Label)

    def delete(self, label_id: str, *, timeout: float | None = None) -> None:
        """Delete a label."""
        self._transport.json("DELETE", route("/kanban/labels/{label_id}", label_id=label_id), timeout=timeout)
