"""Skills that are installed: those that every agent has, and the agent's own."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from .exchange import ApiRequest, answer, refuse
from .kinds import Kind
from .store import Row, now

_SKILLS = Kind(
    "skills",
    "Skill",
    "id name slug description category slash_command prompt_template prompt_content parameters is_enabled config"
    " installed_at",
    only="is_enabled",
)
# What a skill of the platform has where it says nothing else.
_UNSAID: Row = {
    "description": "",
    "category": "general",
    "slashCommand": None,
    "promptTemplate": "",
    "promptContent": "",
    "parameters": [],
    "isEnabled": True,
    "config": {},
}


def list_installed(request: ApiRequest) -> Response:
    return answer({"skills": _installed(request)})


def get_prompt(request: ApiRequest) -> Response:
    found = (skill for skill in _installed(request) if skill["slug"] == request.text("slug"))
    skill = next(found, None) or refuse(404, "Skill not found or not installed")
    return answer({name: skill[name] for name in ("promptContent", "promptTemplate", "parameters")})


def _installed(request: ApiRequest) -> list[Row]:
    # The agent's own come first, since of two with one slug that is the one which was meant for it.
    own = _SKILLS.rows(request, "agent_id = ?", request.agent_id)
    return [*own, *map(dict, request.hub.chat.skills)]


def of_platform(skills: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return skills that every agent has, with all that the server tells of one.

    Raises ValueError for one without a slug.
    """
    if not all(isinstance(skill.get("slug"), str) for skill in skills):
        raise ValueError("platform_skills must have a slug each, such as {'slug': 'draw'}")
    return [
        {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, str(skill["slug"]))),
            "name": skill["slug"],
            **_UNSAID,
            "installedAt": now(),
            **skill,
        }
        for skill in skills
    ]
