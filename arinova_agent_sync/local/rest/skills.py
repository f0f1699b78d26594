"""Skills that are installed: those that every agent has, and the agent's own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .desk import Desk
from .exchange import Answer, Request, answer, refuse
from .router import Routes
from .store import Row

routes = Routes("/api/v1", "/api/agent")


@routes("GET /skills/installed")
def list_installed(desk: Desk, request: Request) -> Answer:
    return answer(_installed(desk, request))


@routes("GET /skills/{slug}/prompt")
def get_prompt(desk: Desk, request: Request) -> Answer:
    found = next((skill for skill in _installed(desk, request) if skill["slug"] == request.parts[0]), None)
    if found is None:
        refuse(404, "Skill not found or not installed")
    return answer({name: found[name] for name in ("promptContent", "promptTemplate", "parameters")})


def _installed(desk: Desk, request: Request) -> Sequence[Row]:
    own = desk.store.rows("SELECT * FROM skills WHERE agent_id = ? ORDER BY rowid", request.agent_id)
    # The agent's own come first, since of two with one slug that is the one which was meant for it.
    return [_own(skill) for skill in own] + [_common(skill) for skill in desk.hub.chat.skills]


def _own(skill: Row) -> Row:
    return {
        "id": skill["id"],
        "slug": skill["slug"],
        "name": skill["name"],
        "description": skill["description"],
        "slashCommand": skill["slash_command"],
        "promptContent": skill["prompt_content"],
        "promptTemplate": skill["prompt_template"],
        "parameters": json.loads(skill["parameters"]),
        "config": json.loads(skill["config"]),
        "enabled": True,
    }


def _common(skill: Mapping[str, Any]) -> Row:
    return {
        "id": skill["slug"],
        "slashCommand": None,
        "description": "",
        "promptContent": "",
        "promptTemplate": None,
        "parameters": [],
        "config": {},
        "enabled": True,
        "name": skill["slug"],
        **skill,
    }
