"""Slash commands: users see the skills in their client, and each one has a handler of its own.

Try /roll 2d6 and /flip.
"""

import random
import re

from arinova_agent_sync import ArinovaAgent, Skill, Task

agent = ArinovaAgent(
    skills=[
        Skill("roll", "Roll dice", "Roll some dice, such as /roll 2d6"),
        Skill("flip", "Flip a coin", "Heads or tails"),
    ]
)


@agent.on_command("roll")
def roll(task: Task) -> str:
    match = re.fullmatch(r"([1-9]\d?)d([1-9]\d{0,2})", task.arguments or "1d6")
    if match is None:
        return f"{task.arguments!r} are no dice. Write /roll 2d6 for two dice with six sides."
    dice = [random.randint(1, int(match[2])) for _ in range(int(match[1]))]
    return f"{' + '.join(map(str, dice))} = {sum(dice)}"


@agent.on_command("flip")
def flip(_task: Task) -> str:
    return random.choice(["Heads", "Tails"])


@agent.on_task
def anything_else(task: Task) -> str:
    return f"{task.content!r} is new to me. I know /roll 2d6 and /flip."


agent.run()
