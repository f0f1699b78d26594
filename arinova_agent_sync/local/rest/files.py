"""Files: upload, list, rename, delete, download.

Unlike the March 2026 server without its storage service, this one serves what was uploaded: its URLs lead to
the content, for everyone who knows them.
"""

from __future__ import annotations

import time
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from ..records import AgentAccount
from .desk import Desk
from .exchange import Answer, Body, Request, answer, as_uuid, empty, refuse, refuse_plainly
from .multipart import MalformedForm, parts
from .router import Routes
from .store import Row, Store, new_id, now

routes = Routes()
public = Routes("/uploads")

_BLOCKED = {
    "application/x-executable",
    "application/x-msdos-program",
    "application/x-msdownload",
    "application/x-sh",
    "application/x-bat",
    "application/x-csh",
}
_PAGE, _MAX_PAGE = 50, 100
_URL_LIVES = 3600  # seconds, as told; the URL itself stays
_SHAPE = (
    "id, file_name AS fileName, file_type AS fileType, file_size AS fileSize, url, "
    "conversation_id AS conversationId, agent_id AS agentId, 'attachment' AS sourceType, "
    "created_at AS createdAt"
)


class NewName(Body):
    """PATCH /files/{id}."""

    file_name: str


def add_file(
    store: Store,
    data: bytes,
    file_name: str,
    file_type: str,
    conversation_id: str,
    agent: AgentAccount | None,
) -> dict[str, Any]:
    """Keep a file and return what an attachment tells of it; without an agent it is a user's."""
    file_id = new_id()
    ending = PurePath(file_name).suffix.removeprefix(".") or "bin"
    url = f"/uploads/attachments/{conversation_id}/{file_id}_{int(time.time())}.{quote(ending, safe='')}"
    with store.transaction():
        store.insert(
            "files",
            id=file_id,
            conversation_id=conversation_id,
            agent_id=None if agent is None else agent.agent_id,
            file_name=file_name,
            file_type=file_type,
            file_size=len(data),
            url=url,
            created_at=now(),
        )
        store.insert("contents", file_id=file_id, data=data)
    return {"id": file_id, "fileName": file_name, "fileType": file_type, "fileSize": len(data), "url": url}


def remove_file(store: Store, file_id: str) -> None:
    """Drop a file."""
    store.run("DELETE FROM files WHERE id = ?", file_id)


def shrink(store: Store, most_bytes: int) -> None:
    """Drop the oldest of the users' files until all of theirs together have so many bytes at most."""
    store.run(
        "DELETE FROM files WHERE id IN (SELECT id FROM (SELECT id, sum(file_size)"
        " OVER (ORDER BY rowid DESC) AS size FROM files WHERE agent_id IS NULL) WHERE size > ?)",
        most_bytes,
    )


def users_urls(store: Store) -> set[str]:
    """Return the URLs of the users' files."""
    return {row["url"] for row in store.rows("SELECT url FROM files WHERE agent_id IS NULL")}


@routes("POST /files/upload", upload=True)
def upload(desk: Desk, request: Request) -> Answer:
    try:
        form = parts(request.headers.get(b"content-type", b"").decode("latin-1"), request.body)
    except MalformedForm as problem:
        refuse_plainly(400, str(problem))
    place, file = form.get("conversationId"), form.get("file")
    if place is None:
        refuse(400, "conversationId is required")
    if file is None:
        refuse(400, "No file provided")
    conversation_id = as_uuid(place.data.decode("utf-8", "replace").strip())
    if conversation_id is None:
        refuse(400, "Invalid conversationId")
    desk.conversation(request.agent, conversation_id)
    if file.content_type.partition(";")[0].strip().lower() in _BLOCKED:
        refuse(400, "File type not allowed")
    name = file.file_name or "file"
    kept = add_file(desk.store, file.data, name, file.content_type, conversation_id, request.agent)
    del kept["id"]
    return answer(kept, 201)


@public("GET /attachments/{conversation_id}/{name}", public=True)
def serve(desk: Desk, request: Request) -> Answer:
    place, name = (quote(part, safe="") for part in request.parts)
    file = desk.store.row(f"SELECT {_SHAPE} FROM files WHERE url = ?", f"/uploads/attachments/{place}/{name}")
    return empty(404) if file is None else _content(desk, file)


