"""What agents remember: each its own. A search looks for words, where the real servers compare meanings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

from .desk import Desk
from .exchange import Answer, Body, Int32, Request, answer, as_uuid, changed, empty, refuse, refuse_plainly
from .router import Routes
from .store import Row, new_id, now

routes = Routes()
older = Routes("/api/agent")

_CATEGORIES = ("correction", "preference", "knowledge", "error")
_TIERS = ("hot", "warm", "cold")
_MARCH_PAGE = 200
_PAGE, _MAX_PAGE = 50, 100
_FOUND, _MAX_FOUND = 10, 20
_KEPT = 200  # memories that a clean-up leaves unless it is told how many
_SHAPE = (
    "id, agent_id AS agentId, category, tier, summary, detail, pattern_key AS patternKey,"
    " created_at AS createdAt, updated_at AS updatedAt"
)
_WORD = re.compile(r"\w+")


class NewMemory(Body, rename=None):
    """POST /memories, whose names are not in camel case."""

    agent_id: str
    category: str
    summary: str
    detail: str | None = None
    pattern_key: str | None = None


class MemoryChanges(Body):
    """PATCH /memories/{id}."""

    category: str | None = None
    tier: str | None = None
    summary: str | None = None
    detail: str | None = None


class CleanUp(Body):
    """POST /memories/cleanup."""

    agent_id: str
    max_memories: Int32 | None = None


@routes("GET /memories")
def list_memories(desk: Desk, request: Request) -> Answer:
    page, most = (_PAGE, _MAX_PAGE) if desk.august else (_MARCH_PAGE, _MARCH_PAGE)
    limit, offset = request.number("limit", page, most=most), request.number("offset", 0, least=0)
    request.flag("exclude_system")  # all memories here were made by agents
    found = memories_of(desk, _own_id(request, request.query.get("agent_id"), 400))
    for name in ("category", "tier"):
        if (wanted := request.query.get(name)) is not None:
            found = [memory for memory in found if memory[name] == wanted]
    return answer({"memories": found[offset : offset + limit]})


@routes("POST /memories")
def remember(desk: Desk, request: Request) -> Answer:
    body = request.json(NewMemory)
    agent_id, summary, store = _own_id(request, body.agent_id, 422), body.summary.strip(), desk.store
    _check("category", body.category, _CATEGORIES)
    if not summary:
        refuse(400, "summary is required")
    known = None
    if body.pattern_key is not None:
        known = store.value(
            "SELECT id FROM memories WHERE agent_id = ? AND pattern_key = ?", agent_id, body.pattern_key
        )
    time, memory_id = now(), known or new_id()
    text = {"category": body.category, "summary": summary, "detail": body.detail, "updated_at": time}
    if known is not None:
        store.update("memories", memory_id, deleted=False, **text)
    else:
        store.insert(
            "memories",
            id=memory_id,
            agent_id=agent_id,
            tier="hot",
            pattern_key=body.pattern_key,
            created_at=time,
            **text,
        )
    return answer(_memory(desk, request, memory_id), 200 if known else 201)


@routes("GET /memories/{memory_id}")
def get_memory(desk: Desk, request: Request) -> Answer:
    return answer(_memory(desk, request, request.uuid()))


@routes("PATCH /memories/{memory_id}")
def update_memory(desk: Desk, request: Request) -> Answer:
    memory_id, body = request.uuid(), request.json(MemoryChanges)
    _memory(desk, request, memory_id)
    values = changed(body)
    _check("category", values.get("category"), _CATEGORIES)
    _check("tier", values.get("tier"), _TIERS)
    desk.store.update("memories", memory_id, **values, updated_at=now())
    return answer(_memory(desk, request, memory_id))


@routes("DELETE /memories/{memory_id}")
def forget(desk: Desk, request: Request) -> Answer:
    memory = _memory(desk, request, request.uuid())
    desk.store.update("memories", memory["id"], deleted=True)
    return empty()


@routes("POST /memories/{memory_id}/restore", august=True)
def restore(desk: Desk, request: Request) -> Answer:
    memory = _memory(desk, request, request.uuid(), deleted=True)
    desk.store.update("memories", memory["id"], deleted=False)
    return answer(memory)


@routes("GET /memories/search", august=True)
def search(desk: Desk, request: Request) -> Answer:
    limit = request.number("limit", _FOUND, most=_MAX_FOUND)
    found = matching(desk, request.agent_id, request.query.get("q", ""))[:limit]
    shown = ("id", "category", "summary", "detail", "score")
    return answer([{**{name: memory[name] for name in shown}, "source": "user"} for memory in found])


@older("GET /capsules")
def search_capsules(desk: Desk, request: Request) -> Answer:
    # In March 2026 memories lie in capsules, and a search needs the server's key for a language model.
    limit = request.number("limit", _FOUND, most=_MAX_FOUND)
    found = matching(desk, request.agent_id, request.query.get("query", ""))[:limit]
    return answer(
        [
            {
                "content": _text(memory),
                "capsule_name": memory["category"],
                "capsule_id": memory["id"],
                "score": memory["score"],
                "importance": 1.0,
            }
            for memory in found
        ]
    )


@routes("GET /memories/export", august=True)
def export(desk: Desk, request: Request) -> Answer:
    agent_id = _own_id(request, request.query.get("agent_id"), 400)
    return answer({"agentId": agent_id, "exportedAt": now(), "memories": memories_of(desk, agent_id)})


@routes("POST /memories/cleanup", august=True)
def clean_up(desk: Desk, request: Request) -> Answer:
    body = request.json(CleanUp)
    agent_id, most = _own_id(request, body.agent_id, 422), body.max_memories
    most = _KEPT if most is None else most
    if most < 0:
        refuse(400, "maxMemories must not be negative")
    # The coldest and oldest go.
    by_worth = sorted(memories_of(desk, agent_id), key=lambda memory: _TIERS.index(memory["tier"]))
    for memory in by_worth[most:]:
        desk.store.update("memories", memory["id"], deleted=True)
    return answer({"removed": len(by_worth[most:]), "remaining": len(by_worth[:most])})


def memories_of(desk: Desk, agent_id: str) -> Sequence[Row]:
    """Return what an agent remembers, as it is shown, newest first."""
    return desk.store.rows(
        f"SELECT {_SHAPE} FROM memories WHERE agent_id = ? AND NOT deleted ORDER BY updated_at DESC, rowid DESC",
        agent_id,
    )


def matching(desk: Desk, agent_id: str, text: str) -> Sequence[Row]:
    """Return an agent's memories that have words of a text, best first; ``score`` is the share of words."""
    words = set(_WORD.findall(text.casefold()))
    found = []
    for memory in memories_of(desk, agent_id):
        there = words.intersection(_WORD.findall(_text(memory).casefold()))
        if there:
            found.append({**memory, "score": round(len(there) / len(words), 3)})
    return sorted(found, key=lambda memory: memory["score"], reverse=True)


def _memory(desk: Desk, request: Request, memory_id: str, deleted: bool = False) -> Row:
    memory = desk.store.row(f"SELECT {_SHAPE} FROM memories WHERE id = ? AND deleted = ?", memory_id, deleted)
    if memory is None:
        refuse(404, "Memory not found")
    if memory["agentId"] != request.agent_id:
        _refuse_others()
    return memory


def _own_id(request: Request, text: str | None, malformed: int) -> str:
    agent_id = as_uuid(text)
    if agent_id is None:
        refuse_plainly(malformed, "Failed to deserialize: agent_id: no UUID")
    if agent_id != request.agent_id:
        _refuse_others()
    return agent_id


def _refuse_others() -> NoReturn:
    refuse(403, "Agents have access to memories of their own only")


def _check(name: str, value: str | None, allowed: Sequence[str]) -> None:
    if value is not None and value not in allowed:
        refuse(400, f"{name} must be one of {', '.join(allowed)}")


def _text(memory: Row) -> str:
    return "\n".join(text for text in (memory["summary"], memory["detail"]) if text)
