"""Notes and the discussions under them. Only the agent that made a note may change it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .desk import Desk
from .exchange import Answer, Body, Request, answer, as_uuid, changed, empty, refuse, refuse_plainly
from .notebooks import first_notebook, granted_notebook
from .router import Routes
from .store import Row, new_id, now

routes = Routes()

_PAGE, _MAX_PAGE = 20, 50
_TITLE_BYTES = 200


class NewNote(Body):
    """POST /notes."""

    title: str
    content: str | None = None
    tags: list[str] | None = None
    notebook_id: str | None = None


class NoteChanges(Body):
    """PATCH /notes/{id}."""

    title: str | None = None
    content: str | None = None
    tags: list[str] | None = None


class Contribution(Body):
    """POST /notes/{id}/thread."""

    content: str


@routes("GET /notes", etag=True)
def list_notes(desk: Desk, request: Request) -> Answer:
    query = request.query
    limit = request.number("limit", _PAGE, most=_MAX_PAGE)
    offset = request.number("offset", 0, least=0) if desk.august else 0
    archived = request.flag("archived") or False
    notebook = _notebook(desk, request, query.get("notebookId"), 400)
    sql, values = "FROM notes WHERE notebook_id = ? AND archived = ?", [notebook["id"], archived]
    for tag in filter(None, (tag.strip() for tag in query.get("tags", "").split(","))):
        sql += " AND EXISTS (SELECT 1 FROM json_each(notes.tags) WHERE value = ?)"
        values.append(tag)
    if text := query.get("search", "").strip():
        sql += " AND (instr(folded(title), ?) OR instr(folded(content), ?))"
        values += [text.casefold(), text.casefold()]
    # An unknown cursor is none, and notes of the very same time as the cursor's are skipped.
    cursor = as_uuid(query.get("before"))
    before = desk.store.value("SELECT created_at FROM notes WHERE id = ?", cursor)
    if before is not None:
        sql += " AND created_at < ?"
        values.append(before)
    rows = desk.store.rows(
        f"SELECT * {sql} ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?", *values, limit + 1, offset
    )
    notes = [_shown(desk, row) for row in rows[:limit]]
    more = len(rows) > limit
    return answer({"notes": notes, "hasMore": more, "nextCursor": notes[-1]["id"] if more else None})


@routes("POST /notes")
def create_note(desk: Desk, request: Request) -> Answer:
    body = request.json(NewNote)
    if body.notebook_id is None and not desk.august:
        refuse_plainly(422, "Failed to deserialize the JSON body into the target type: missing `notebookId`")
    notebook = _notebook(desk, request, body.notebook_id, 422)
    title = _title(body.title)
    time, note_id = now(), new_id()
    desk.store.insert(
        "notes",
        id=note_id,
        notebook_id=notebook["id"],
        title=title,
        content=body.content or "",
        tags=json.dumps(body.tags or []),
        agent_id=request.agent_id,
        agent_name=request.agent.name,
        created_at=time,
        updated_at=time,
    )
    return answer(_shown(desk, readable_note(desk, request, note_id)), 201)


@routes("GET /notes/{note_id}")
def get_note(desk: Desk, request: Request) -> Answer:
    note = readable_note(desk, request, request.uuid())
    # A link to a note is its id, in whatever form the text has it.
    backlinks = desk.store.rows(
        "SELECT id, title FROM notes WHERE notebook_id = ? AND NOT archived AND instr(lower(content), ?)"
        " AND id <> ? ORDER BY created_at",
        note["notebook_id"],
        note["id"],
        note["id"],
    )
    linked = _linked_cards(desk, request, note["id"])
    return answer({**_shown(desk, note), "backlinks": backlinks, "linkedCards": linked})


@routes("PATCH /notes/{note_id}")
def update_note(desk: Desk, request: Request) -> Answer:
    note_id, body = request.uuid(), request.json(NoteChanges)
    note, values = _own(desk, request, note_id), changed(body)
    if "title" in values:
        values["title"] = _title(values["title"])
    if "tags" in values:
        values["tags"] = json.dumps(values["tags"])
    values["updated_at"] = now()
    desk.store.update("notes", note_id, **values)
    return answer(_shown(desk, {**note, **values}))


@routes("DELETE /notes/{note_id}")
def delete_note(desk: Desk, request: Request) -> Answer:
    note = _own(desk, request, request.uuid())
    desk.store.run("DELETE FROM notes WHERE id = ?", note["id"])
    return empty()


@routes("GET /notes/{note_id}/linked-cards", august=True)
def linked_cards(desk: Desk, request: Request) -> Answer:
    note = readable_note(desk, request, request.uuid())
    return answer({"cards": _linked_cards(desk, request, note["id"])})


@routes("GET /notes/{note_id}/thread")
def list_thread(desk: Desk, request: Request) -> Answer:
    note = readable_note(desk, request, request.uuid())
    rows = desk.store.rows("SELECT * FROM note_thread WHERE note_id = ? ORDER BY rowid", note["id"])
    return answer({"messages": [_contribution(row) for row in rows]})


@routes("POST /notes/{note_id}/thread")
def add_to_thread(desk: Desk, request: Request) -> Answer:
    note_id, content = request.uuid(), request.json(Contribution).content.strip()
    readable_note(desk, request, note_id)
    if not content:
        refuse(400, "Content is required")
    row = {
        "id": new_id(),
        "note_id": note_id,
        "role": "assistant",  # whichever agent it is
        "content": content,
        "agent_id": request.agent_id,
        "created_at": now(),
    }
    desk.store.insert("note_thread", **row)
    return answer(_contribution(row), 201)


def readable_note(desk: Desk, request: Request, note_id: str) -> Row:
    """Return a note in a notebook that the agent may use."""
    note = desk.store.row("SELECT * FROM notes WHERE id = ?", note_id)
    if note is None:
        refuse(404, "Note not found")
    granted_notebook(desk, request, note["notebook_id"])
    return note


def notes_of(desk: Desk, agent_id: str) -> Sequence[Row]:
    """Return the rows of all notes that an agent may read, newest first."""
    return desk.store.rows(
        "SELECT notes.* FROM notes JOIN notebook_grants USING (notebook_id)"
        " WHERE notebook_grants.agent_id = ? AND NOT archived ORDER BY created_at DESC, notes.rowid DESC",
        agent_id,
    )


def _own(desk: Desk, request: Request, note_id: str) -> Row:
    note = desk.store.row("SELECT * FROM notes WHERE id = ?", note_id)
    if note is None:
        refuse(404, "Note not found")
    if note["agent_id"] != request.agent_id:
        refuse(403, "Only the agent that created a note may change it")
    return note


def _notebook(desk: Desk, request: Request, named: str | None, malformed: int) -> Row:
    if named is None:
        return first_notebook(desk, request)
    notebook_id = as_uuid(named)
    if notebook_id is None:
        refuse_plainly(malformed, "Failed to deserialize: notebookId: no UUID")
    return granted_notebook(desk, request, notebook_id)


def _title(text: str) -> str:
    title = text.strip()
    if not 1 <= len(title.encode()) <= _TITLE_BYTES:
        refuse(400, f"Title must have 1 to {_TITLE_BYTES} bytes")
    return title


def _linked_cards(desk: Desk, request: Request, note_id: str) -> Sequence[Row]:
    return desk.store.rows(
        "SELECT cards.id, cards.title, columns.board_id AS boardId, columns.name AS columnName"
        " FROM card_notes JOIN cards ON cards.id = card_id JOIN columns ON columns.id = column_id"
        " JOIN board_grants USING (board_id) WHERE note_id = ? AND agent_id = ? ORDER BY cards.rowid",
        note_id,
        request.agent_id,
    )


def _shown(desk: Desk, note: Row) -> Row:
    shape = {
        "id": note["id"],
        "notebookId": note["notebook_id"],
        "title": note["title"],
        "content": note["content"],
        "tags": json.loads(note["tags"]),
        "archived": bool(note["archived"]),
        "agentId": note["agent_id"],
        "createdAt": note["created_at"],
        "updatedAt": note["updated_at"],
    }
    if desk.august:
        shape["agentName"] = shape["creatorName"] = note["agent_name"]
    return shape


def _contribution(row: Row) -> Row:
    return {
        "id": row["id"],
        "noteId": row["note_id"],
        "role": row["role"],
        "content": row["content"],
        "agentId": row["agent_id"],
        "createdAt": row["created_at"],
    }
