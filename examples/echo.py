"""The smallest agent: it returns the answer.

Set ARINOVA_SERVER_URL and ARINOVA_BOT_TOKEN, run this, say something to the agent. Ctrl-C ends it.
"""

from arinova_agent_sync import ArinovaAgent, Task

agent = ArinovaAgent()  # takes server and token from the environment


@agent.on_task
def handle(task: Task) -> str:
    return f"You said: {task.content}"


@agent.on_connected
def connected() -> None:
    print(f"{agent.agent_name} is connected. Ctrl-C ends it.", flush=True)


agent.run()