@routes("GET /files", august=True)
def list_files(desk: Desk, request: Request) -> Answer:
    query = request.query
    limit = request.number("limit", _PAGE, most=_MAX_PAGE)
    offset = request.number("offset", 0, least=0)
    sql, values = _visible(desk, request.agent)
    for parameter, condition in (
        ("source_type", "sourceType = ?"),
        ("source_type_prefix", "sourceType LIKE ? || '%'"),
        ("content_type_prefix", "fileType LIKE ? || '%'"),
        ("search", "instr(lower(fileName), lower(?)) > 0"),
        ("conversation_id", "conversationId = ?"),
        ("folder_id", "? IS NULL"),  # there are no folders, so a file is in none
    ):
        if parameter in query:
            sql += f" AND {condition}"
            values.append(query[parameter])
    order = {"name": "fileName", "size": "fileSize DESC"}.get(query.get("sort", ""), "createdAt DESC")
    total = desk.store.value(f"SELECT count(*) FROM ({sql})", *values)
    found = desk.store.rows(f"{sql} ORDER BY {order}, id LIMIT ? OFFSET ?", *values, limit, offset)
    return answer({"files": found, "total": total, "hasMore": offset + len(found) < total})


@routes("GET /files/usage", august=True)
def usage(desk: Desk, request: Request) -> Answer:
    used = desk.store.row(
        "SELECT count(*) AS fileCount, coalesce(sum(file_size), 0) AS usedBytes FROM files WHERE agent_id = ?",
        request.agent_id,
    )
    return answer({**(used or {}), "quotaBytes": None})


@routes("GET /files/{file_id}", august=True)
def get_file(desk: Desk, request: Request) -> Answer:
    return answer(_file(desk, request))


@routes("PATCH /files/{file_id}", august=True)
def rename_file(desk: Desk, request: Request) -> Answer:
    file, body = _own(desk, request), request.json(NewName)
    if not body.file_name.strip():
        refuse(400, "fileName is required")
    desk.store.update("files", file["id"], file_name=body.file_name)
    return answer({**file, "fileName": body.file_name})


@routes("DELETE /files/{file_id}", august=True)
def delete_file(desk: Desk, request: Request) -> Answer:
    remove_file(desk.store, _own(desk, request)["id"])
    return empty()


@routes("GET /files/{file_id}/content", august=True)
def download(desk: Desk, request: Request) -> Answer:
    return _content(desk, _file(desk, request))


@routes("POST /files/{file_id}/url", august=True)
def make_url(desk: Desk, request: Request) -> Answer:
    return answer({"url": _file(desk, request)["url"], "expiresIn": _URL_LIVES})


def files_of(desk: Desk, agent: AgentAccount) -> list[Row]:
    """Return all files that an agent may see, newest first."""
    sql, values = _visible(desk, agent)
    return desk.store.rows(f"{sql} ORDER BY createdAt DESC, id", *values)


def _visible(desk: Desk, agent: AgentAccount) -> tuple[str, list[object]]:
    places = [found.id for found in desk.conversations_of(agent)]
    marks = ", ".join("?" * len(places))
    sql = f"SELECT * FROM (SELECT {_SHAPE} FROM files) WHERE (agentId = ? OR conversationId IN ({marks}))"
    return sql, [agent.agent_id, *places]


def _file(desk: Desk, request: Request) -> Row:
    file = desk.store.row(f"SELECT {_SHAPE} FROM files WHERE id = ?", request.uuid())
    if file is None:
        refuse(404, "File not found")
    if file["agentId"] != request.agent_id:
        desk.conversation(request.agent, file["conversationId"])
    return file


def _own(desk: Desk, request: Request) -> Row:
    file = _file(desk, request)
    if file["agentId"] != request.agent_id:
        refuse(403, "Only the agent that uploaded a file may change it")
    return file


def _content(desk: Desk, file: Row) -> Answer:
    data = desk.store.value("SELECT data FROM contents WHERE file_id = ?", file["id"])
    shown = f"inline; filename*=UTF-8''{quote(file['fileName'])}"
    # Whatever an agent uploads, no browser is to run it as a page of this server.
    headers = [
        ("content-disposition", shown),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("x-content-type-options", "nosniff"),
    ]
    return Answer(200, data, _header_value(file["fileType"]), headers)


def _header_value(content_type: str) -> str:
    printable = all(" " <= letter <= "~" for letter in content_type)
    return content_type if printable else "application/octet-stream"
