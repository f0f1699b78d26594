"""What the server makes of a user's text before an agent reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.local.decoration import (
    decorated,
    sticker_prompt,
    with_attachments,
    without_scripts,
)
from arinova_agent_sync.local.records import AgentAccount, Conversation, ConversationType, Prompt, Task, User

from .raw_agent import RawAgent

OWNER = User("u1", "owner", owner=True)
BOB = User("u2", "bob")
SKILLS = [
    {"slug": "translate", "slashCommand": "/tr", "promptContent": "Into English: $ARGUMENTS!"},
    {"slug": "nothing", "promptContent": ""},
]


@pytest.mark.parametrize(
    ("typed", "saved"),
    [
        ("a < b = c", "a < b = c"),
        ("a<script>alert(1)</script>b", "ab"),
        ("a<SCRIPT src=x>\nalert(1)\n</script >b", "ab"),
        ("<iframe src=x></iframe><object></object><embed src=x><form>x</form>", ""),
        ('<b onclick="x()">hi</b>', "<b>hi</b>"),
        ("<script>only", "only"),
        ("the description of a formula", "the description of a formula"),
    ],
)
def test_scripts_are_cut_out(typed: str, saved: str) -> None:
    assert without_scripts(typed) == saved


@pytest.mark.parametrize(
    ("caption", "files", "asked"),
    [
        ("look", [], "look"),
        ("look", [("a.png", "/a")], "look\n\n[Attachment: a.png](/a)"),
        ("", [("a.png", "/a"), ("b", "/b")], "[Attachment: a.png](/a)\n[Attachment: b](/b)"),
    ],
)
def test_uploads_are_lines(caption: str, files: list[tuple[str, str]], asked: str) -> None:
    assert with_attachments(caption, [{"fileName": name, "url": url} for name, url in files]) == asked


@pytest.mark.parametrize(
    ("extra", "asked"),
    [
        ({}, (False, "")),
        ({"stickerMetadata": {"type": "sticker"}}, (True, "")),
        ({"stickerMetadata": {"agentPrompt": "a wave"}}, (True, "[User sent a sticker: a wave]")),
    ],
)
def test_stickers(extra: dict[str, Any], asked: tuple[bool, str]) -> None:
    assert sticker_prompt(extra) == asked


def read(text: str, human: User = OWNER, type: ConversationType = "h2a", system: str = "") -> str:
    agent = AgentAccount("a", "A", "t", system_prompt=system)
    task = Task("t", agent, Conversation("c", type, (agent,)), Prompt(text, human), 0.0)
    return decorated(task, SKILLS)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("hi", "hi"),
        ("//tr guten Tag ", "Into English: guten Tag!"),
        ("//translate", "Into English: !"),
        ("//unknown x", "//unknown x"),
        ("//nothing x", "//nothing x"),
        ("/tr x", "/tr x"),
    ],
)
def test_skills_become_their_prompts(text: str, content: str) -> None:
    assert read(text) == content


def test_others_than_the_owner_are_not_trusted_in_a_chat_of_two() -> None:
    marked = '[UNTRUSTED_USER_MESSAGE sender="bob" senderId="u2"]\nhi\n[/UNTRUSTED_USER_MESSAGE]'
    assert read("hi", BOB) == marked
    assert read("hi", BOB, "group") == "hi"
    assert read("hi", BOB, system="Be kind.") == f"[System Prompt]\nBe kind.\n\n[User Message]\n{marked}"


def test_a_community_tells_that_its_members_are_anonymous_before_all_else() -> None:
    notice, _, rest = read("hi", type="community", system="Be kind.").partition("\n\nBe kind.\n\n")
    assert notice.startswith("[System Prompt]\n") and "anonymous" in notice
    assert rest == "[User Message]\nhi"
    assert read("hi", type="community").endswith("\n\n[User Message]\nhi")


def test_the_server_decorates_what_agents_get_and_keeps_what_was_typed(
    server: LocalServer, connect: Callable[..., RawAgent]
) -> None:
    account = server.add_agent("Kind", system_prompt="Be kind.")
    server.owner.install_skill("shout", "Say $ARGUMENTS loudly", agent=account)
    agent = connect(account)
    place = server.conversation(account)
    place.say("//shout hello", wait_for_agent=0)
    task = agent.answer("HELLO")
    assert task["content"] == "[System Prompt]\nBe kind.\n\n[User Message]\nSay hello loudly"
    assert task["history"][-1]["content"] == "//shout hello"
    assert set(task["availableSkills"][0]) == {"slug", "name", "slashCommand", "description"}
    assert place.say("", wait_for_agent=0).status == "ignored"
    assert place.say("", extra={"stickerMetadata": {}}, wait_for_agent=0).status == "ignored"
    assert len(place.replies) == 1
