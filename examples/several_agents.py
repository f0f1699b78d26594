"""Several agents in one process, each with its own token. Ctrl-C ends them all.

The second agent's token is taken from ARINOVA_SECOND_BOT_TOKEN.
"""

import os

from arinova_agent_sync import ArinovaAgent, Task, run

loud = ArinovaAgent()
quiet = ArinovaAgent(bot_token=os.environ["ARINOVA_SECOND_BOT_TOKEN"])


@loud.on_task
def shout(task: Task) -> str:
    return task.content.upper()


@quiet.on_task
def whisper(task: Task) -> str:
    return task.content.lower()


run(loud, quiet)
