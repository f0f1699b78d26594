"""What agents remember; the owner's other agents may read and change it."""

from __future__ import annotations

import re

from starlette.responses import Response

from ..records import as_uuid
from .exchange import NUMBER, TEXT, ApiRequest, Values, answer, body, empty, refuse, refuse_plainly
from .kinds import Kind
from .store import Row, now

_CATEGORIES = ("correction", "preference", "knowledge", "error")
_TIERS = ("hot", "warm", "cold")
_MARCH_PAGE = 200
_PAGE, _MAX_PAGE = 50, 100
_FOUND, _MAX_FOUND = 10, 20
_KEPT = 200  # memories that a clean-up leaves unless it is told how many
_WORD = re.compile(r"\w+")

_NEW = body(snake=True, agent_id=str, category=str, summary=str, detail=TEXT, pattern_key=TEXT)
_CLEAN_UP = body(agent_id=str, max_memories=NUMBER)


def _check(_: ApiRequest, __: str, values: Values) -> None:
    for name, allowed in (("category", _CATEGORIES), ("tier", _TIERS)):
        if values.get(name) not in (None, *allowed):
            refuse(400, f"{name} must be one of {', '.join(allowed)}")


MEMORIES = Kind(
    "memories",
    "Memory",
    "id agent_id category tier summary detail pattern_key hit_count last_used_at created_at",
    {"sourceConversationId": "NULL", "firstSeenAt": "created_at"},
    only="NOT deleted",
    order="last_used_at DESC, rowid DESC",
    edit=body(category=TEXT, tier=TEXT, summary=TEXT, detail=TEXT),
    empty_edit=True,
    stamps="created_at",
    changing=_check,
)


def list_memories(request: ApiRequest) -> Response:
    request.flag("exclude_system")  # all memories here were made by agents
    page = request.page(_PAGE, _MAX_PAGE) if request.august else (_MARCH_PAGE, 0)
    where, values = "agent_id = ?", [_agent_id(request)]
    for name in ("category", "tier"):
        if name in request.query_params:
            where += f" AND {name} = ?"
            values.append(request.query_params[name])
    return answer({"memories": MEMORIES.rows(request, where, *values, page=page)})


def remember(request: ApiRequest) -> Response:
    values = request.read(_NEW)
    _check(request, "", values)
    values.update(agent_id=_agent_id(request, values), last_used_at=now())
    pattern = (values["agent_id"], values.get("pattern_key"))
    known = request.store.row("SELECT * FROM memories WHERE agent_id = ? AND pattern_key = ?", *pattern)
    if known is None:
        return answer(MEMORIES.get(request, MEMORIES.add(request, values)), 201)
    if known["deleted"]:
        values.update(deleted=False, hit_count=1, tier=_TIERS[0], created_at=now())
    else:
        values.update(category=known["category"], hit_count=known["hit_count"] + 1)
    MEMORIES.change(request, known["id"], {"detail": None, **values})
    return answer(MEMORIES.get(request, known["id"]), 201)


def forget(request: ApiRequest) -> Response:
    MEMORIES.check(request, request.id())
    MEMORIES.change(request, request.id(), {"deleted": True})
    return empty()


def restore(request: ApiRequest) -> Response:
    if not request.store.run("UPDATE memories SET deleted = 0 WHERE deleted AND id = ?", request.id()):
        refuse(404, "Memory not found")
    return answer(MEMORIES.get(request, request.id()))


def search(request: ApiRequest) -> Response:
    """Look for words, where the real servers compare meanings; the score is the share of words that are there."""
    limit = request.number("limit", _FOUND, most=_MAX_FOUND)
    words = set(_WORD.findall(request.query_params.get("q", "").casefold()))
    found: list[Row] = []
    for memory in MEMORIES.rows(request, "agent_id = ?", request.agent_id):
        text = f"{memory['summary']}\n{memory['detail'] or ''}".casefold()
        if there := words.intersection(_WORD.findall(text)):
            shown = {name: memory[name] for name in ("id", "category", "summary", "detail")}
            found.append({**shown, "score": round(len(there) / len(words), 3), "source": "user"})
    found.sort(key=lambda memory: memory["score"], reverse=True)
    return answer(found[:limit])


def search_capsules(request: ApiRequest) -> Response:
    """Refuse, like a March 2026 server without a key for the model that compares meanings."""
    request.number("limit", _FOUND, most=_MAX_FOUND)
    refuse(503, "Memory search is not available: the server has no key for a language model")


def export(request: ApiRequest) -> Response:
    agent_id = _agent_id(request)
    memories = MEMORIES.rows(request, "agent_id = ?", agent_id)
    return answer({"agentId": agent_id, "exportedAt": now(), "memories": memories})


def clean_up(request: ApiRequest) -> Response:
    """Drop the coldest and oldest."""
    values = request.read(_CLEAN_UP)
    most = values.get("max_memories", _KEPT)
    if most < 0:
        refuse(400, "maxMemories must not be negative")
    memories = MEMORIES.rows(request, "agent_id = ?", _agent_id(request, values))
    memories.sort(key=lambda memory: _TIERS.index(memory["tier"]))
    for memory in memories[most:]:
        MEMORIES.change(request, memory["id"], {"deleted": True})
    return answer({"removed": len(memories[most:]), "remaining": len(memories[:most])})


def _agent_id(request: ApiRequest, values: Values | None = None) -> str:
    text = request.query_params.get("agent_id") if values is None else values["agent_id"]
    agent_id = as_uuid(text)
    if agent_id is None:
        refuse_plainly(400 if values is None else 422, "Failed to deserialize: agent_id: no UUID")
    with request.hub.lock:
        known = agent_id in request.hub.chat.roster.accounts
    return agent_id if known else refuse(403, "The owner has no such agent")
