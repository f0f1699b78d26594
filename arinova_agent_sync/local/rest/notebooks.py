"""Notebooks: who may use them, and their names."""

from __future__ import annotations

from .desk import Desk
from .exchange import Answer, Body, Request, answer, empty, refuse
from .router import Routes
from .store import Row, new_id, now

routes = Routes()

_SHAPE = "id, name, archived, created_at AS createdAt"


class NotebookName(Body):
    """POST /notebooks, PATCH /notebooks/{id}."""

    name: str


@routes("GET /notebooks")
def list_notebooks(desk: Desk, request: Request) -> Answer:
    found = desk.store.rows(
        f"SELECT {_SHAPE} FROM notebooks JOIN notebook_grants ON notebook_id = id WHERE agent_id = ?"
        " ORDER BY notebooks.rowid",
        request.agent_id,
    )
    return answer({"notebooks": [_shown(desk, notebook) for notebook in found]})


@routes("POST /notebooks")
def create_notebook(desk: Desk, request: Request) -> Answer:
    notebook_id, name = new_id(), _name(request)
    desk.store.insert("notebooks", id=notebook_id, name=name, created_at=now())
    desk.store.insert("notebook_grants", notebook_id=notebook_id, agent_id=request.agent_id)
    return answer(_shown(desk, granted_notebook(desk, request, notebook_id)), 201)


@routes("GET /notebooks/{notebook_id}")
def get_notebook(desk: Desk, request: Request) -> Answer:
    return answer(_shown(desk, granted_notebook(desk, request, request.uuid())))


@routes("PATCH /notebooks/{notebook_id}")
def rename_notebook(desk: Desk, request: Request) -> Answer:
    notebook_id, name = request.uuid(), _name(request)
    notebook = granted_notebook(desk, request, notebook_id)
    desk.store.update("notebooks", notebook_id, name=name)
    return answer(_shown(desk, {**notebook, "name": name}))


@routes("DELETE /notebooks/{notebook_id}")
def delete_notebook(desk: Desk, request: Request) -> Answer:
    notebook = granted_notebook(desk, request, request.uuid())
    if desk.august and not notebook["archived"]:
        refuse(400, "Only archived notebooks can be deleted")
    desk.store.run("DELETE FROM notebooks WHERE id = ?", notebook["id"])
    return empty()


@routes("GET /notebooks/{notebook_id}/notes")
def list_titles(desk: Desk, request: Request) -> Answer:
    notebook = granted_notebook(desk, request, request.uuid())
    titles = desk.store.rows(
        "SELECT id, title FROM notes WHERE notebook_id = ? AND NOT archived ORDER BY created_at DESC, rowid DESC",
        notebook["id"],
    )
    return answer({"notes": titles})


@routes("POST /notebooks/{notebook_id}/archive", august=True)
def archive_notebook(desk: Desk, request: Request) -> Answer:
    return _set_archived(desk, request, True)


@routes("POST /notebooks/{notebook_id}/unarchive", august=True)
def unarchive_notebook(desk: Desk, request: Request) -> Answer:
    return _set_archived(desk, request, False)


def granted_notebook(desk: Desk, request: Request, notebook_id: str) -> Row:
    """Return a notebook that the agent may use."""
    notebook = desk.store.row(f"SELECT {_SHAPE} FROM notebooks WHERE id = ?", notebook_id)
    if notebook is None:
        refuse(404, "Notebook not found")
    if not desk.store.value(
        "SELECT 1 FROM notebook_grants WHERE notebook_id = ? AND agent_id = ?", notebook_id, request.agent_id
    ):
        refuse(403, "No access to this notebook")
    return notebook


def first_notebook(desk: Desk, request: Request) -> Row:
    """Return the notebook that is meant where none is named: the first one that the agent was granted."""
    notebook_id = desk.store.value(
        "SELECT notebook_id FROM notebook_grants JOIN notebooks ON id = notebook_id"
        " WHERE agent_id = ? AND NOT archived ORDER BY notebook_grants.rowid LIMIT 1",
        request.agent_id,
    )
    if notebook_id is None:
        refuse(403, "No notebook access granted")
    return granted_notebook(desk, request, notebook_id)


def _set_archived(desk: Desk, request: Request, archived: bool) -> Answer:
    notebook = granted_notebook(desk, request, request.uuid())
    desk.store.update("notebooks", notebook["id"], archived=archived)
    return answer(_shown(desk, {**notebook, "archived": archived}))


def _name(request: Request) -> str:
    name = request.json(NotebookName).name.strip()
    if not name:
        refuse(400, "Name is required")
    return name


def _shown(desk: Desk, notebook: Row) -> Row:
    shape = {**notebook, "archived": bool(notebook["archived"])}
    if not desk.august:
        del shape["archived"]  # notebooks had no archive yet
    return shape
