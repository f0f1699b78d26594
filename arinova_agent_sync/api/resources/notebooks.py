"""Notebooks, which hold notes."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import Note, Notebook
from ..routes import route
from ..values import identifier
from .resource import AUGUST, Resource


class Notebooks(Resource):
    """Notebooks that the agent was granted."""

    def list(self, *, timeout: float | None = None) -> Sequence[Notebook]:
        """Return the notebooks."""
        return self._transport.json("GET", route("/notebooks"), timeout=timeout).models(Notebook, "notebooks")

    def get(self, notebook_id: str, *, timeout: float | None = None) -> Notebook:
        """Return a notebook; raise NotFoundError if there is none."""
        path = route("/notebooks/{notebook_id}", notebook_id=notebook_id)
        return self._transport.json("GET", path, timeout=timeout).model(Notebook)

    def create(self, name: str, *, timeout: float | None = None) -> Notebook:
        """Create a notebook; the agent is granted it."""
        body = {"name": identifier("name", name)}
        return self._transport.json("POST", route("/notebooks"), json=body, timeout=timeout).made(Notebook)

    def update(self, notebook_id: str, name: str, *, timeout: float | None = None) -> Notebook:
        """Rename a notebook and return it."""
        path = route("/notebooks/{notebook_id}", notebook_id=notebook_id)
        body = {"name": identifier("name", name)}
        deadline = self._transport.deadline(timeout)
        sent = self._transport.json("PATCH", path, json=body, timeout=deadline).model_if_sent(Notebook)
        return (
            sent if sent is not None else self._transport.json("GET", path, timeout=deadline).model(Notebook)
        )

    def delete(self, notebook_id: str, *, timeout: float | None = None) -> None:
        """Delete a notebook; the August 2026 server deletes archived ones only."""
        path = route("/notebooks/{notebook_id}", notebook_id=notebook_id)
        self._transport.json("DELETE", path, timeout=timeout)

    def notes(self, notebook_id: str, *, timeout: float | None = None) -> Sequence[Note]:
        """Return the notes of a notebook, with their titles and often no more."""
        path = route("/notebooks/{notebook_id}/notes", notebook_id=notebook_id)
        return self._transport.json("GET", path, timeout=timeout).models(Note, "notes")

    def archive(self, notebook_id: str, *, timeout: float | None = None) -> None:
        """Archive a notebook (August 2026 on)."""
        path = route("/notebooks/{notebook_id}/archive", notebook_id=notebook_id)
        self._transport.json("POST", path, since=AUGUST, timeout=timeout)

    def unarchive(self, notebook_id: str, *, timeout: float | None = None) -> None:
        """Bring a notebook back from the archive (August 2026 on)."""
        path = route("/notebooks/{notebook_id}/unarchive", notebook_id=notebook_id)
        self._transport.json("POST", path, since=AUGUST, timeout=timeout)
