"""Polly, the agent of the demo: a parrot. All her wits are in this file; none of them is a language model."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..agent import ArinovaAgent
from ..settings import Skill
from ..task import Task

NAME = "Polly"
SKILLS = (
    Skill("count", "Count", "Count to a number, such as /count 50"),
    Skill("recall", "Recall", "Tell what was said before"),
)
_MOST = 1_000
_LONGEST_QUOTE = 60  # characters


def make_agent(server_url: str, bot_token: str, pause: float) -> ArinovaAgent:
    """Return Polly, not connected yet; she makes a pause of so many seconds after each word."""
    agent = ArinovaAgent(server_url=server_url, bot_token=bot_token, skills=SKILLS, shutdown_timeout=2.0)

    def speak(task: Task, text: str) -> Iterator[str]:
        for word in re.findall(r"\s*\S+", text):
            yield word
            task.cancelled.wait(pause)  # like time.sleep(), but a stop ends it at once

    @agent.on_task
    def talk(task: Task) -> Iterator[str]:
        return speak(task, answer(task.content, first=len(task.messages()) == 1))

    @agent.on_command("count")
    def count(task: Task) -> Iterator[str]:
        number = task.arguments or "10"
        if not number.isdecimal() or not 0 < int(number) <= _MOST:
            return speak(task, f"Squawk! I can count from 1 to {_MOST}: /count 50")
        return speak(task, " ".join(map(str, range(1, int(number) + 1))))

    @agent.on_command("recall")
    def recall(task: Task) -> Iterator[str]:
        return speak(task, remembered(task.messages()[:-1]))

    return agent


def answer(text: str, first: bool) -> str:
    """Return what Polly has to say to a text."""
    words = text.split()
    longest = max((word.strip("?") for word in words), key=len, default="")
    if first:
        return (
            f"Squawk! {text} I am {NAME}, a parrot. There is no language model in me, just a page of Python, "
            "so do not expect much. Ask me anything, stop me while I /count 50, or see what I /recall."
        )
    if text.rstrip().endswith("?"):
        return (
            f"A language model would know. I am a parrot, and I know that your question has {len(words)} "
            f"words and that {longest!r} backwards is {longest[::-1]!r}."
        )
    return f"Squawk! {text} Squawk! Backwards: {text[::-1]}"


def remembered(messages: list[dict[str, str]]) -> str:
    """Return what was said before in one line each."""
    if not messages:
        return "Nothing yet. A server sends the last few messages with each task, and this is the first one."
    lines = ["The server sent me this along with your message, it is all I know:"]
    for message in messages:
        who = "you" if message["role"] == "user" else "I"
        said = " ".join(message["content"].split())
        if len(said) > _LONGEST_QUOTE:
            said = said[: _LONGEST_QUOTE - 1] + "…"
        lines.append(f"  {who} said: {said}")
    return "\n".join(lines)
