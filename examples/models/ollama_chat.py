"""A model on this machine. Needs Ollama, and pip install ollama."""

import ollama

from arinova_agent_sync import ArinovaAgent, Task, interruptible

client = interruptible(ollama.Client(timeout=60))
agent = ArinovaAgent(error_text="Something went wrong. Please try again.", keep_partial=True)


@agent.on_task
def handle(task: Task):
    for part in client.chat(model="llama3.2", messages=task.messages(system="Be brief."), stream=True):
        yield part.message.content


if __name__ == "__main__":
    agent.run()
