"""What hangs on a kanban card: commits, notes, labels, comments."""

from __future__ import annotations

import json

from .cards import readable_card, writable_card
from .desk import Desk
from .exchange import Answer, Body, Request, answer, empty, refuse, uuid_field
from .labels import writable_label
from .notes import readable_note
from .router import Routes
from .store import Row, new_id, now

routes = Routes("/api/v1", "/api/agent")

_HASH_CHARACTERS = 40


class NewCommit(Body):
    """POST /kanban/cards/{id}/commits."""

    commit_hash: str
    message: str | None = None
    url: str | None = None


class NoteLink(Body):
    """POST /kanban/cards/{id}/notes."""

    note_id: str


class LabelLink(Body):
    """POST /kanban/cards/{id}/labels."""

    label_id: str


class NewComment(Body):
    """POST /kanban/cards/{id}/comments."""

    content: str


@routes("GET /kanban/cards/{card_id}/commits")
def list_commits(desk: Desk, request: Request) -> Answer:
    card = readable_card(desk, request, request.uuid())
    found = desk.store.rows("SELECT * FROM commits WHERE card_id = ? ORDER BY rowid", card["id"])
    return answer([_commit(desk, commit) for commit in found])


@routes("POST /kanban/cards/{card_id}/commits")
def add_commit(desk: Desk, request: Request) -> Answer:
    card_id, body = request.uuid(), request.json(NewCommit)
    writable_card(desk, request, card_id)
    if not 1 <= len(body.commit_hash) <= _HASH_CHARACTERS:
        refuse(400, f"commitHash must have 1 to {_HASH_CHARACTERS} characters")
    commit = {
        "card_id": card_id,
        "commit_hash": body.commit_hash,
        "message": body.message,
        "url": body.url if desk.august else None,
        "created_at": now(),
    }
    desk.store.run(
        "INSERT INTO commits VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
        " SET message = excluded.message, url = excluded.url",
        *commit.values(),
    )
    # Nothing but the status comes from the March 2026 server.
    return answer(_commit(desk, commit), 201) if desk.august else empty(201)


@routes("GET /kanban/cards/{card_id}/notes")
def list_notes(desk: Desk, request: Request) -> Answer:
    card = readable_card(desk, request, request.uuid())
    found = desk.store.rows(
        "SELECT id, title, tags, created_at AS createdAt FROM card_notes JOIN notes ON id = note_id"
        " WHERE card_id = ? ORDER BY card_notes.rowid",
        card["id"],
    )
    return answer([{**note, "tags": json.loads(note["tags"])} for note in found])


@routes("POST /kanban/cards/{card_id}/notes")
def link_note(desk: Desk, request: Request) -> Answer:
    card_id, note_id = request.uuid(), uuid_field("noteId", request.json(NoteLink).note_id)
    writable_card(desk, request, card_id)
    readable_note(desk, request, note_id)
    desk.store.run("INSERT OR IGNORE INTO card_notes VALUES (?, ?)", card_id, note_id)
    return answer({"linked": True})


@routes("DELETE /kanban/cards/{card_id}/notes/{note_id}")
def unlink_note(desk: Desk, request: Request) -> Answer:
    card_id, note_id = request.uuid(), request.uuid(1)
    writable_card(desk, request, card_id)
    desk.store.run("DELETE FROM card_notes WHERE card_id = ? AND note_id = ?", card_id, note_id)
    return empty()


@routes("POST /kanban/cards/{card_id}/labels")
def add_label(desk: Desk, request: Request) -> Answer:
    card_id, label_id = request.uuid(), uuid_field("labelId", request.json(LabelLink).label_id)
    card, label = writable_card(desk, request, card_id), writable_label(desk, request, label_id)
    if label["boardId"] != card["boardId"]:
        refuse(400, "The label belongs to another board")
    desk.store.run("INSERT OR IGNORE INTO card_labels VALUES (?, ?)", card_id, label_id)
    return answer({"linked": True})


@routes("DELETE /kanban/cards/{card_id}/labels/{label_id}")
def remove_label(desk: Desk, request: Request) -> Answer:
    card_id, label_id = request.uuid(), request.uuid(1)
    writable_card(desk, request, card_id)
    desk.store.run("DELETE FROM card_labels WHERE card_id = ? AND label_id = ?", card_id, label_id)
    return empty()


@routes("GET /kanban/cards/{card_id}/comments", august=True)
def list_comments(desk: Desk, request: Request) -> Answer:
    card = readable_card(desk, request, request.uuid())
    found = desk.store.rows("SELECT * FROM comments WHERE card_id = ? ORDER BY rowid", card["id"])
    return answer({"comments": [_comment(desk, comment) for comment in found]})


@routes("POST /kanban/cards/{card_id}/comments", august=True)
def add_comment(desk: Desk, request: Request) -> Answer:
    card_id, content = request.uuid(), request.json(NewComment).content.strip()
    writable_card(desk, request, card_id)
    if not content:
        refuse(400, "Content is required")
    comment = {
        "id": new_id(),
        "card_id": card_id,
        "content": content,
        "agent_id": request.agent_id,
        "created_at": now(),
    }
    desk.store.insert("comments", **comment)
    return answer(_comment(desk, comment), 201)


@routes("GET /kanban/comments/{comment_id}", august=True)
def get_comment(desk: Desk, request: Request) -> Answer:
    comment = desk.store.row("SELECT * FROM comments WHERE id = ?", request.uuid())
    if comment is None:
        refuse(404, "Comment not found")
    readable_card(desk, request, comment["card_id"])
    return answer(_comment(desk, comment))


def _commit(desk: Desk, commit: Row) -> Row:
    shape = {
        "cardId": commit["card_id"],
        "commitHash": commit["commit_hash"],
        "message": commit["message"],
        "createdAt": commit["created_at"],
    }
    if desk.august:
        shape["url"] = commit["url"]
    return shape


def _comment(desk: Desk, comment: Row) -> Row:
    with desk.hub.lock:
        author = desk.hub.chat.roster.accounts.get(comment["agent_id"])
    return {
        "id": comment["id"],
        "cardId": comment["card_id"],
        "content": comment["content"],
        "agentId": comment["agent_id"],
        "agentName": None if author is None else author.name,
        "createdAt": comment["created_at"],
    }
