"""Notebooks, the notes in them, and the discussions under those. Only the agent that made a note may change it."""

from __future__ import annotations

import re

from starlette.responses import Response

from ..records import as_uuid, new_id
from .exchange import TEXT, ApiRequest, Values, answer, body, refuse, refuse_plainly
from .kinds import Kind
from .store import Store, now

_PAGE, _MAX_PAGE = 20, 50
_TITLE_BYTES, _NAME_BYTES = 200, 255
_DEFAULT = "My Notebook"
_LINK = re.compile(r"\[\[(.+?)\]\]")

_TAGS = (list[str] | None, None)
_NEW_NOTEBOOK = body(name=str)
_NEW_NOTE = body(title=str, content=TEXT, tags=_TAGS, notebook_id=TEXT)
_NOTE_CHANGES = body(title=TEXT, content=TEXT, tags=_TAGS)
_CONTRIBUTION = body(content=str)


def _changing_notebook(_: ApiRequest, __: str, values: Values) -> None:
    values["name"] = _checked("Name", values["name"], _NAME_BYTES)


def _removing_notebook(request: ApiRequest, notebook_id: str) -> None:
    default = default_notebook(request.store, request.owner.user_id)
    if notebook_id == default:
        refuse(400, "Cannot delete the default notebook")
    if request.august and not NOTEBOOKS.get(request, notebook_id)["archived"]:
        refuse(400, "Only archived notebooks can be deleted")
    request.store.run("UPDATE notes SET notebook_id = ? WHERE notebook_id = ?", default, notebook_id)


def _changing_note(request: ApiRequest, note_id: str, values: Values) -> None:
    _check_author(request, note_id)
    if "title" in values:
        values["title"] = _checked("Title", values["title"], _TITLE_BYTES)


def _check_author(request: ApiRequest, note_id: str) -> None:
    if NOTES.get(request, note_id)["agentId"] != request.agent_id:
        refuse(403, "Only the agent that created a note may change it")


NOTEBOOKS = Kind(
    "notebooks",
    "Notebook",
    "id owner_id name is_default sort_order created_at updated_at",
    {"noteCount": "(SELECT count(*) FROM notes WHERE notebook_id = notebooks.id AND archived_at IS NULL)"},
    {"archived": "archived"},
    order="sort_order, rowid",
    key="notebooks",
    place="id",
    grants="notebook",
    missing=403,
    edit=_NEW_NOTEBOOK,
    changing=_changing_notebook,
    removing=_removing_notebook,
)
NOTES = Kind(
    "notes",
    "Note",
    "id notebook_id title content tags creator_id creator_type creator_name agent_id agent_name archived_at"
    " created_at updated_at",
    order="created_at DESC, rowid DESC",
    grants="notebook",
    edit=_NOTE_CHANGES,
    changing=_changing_note,
    removing=_check_author,
)
TITLES = Kind(
    "notes",
    "Note",
    "id title tags created_at updated_at",
    {"isPinned": "0"},
    only="archived_at IS NULL",
    order="created_at DESC, rowid DESC",
    key="notes",
    parent=NOTEBOOKS,
)
THREAD = Kind(
    "note_thread",
    "Message",
    "id content created_at",
    {"role": "'assistant'"},  # whichever agent it is
    key="messages",
    parent=NOTES,
    stamps="created_at",
)


def create_notebook(request: ApiRequest) -> Response:
    name = _checked("Name", request.read(_NEW_NOTEBOOK)["name"], _NAME_BYTES)
    notebook_id = add_notebook(request.store, request.owner.user_id, name)
    request.store.insert("notebook_grants", notebook_id=notebook_id, agent_id=request.agent_id)
    return answer(NOTEBOOKS.get(request, notebook_id), 201)


def archive_notebook(request: ApiRequest) -> Response:
    notebook_id = NOTEBOOKS.check(request, request.id(), write=True)
    NOTEBOOKS.change(request, notebook_id, {"archived": request.url.path.endswith("/archive")})
    return answer(NOTEBOOKS.get(request, notebook_id))


def list_notes(request: ApiRequest) -> Response:
    query = request.query_params
    limit, offset = request.page(_PAGE, _MAX_PAGE, skips=request.august)
    where = "notebook_id = ? AND archived_at IS " + ("NOT NULL" if request.flag("archived") else "NULL")
    values = [_notebook(request, query.get("notebookId"))]
    for tag in filter(None, (tag.strip() for tag in query.get("tags", "").split(","))):
        where += " AND EXISTS (SELECT 1 FROM json_each(notes.tags) WHERE value = ?)"
        values.append(tag)
    if text := query.get("search", "").strip():
        where += " AND (instr(folded(title), ?) OR instr(folded(content), ?))"
        values += [text.casefold(), text.casefold()]
    if "before" in query:
        cursor = as_uuid(query["before"])
        if cursor is None:
            refuse(400, "Invalid before cursor")
        # An unknown cursor is none, and notes of the very same time as the cursor's are skipped.
        where += " AND created_at < coalesce((SELECT created_at FROM notes WHERE id = ?), 'Z')"
        values.append(cursor)
    found = NOTES.rows(request, where, *values, page=(limit + 1, offset))
    notes, more = found[:limit], len(found) > limit
    return answer({"notes": notes, "hasMore": more, "nextCursor": notes[-1]["id"] if more else None})


