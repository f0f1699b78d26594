"""The agent that is there when none is named: it shows what the playground can do. No language model in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..agent import ArinovaAgent
from ..attachments import Attachment
from ..handlers import Reply
from ..settings import Skill
from ..task import Task

SKILLS = (
    Skill("tour", "Tour", "Show Markdown: headings, lists, a table, code, a quotation"),
    Skill("code", "Code", "Answer with a block of code"),
    Skill("count", "Count", "Count to a number, such as /count 50; press Stop on the way"),
    Skill("flood", "Flood", "Stream many chunks as fast as they go, such as /flood 10000"),
    Skill("recall", "Recall", "Tell what the server sent along as history"),
    Skill("unsafe", "Unsafe", "Answer with a script, a remote picture and odd links"),
    Skill("fail", "Fail", "Raise an error in the handler"),
)
_MOST_COUNTED = 10_000
_MOST_CHUNKS = 100_000
_SHOWN_LINES = 8
_READ_BYTES = 256 * 1024

TOUR = """\
## What you can see here

The answer arrives **piece by piece**, as a language model would give it, and is rendered as *Markdown* while
it grows. Inline `code`, [links](https://example.com) and ~~mistakes~~ work as well.

1. Write a message and press **Enter**.
2. Press **Esc** to stop an answer.
3. Open the panel to watch every frame.

| Part     | What it shows                | Updated  |
|----------|------------------------------|----------|
| Frames   | all that crosses the socket  | at once  |
| Timeline | how long each task took      | per task |
| Agent    | counters, state, errors      | 1 s      |
| Faults   | what you broke on purpose    | at once  |

> A connection that was never broken has not been tested.

Water is H<sub>2</sub>O, and $e^{i\\pi} + 1 = 0$.

$$\\sum_{n=1}^\\infty \\frac{1}{n^2} = \\frac{\\pi^2}{6}$$

<details>
<summary>What else?</summary>

More **Markdown** in here.

</details>

"""
CODE = """\
Here is the whole agent that would echo you:

```python
from arinova_agent_sync import ArinovaAgent

agent = ArinovaAgent()


@agent.on_task
def handle(task):
    for word in task.content.split():
        yield word + " "  # every yield is a chunk


if __name__ == "__main__":
    agent.run()
```

Save it as `my_agent.py` and start `arinova-agent playground my_agent.py --reload`.
"""
UNSAFE = """\
A script: <script>document.title = "broken into"</script>

A picture with a handler: <img src=x onerror="document.title = 'broken into'">

A remote picture: ![a remote picture](https://example.com/picture.png)

A [link that is a script](javascript:alert(1)) and [one that is none](https://example.com).
"""


def make_agent(
    server_url: str | None = None, bot_token: str | None = None, *, pause: float = 0.03
) -> ArinovaAgent:
    """Return the sample agent, not connected yet.

    Args:
        server_url: where to connect; the environment's by default.
        bot_token: with which token; the environment's by default.
        pause: seconds between two words.
    """
    agent = ArinovaAgent(
        server_url=server_url,
        bot_token=bot_token,
        skills=SKILLS,
        shutdown_timeout=2.0,
        reconnect_interval=1.0,
        ping_interval=5.0,
    )

    def speak(task: Task, text: str) -> Iterator[str]:
        for word in re.findall(r"\s*\S+\s*$|\s*\S+", text):
            yield word
            task.cancelled.wait(pause)  # like time.sleep(), but a stop ends it at once

    @agent.on_task
    def talk(task: Task) -> Iterator[str] | Reply | None:
        if not task.content or _is_for_others(task, agent.agent_name):
            # Two agents that answer each other never end.
            task.dismiss()
            return None
        if _is_of_agent(task):
            return speak(task, answer(task))
        mentions = _asked_for(task, agent.agent_name)
        if mentions:
            names = " and ".join(f"@{name}" for name, _ in mentions)
            text = f"{names}, what do you think of this? “{_quoted(task.content)}”"
            return Reply(text, mentions=[agent_id for _, agent_id in mentions])
        return speak(task, answer(task))

    @agent.on_command("tour")
    def tour(task: Task) -> Iterator[str]:
        return speak(task, TOUR + CODE)

    @agent.on_command("code")
    def code(task: Task) -> Iterator[str]:
        return speak(task, CODE)

    @agent.on_command("count")
    def count(task: Task) -> Iterator[str]:
        return speak(task, " ".join(map(str, range(1, _number(task, 20, _MOST_COUNTED) + 1))))

    @agent.on_command("flood")
    def flood(task: Task) -> Iterator[str]:
        for number in range(1, _number(task, 10_000, _MOST_CHUNKS) + 1):
            yield f"{number}\n\n" if number % 50 == 0 else f"{number} "

    @agent.on_command("recall")
    def recall(task: Task) -> Iterator[str]:
        lines = [f"- **{message.role}**: {_quoted(message.content)}" for message in task.history]
        return speak(task, "The server sent this along:\n\n" + "\n".join(lines))

    @agent.on_command("unsafe")
    def unsafe(task: Task) -> str:  # noqa: ARG001
        return UNSAFE

    @agent.on_command("fail")
    def fail(task: Task) -> str:  # noqa: ARG001
        raise RuntimeError("This handler was told to fail.")

    return agent


def answer(task: Task) -> str:
    """Return what the sample agent has to say to a message."""
    if task.attachments:
        return "\n\n".join(_described(attachment) for attachment in task.attachments)
    text = f"You said: “{_quoted(task.content)}”"
    if task.reply_to is not None:
        text += f", and it was about “{_quoted(task.reply_to.content)}”"
    if len(task.history) > 1:
        return f"{text}. I do not know more than that; try **/tour** or **/count 50**."
    return (
        f"**Hello!** {text}.\n\nI am the sample agent of the playground, with no language model in me. "
        "Try `/tour` for Markdown, `/count 50` to have something to stop, or send me a file. "
        "Then start your own: `arinova-agent playground my_agent.py`."
    )


def _described(attachment: Attachment) -> str:
    about = f"**{attachment.file_name}** ({attachment.file_type}, {attachment.file_size:,} bytes)"
    if not attachment.file_type.startswith("text/"):
        return f"I received {about}."
    lines = attachment.read(max_bytes=_READ_BYTES).decode("utf-8", "replace").splitlines()
    first = "\n".join(lines[:_SHOWN_LINES]).replace("```", "'''")
    return f"I received {about}, {len(lines)} lines. It begins so:\n\n```\n{first}\n```"


def _is_of_agent(task: Task) -> bool:
    """Return whether another agent of the group said this: the March 2026 server then quotes it in replyTo, too."""
    quoted = task.reply_to
    return (
        quoted is not None
        and quoted.sender_agent_name is not None
        and task.content.startswith(quoted.content)
    )


def _is_for_others(task: Task, own_name: str | None) -> bool:
    asked, _, _ = task.content.partition(",")  # behind the comma others are quoted
    return _is_of_agent(task) and f"@{own_name}".casefold() not in asked.casefold()


def _asked_for(task: Task, own_name: str | None) -> list[tuple[str, str]]:
    """Return the other agents that a user wants to be asked: "ask Otto"."""
    asked = {name.casefold() for name in re.findall(r"\bask @?(\w+)", task.content, re.IGNORECASE)}
    return [
        (member.agent_name, member.agent_id)
        for member in task.members
        if member.agent_name.casefold() in asked and member.agent_name != own_name
    ]


def _number(task: Task, default: int, most: int) -> int:
    text = task.arguments or ""
    return min(max(1, int(text)), most) if text.isdecimal() and len(text) < 12 else default


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79] + "…"
