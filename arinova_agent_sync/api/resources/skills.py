"""Skills that are installed on the agent."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import SkillPrompt
from ..routes import route
from ..values import JSONObject
from .resource import Resource


class Skills(Resource):
    """Skills, their prompts and their settings."""

    def installed(self, *, timeout: float | None = None) -> Sequence[JSONObject]:
        """Return the skills on this agent, with prompts and configuration (GET /skills/installed)."""
        return self._transport.json("GET", route("/skills/installed"), timeout=timeout).objects("skills")

    def prompt(self, slug: str, *, timeout: float | None = None) -> SkillPrompt:
        """Return what a skill tells the model; raise NotFoundError if it is not installed."""
        path = route("/skills/{slug}/prompt", slug=slug)
        return self._transport.json("GET", path, timeout=timeout).model(SkillPrompt)