def create_note(request: ApiRequest) -> Response:
    values, agent = request.read(_NEW_NOTE), request.agent
    named = values.get("notebook_id")
    if named is None and not request.august:
        refuse_plainly(422, "Failed to deserialize the JSON body into the target type: missing `notebookId`")
    values["notebook_id"] = _notebook(request, named)
    values["title"] = _checked("Title", values["title"], _TITLE_BYTES)
    values.update(agent_id=agent.agent_id, agent_name=agent.name, creator_id=request.owner.user_id)
    values["creator_name"] = agent.name if request.august else request.owner.username
    note_id = NOTES.add(request, values)
    _link(request, note_id)
    note = NOTES.get(request, note_id)
    if not request.august:
        del note["creatorName"], note["agentName"]  # here alone, the March 2026 server does not tell them
    return answer(note, 201)


def get_note(request: ApiRequest) -> Response:
    NOTES.check(request, request.id())
    backlinks = request.store.rows(
        "SELECT id, title FROM note_links JOIN notes ON id = note_id WHERE target_id = ? ORDER BY notes.rowid",
        request.id(),
    )
    note = NOTES.get(request, request.id())
    return answer({**note, "backlinks": backlinks, "linkedCards": _linked_cards(request)})


def update_note(request: ApiRequest) -> Response:
    response = NOTES.updates(request)
    _link(request, request.id())
    return response


def list_linked_cards(request: ApiRequest) -> Response:
    NOTES.check(request, request.id())
    return answer({"cards": _linked_cards(request)})


def add_to_thread(request: ApiRequest) -> Response:
    note_id, content = request.id(), request.read(_CONTRIBUTION)["content"].strip()
    NOTES.check(request, note_id)
    if not content:
        refuse(400, "Content is required")
    added = THREAD.get(request, THREAD.add(request, {"note_id": note_id, "content": content}))
    return answer({key: added[key] for key in ("id", "role", "content")})


def add_notebook(store: Store, owner_id: str, name: str, default: bool = False) -> str:
    """Make a notebook that nobody is granted, and return its id."""
    notebook_id, time, place = new_id(), now(), store.value("SELECT count(*) FROM notebooks")
    values = {"id": notebook_id, "owner_id": owner_id, "name": name, "is_default": default}
    store.insert("notebooks", **values, sort_order=place, created_at=time, updated_at=time)
    return notebook_id


def default_notebook(store: Store, owner_id: str) -> str:
    """Return the id of the notebook that gets the notes of deleted ones; make it if it is not there."""
    with store.transaction():
        found = store.value("SELECT id FROM notebooks WHERE is_default")
        return str(found or add_notebook(store, owner_id, _DEFAULT, default=True))


def _notebook(request: ApiRequest, named: str | None) -> str:
    if named is not None:
        return NOTEBOOKS.check(request, as_uuid(named) or refuse(400, "Invalid notebookId"))
    first = request.store.value(
        "SELECT id FROM notebook_grants JOIN notebooks ON id = notebook_id WHERE agent_id = ? AND NOT archived"
        " ORDER BY notebook_grants.rowid",
        request.agent_id,
    )
    return str(first or refuse(403, "No notebook access granted"))


def _checked(what: str, text: str, most: int) -> str:
    text = text.strip()
    if not 1 <= len(text.encode()) <= most:
        refuse(400, f"{what} must have 1 to {most} bytes")
    return text


def _link(request: ApiRequest, note_id: str) -> None:
    # Done when a note is saved, so a link to a title that comes later leads nowhere.
    note = NOTES.get(request, note_id)
    request.store.run("DELETE FROM note_links WHERE note_id = ?", note_id)
    request.store.run_all(
        "INSERT OR IGNORE INTO note_links SELECT ?, id FROM notes WHERE notebook_id = ? AND title = ? AND id <> ?",
        [(note_id, note["notebookId"], title.strip(), note_id) for title in _LINK.findall(note["content"])],
    )


def _linked_cards(request: ApiRequest) -> list[Values]:
    return request.store.rows(
        "SELECT id, title FROM card_notes JOIN cards ON id = card_id WHERE note_id = ? ORDER BY cards.rowid",
        request.id(),
    )
