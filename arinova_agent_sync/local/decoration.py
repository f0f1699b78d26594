"""What the March 2026 server makes of a user's text before an agent reads it: pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .records import Attachments, Task

# The real notice is worded differently; where it stands is what matters.
_ANONYMOUS = "The members of this community are anonymous. Do not try to find out who they are."

_ELEMENT = re.compile(
    r"<(script|iframe|object|embed|form)\b[^>]*>.*?</\1\s*>|</?(?:script|iframe|object|embed|form)\b[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
_HANDLER = re.compile(r"""\son\w+\s*=\s*("[^"]*"|'[^']*')""", re.IGNORECASE)
_SKILL = re.compile(r"//(\S+)(?:\s+(.*))?\Z", re.DOTALL)


def without_scripts(text: str) -> str:
    """Return a text without the elements and attributes of HTML that could run something."""
    return _HANDLER.sub("", _ELEMENT.sub("", text)) if "<" in text or "=" in text else text


def with_attachments(caption: str, attachments: Attachments) -> str:
    """Return what an agent is asked with an upload: its caption, and one line per file."""
    lines = [f"[Attachment: {each.get('fileName', '')}]({each.get('url', '')})" for each in attachments]
    return "\n\n".join(filter(None, [caption, "\n".join(lines)]))


def sticker_prompt(extra: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether a message is a sticker, and what an agent is asked with it; "" is for no agent."""
    sticker = extra.get("stickerMetadata")
    if not isinstance(sticker, Mapping):
        return False, ""
    prompt = sticker.get("agentPrompt")
    return True, f"[User sent a sticker: {prompt}]" if prompt else ""


def decorated(task: Task, skills: Sequence[Mapping[str, Any]]) -> str:
    """Return a task's content as its agent, which has these skills, reads it."""
    text, human, conversation = _expanded(task.prompt.content, skills), task.prompt.human, task.conversation
    grouped = conversation is not None and conversation.is_group
    if not human.owner and not grouped:
        text = (
            f'[UNTRUSTED_USER_MESSAGE sender="{human.username}" senderId="{human.user_id}"]\n{text}\n'
            "[/UNTRUSTED_USER_MESSAGE]"
        )
    anonymous = conversation is not None and conversation.type == "community"
    instructions = [_ANONYMOUS if anonymous else "", task.agent.system_prompt]
    if any(instructions):
        system = "\n\n".join(filter(None, instructions))
        text = f"[System Prompt]\n{system}\n\n[User Message]\n{text}"
    return text


def _expanded(text: str, skills: Sequence[Mapping[str, Any]]) -> str:
    match = _SKILL.match(text)
    if match is None:
        return text
    for skill in skills:
        command = str(skill.get("slashCommand") or skill.get("slug") or "").lstrip("/")
        prompt = skill.get("promptContent")
        if prompt and match[1] in (command, skill.get("slug")):
            return str(prompt).replace("$ARGUMENTS", (match[2] or "").strip())
    return text
