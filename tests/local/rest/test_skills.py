"""Installed skills over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.local import Generation, LocalServer

from ..raw_agent import RawAgent
from .conftest import Ask

DRAW = {"slug": "draw", "name": "Draw", "slashCommand": "/draw", "description": "Draws"}


@pytest.fixture
def server(generation: Generation) -> Iterator[LocalServer]:
    with LocalServer(generation=generation, platform_skills=[DRAW]) as made:
        yield made


def test_an_agent_has_the_platforms_skills_and_its_own(
    server: LocalServer, client: ArinovaClient, client_of: Callable[..., ArinovaClient]
) -> None:
    bob = server.add_agent("Bob")
    server.owner.install_skill("translate", "Translate it.", slash_command="/tr", agent=server.agent)
    installed = {str(skill["slug"]): skill for skill in client.skills.installed()}
    assert set(installed) == {"draw", "translate"}
    assert installed["draw"].items() >= DRAW.items()
    own = installed["translate"]
    assert (own["name"], own["slashCommand"], own["promptContent"]) == ("translate", "/tr", "Translate it.")
    assert (own["config"], own["isEnabled"], own["promptTemplate"]) == ({}, True, "")
    keys = {
        "id", "name", "slug", "description", "category", "slashCommand", "promptTemplate", "promptContent",
        "parameters", "isEnabled", "config", "installedAt",
    }  # fmt: skip
    assert set(own) == set(installed["draw"]) == keys
    assert [skill["slug"] for skill in client_of(server, bob).skills.installed()] == ["draw"]


def test_what_a_skill_tells_the_model(server: LocalServer, client: ArinovaClient, ask: Ask) -> None:
    server.owner.install_skill(
        "two words/x", "Translate it.", template="To {{language}}", parameters=[{"name": "language"}]
    )
    prompt = client.skills.prompt("two words/x")
    assert (prompt.prompt_content, prompt.prompt_template) == ("Translate it.", "To {{language}}")
    assert prompt.parameters == ({"name": "language"},)
    server.owner.install_skill("draw", "Draw it.")
    assert client.skills.prompt("draw").prompt_content == "Draw it."
    assert ask("GET", "/skills/draw/prompt").json == {
        "promptContent": "Draw it.",
        "promptTemplate": "",
        "parameters": [],
    }


def test_what_is_not_installed(server: LocalServer, client: ArinovaClient) -> None:
    server.owner.install_skill("translate", "Translate it.")
    server.owner.uninstall_skill("translate")
    with pytest.raises(errors.NotFoundError, match="not installed"):
        client.skills.prompt("translate")


@pytest.mark.parametrize("given", [{"slug": "p"}, {"slug": "p", "promptContent": "x", "category": "c"}])
def test_a_platform_skill_is_told_whole(given: dict[str, str], generation: Generation, client_of) -> None:
    told = {"slug": "p", "name": "p", "slashCommand": None, "description": ""}
    with LocalServer(generation=generation, platform_skills=[given]) as server:
        agent = RawAgent(server)
        server.conversation().say("hi")
        assert agent.task()["availableSkills"] == [told]
        agent.close()
        (installed,) = client_of(server).skills.installed()
        assert installed.items() >= told.items()
        assert isinstance(installed["installedAt"], str)


def test_a_platform_skill_without_a_slug_is_refused() -> None:
    with pytest.raises(ValueError, match="platform_skills"):
        LocalServer(platform_skills=[{"name": "Draw"}])
