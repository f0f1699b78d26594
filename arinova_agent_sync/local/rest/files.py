"""Files: upload, list, rename, delete, download.

Like the March 2026 server with its storage service, this one serves what was uploaded: its URLs lead to the
content, for everyone who knows them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response

from ..records import AgentAccount
from .exchange import ApiRequest, answer, as_uuid, body, empty, refuse, refuse_plainly
from .store import Row, Store, new_id, now

_BLOCKED = {
    "application/x-executable",
    "application/x-msdos-program",
    "application/x-msdownload",
    "application/x-sh",
    "application/x-bat",
    "application/x-csh",
}
_ANY_TYPE = "application/octet-stream"
_PAGE, _MAX_PAGE = 50, 100
_URL_LIVES = 3600  # seconds, as told; the URL itself stays
_SHAPE = (
    "id, file_name AS fileName, file_type AS fileType, file_size AS fileSize, url, "
    "conversation_id AS conversationId, agent_id AS agentId, 'attachment' AS sourceType, "
    "created_at AS createdAt"
)
_NEW_NAME = body(file_name=str)

# Files that an agent may see: its own, and those of the conversations whose ids the second parameter has.
VISIBLE = (
    f"SELECT * FROM (SELECT {_SHAPE} FROM files)"
    " WHERE (agentId = ? OR conversationId IN (SELECT value FROM json_each(?)))"
)


class _Form(MultiPartParser):
    # A body is in memory and bounded already; a copy on disk would need threads to write it.
    spool_max_size = 2**40
    max_part_size = 2**40


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
    ending = quote(file_name.rpartition(".")[2], safe="")  # without a dot, it is the whole name
    url = f"/uploads/attachments/{conversation_id}/{file_id}_{int(time.time())}.{ending}"
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


async def upload(request: ApiRequest) -> Response:
    if request.data is None:
        refuse(400, "Failed to read file data")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        refuse_plainly(400, "Invalid `boundary` for `multipart/form-data` request")
    try:
        form = await _Form(request.headers, _whole(request.data)).parse()
    except MultiPartException as problem:
        refuse_plainly(400, f"Error parsing `multipart/form-data` request: {problem.message}")
    try:
        return await _taken(request, form)
    finally:
        await form.close()


async def _taken(request: ApiRequest, form: FormData) -> Response:
    place = form.get("conversationId") or refuse(400, "conversationId is required")
    file = form.get("file")
    if file is None:
        refuse(400, "No file provided")
    conversation_id = as_uuid(place.strip() if isinstance(place, str) else None)
    if conversation_id is None:
        refuse(400, "Invalid conversationId")
    request.conversation(conversation_id)
    if isinstance(file, UploadFile):
        data, name, kind = await file.read(), file.filename or "file", file.content_type or _ANY_TYPE
    else:
        data, name, kind = file.encode(), "file", _ANY_TYPE
    if kind.partition(";")[0].strip().lower() in _BLOCKED:
        refuse(400, "File type not allowed")
    kept = add_file(request.store, data, name, kind, conversation_id, request.agent)
    return answer({key: kept[key] for key in ("url", "fileName", "fileType", "fileSize")}, 201)


async def _whole(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data


def serve(request: ApiRequest) -> Response:
    place, name = (quote(request.text(part), safe="") for part in ("place", "name"))
    url = f"/uploads/attachments/{place}/{name}"
    file = request.store.row(f"SELECT {_SHAPE} FROM files WHERE url = ?", url)
    return empty(404) if file is None else _content(request, file)


def list_files(request: ApiRequest) -> Response:
    query = request.query_params
    limit, offset = request.number("limit", _PAGE, most=_MAX_PAGE), request.number("offset", 0, least=0)
    sql, values = VISIBLE, visible(request)
    for parameter, condition in (
        ("source_type", "sourceType = ?"),
        ("source_type_prefix", "instr(sourceType, ?) = 1"),
        ("content_type_prefix", "instr(fileType, ?) = 1"),
        ("search", "instr(folded(fileName), folded(?)) > 0"),
        ("conversation_id", "conversationId = ?"),
        ("folder_id", "? IS NULL"),  # there are no folders, so a file is in none
    ):
        if parameter in query:
            sql += f" AND {condition}"
            values.append(query[parameter])
    order = {"name": "fileName", "size": "fileSize DESC"}.get(query.get("sort", ""), "createdAt DESC")
    total = request.store.value(f"SELECT count(*) FROM ({sql})", *values)
    found = request.store.rows(f"{sql} ORDER BY {order}, id LIMIT ? OFFSET ?", *values, limit, offset)
    return answer({"files": found, "total": total, "hasMore": offset + len(found) < total})


def usage(request: ApiRequest) -> Response:
    used = request.store.row(
        "SELECT count(*) AS fileCount, coalesce(sum(file_size), 0) AS usedBytes FROM files WHERE agent_id = ?",
        request.agent_id,
    )
    return answer({**(used or {}), "quotaBytes": None})


def get_file(request: ApiRequest) -> Response:
    return answer(_file(request))


def rename_file(request: ApiRequest) -> Response:
    file, name = _own(request), request.read(_NEW_NAME)["file_name"]
    if not name.strip():
        refuse(400, "fileName is required")
    request.store.update("files", file["id"], file_name=name)
    return answer({**file, "fileName": name})


def delete_file(request: ApiRequest) -> Response:
    remove_file(request.store, _own(request)["id"])
    return empty()


def download(request: ApiRequest) -> Response:
    return _content(request, _file(request))


def make_url(request: ApiRequest) -> Response:
    return answer({"url": _file(request)["url"], "expiresIn": _URL_LIVES})


def visible(request: ApiRequest) -> list[object]:
    """Return the parameters of ``VISIBLE``."""
    places = [found.id for found in request.conversations]
    return [request.agent_id, bytes(answer(places).body).decode()]


def _file(request: ApiRequest) -> Row:
    file = request.store.row(f"SELECT {_SHAPE} FROM files WHERE id = ?", request.id())
    if file is None:
        refuse(404, "File not found")
    if file["agentId"] != request.agent_id:
        request.conversation(file["conversationId"])
    return file


def _own(request: ApiRequest) -> Row:
    file = _file(request)
    if file["agentId"] != request.agent_id:
        refuse(403, "Only the agent that uploaded a file may change it")
    return file


def _content(request: ApiRequest, file: Row) -> Response:
    data = request.store.value("SELECT data FROM contents WHERE file_id = ?", file["id"])
    kind = file["fileType"]
    # Whatever an agent uploads, no browser is to run it as a page of this server.
    headers = {
        "content-type": kind if all(" " <= letter <= "~" for letter in kind) else _ANY_TYPE,
        "content-disposition": f"inline; filename*=UTF-8''{quote(file['fileName'])}",
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
    }
    return Response(data, headers=headers)
