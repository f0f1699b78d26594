"""Files: upload, list, rename, delete, download.

Like the real servers with their storage service, this one serves what was uploaded: its URLs lead to the content,
for everyone who knows them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from urllib.parse import quote

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response

from ..records import AgentAccount, as_uuid, new_id
from .exchange import ApiRequest, Values, answer, body, empty, refuse, refuse_plainly
from .kinds import Kind
from .store import Row, Store, now

# Files that an agent may see: its own, and those of the conversations whose ids the second parameter has.
VISIBLE = "(agent_id = ? OR conversation_id IN (SELECT value FROM json_each(?)))"

_BLOCKED = [
    f"application/x-{kind}" for kind in ("executable", "msdos-program", "msdownload", "sh", "bat", "csh")
]
_ANY_TYPE = "application/octet-stream"
_PAGE, _MAX_PAGE = 50, 100
_URL_LIVES = 3600  # seconds, as told; the URL itself stays
_FILTERS = {
    "source_type": "'attachment' = ?",
    "source_type_prefix": "instr('attachment', ?) = 1",
    "content_type_prefix": "instr(file_type, ?) = 1",
    "search": "instr(folded(file_name), folded(?))",
    "conversation_id": "conversation_id = ?",
    "folder_id": "? IS NULL",  # there are no folders, so a file is in none
}


class _Form(MultiPartParser):
    # A body is in memory and bounded already; a copy on disk would need threads to write it.
    spool_max_size = max_part_size = 2**40


def _permit(request: ApiRequest, file_id: str, write: bool) -> None:
    file = FILES.get(request, file_id)
    if file["agentId"] != request.agent_id:
        request.conversation(file["conversationId"])
        if write:
            refuse(403, "Only the agent that uploaded a file may change it")


def _changing_file(_: ApiRequest, __: str, values: Values) -> None:
    if not values["file_name"].strip():
        refuse(400, "fileName is required")


FILES = Kind(
    "files",
    "File",
    "id file_name file_type file_size url conversation_id agent_id created_at",
    {"sourceType": "'attachment'"},
    order="created_at DESC, id",
    edit=body(file_name=str),
    stamps="created_at",
    permit=_permit,
    changing=_changing_file,
)


def add_file(
    store: Store, data: bytes, name: str, kind: str, conversation_id: str, agent: AgentAccount | None
) -> Row:
    """Keep a file and return what an attachment tells of it; without an agent it is a user's."""
    file_id, ending = new_id(), quote(name.rpartition(".")[2], safe="")  # without a dot, it is the whole name
    url = f"/uploads/attachments/{conversation_id}/{file_id}_{int(time.time())}.{ending}"
    values = {
        "file_name": name,
        "file_type": kind,
        "file_size": len(data),
        "conversation_id": conversation_id,
    }
    agent_id = None if agent is None else agent.agent_id
    with store.transaction():
        store.insert("files", id=file_id, url=url, agent_id=agent_id, created_at=now(), **values)
        store.insert("contents", file_id=file_id, data=data)
    return {"id": file_id, "url": url, "fileName": name, "fileType": kind, "fileSize": len(data)}


async def upload(request: ApiRequest) -> Response:
    if request.data is None:
        refuse(400, "Failed to read file data")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        refuse_plainly(400, "Invalid `boundary` for `multipart/form-data` request")
    try:
        form = await _Form(request.headers, _whole(request.data)).parse()
    except (MultiPartException, FormParserError) as problem:
        refuse_plainly(400, f"Error parsing `multipart/form-data` request: {problem}")
    try:
        return await _taken(request, form)
    finally:
        await form.close()


async def _whole(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data


async def _taken(request: ApiRequest, form: FormData) -> Response:
    place = form.get("conversationId") or refuse(400, "conversationId is required")
    if (file := form.get("file")) is None:
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
    del kept["id"]
    return answer(kept, 201)


def serve(request: ApiRequest) -> Response:
    place, name = (quote(request.text(part), safe="") for part in ("place", "name"))
    found = FILES.rows(request, "url = ?", f"/uploads/attachments/{place}/{name}")
    return _content(request, found[0]) if found else empty(404)


def list_files(request: ApiRequest) -> Response:
    query, (limit, offset) = request.query_params, request.page(_PAGE, _MAX_PAGE)
    given = [name for name in _FILTERS if name in query]
    where = " AND ".join([VISIBLE, *(_FILTERS[name] for name in given)])
    values = [*visible(request), *(query[name] for name in given)]
    order = {"name": "file_name, id", "size": "file_size DESC, id"}.get(query.get("sort", ""), "")
    found = FILES.rows(request, where, *values, page=(limit, offset), order=order)
    total = request.store.value(f"SELECT count(*) FROM files WHERE {where}", *values)
    return answer({"files": found, "total": total, "hasMore": offset + len(found) < total})


def usage(request: ApiRequest) -> Response:
    sql = "SELECT count(*) AS fileCount, coalesce(sum(file_size), 0) AS usedBytes, NULL AS quotaBytes FROM files"
    return answer(request.store.row(f"{sql} WHERE agent_id = ?", request.agent_id))


def download(request: ApiRequest) -> Response:
    FILES.check(request, request.id())
    return _content(request, FILES.get(request, request.id()))


def make_url(request: ApiRequest) -> Response:
    FILES.check(request, request.id())
    return answer({"url": FILES.get(request, request.id())["url"], "expiresIn": _URL_LIVES})


def visible(request: ApiRequest) -> list[object]:
    """Return the parameters of ``VISIBLE``."""
    return [request.agent_id, bytes(answer([each.id for each in request.conversations]).body).decode()]


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
