"""A model of OpenAI by LiteLLM. Needs OPENAI_API_KEY, and pip install litellm.

The models of others take their client as an argument, for a stop to reach them: see docs/stopping.md.
"""

import httpx
import litellm

from arinova_agent_sync import ArinovaAgent, Task, interruptible

litellm.client_session = interruptible(httpx.Client())
agent = ArinovaAgent(error_text="Something went wrong. Please try again.", keep_partial=True)


@agent.on_task
def handle(task: Task):
    events = litellm.completion(
        model="openai/gpt-4o-mini", messages=task.messages(system="Be brief."), stream=True, timeout=60
    )
    for event in events:
        yield event.choices[0].delta.content


if __name__ == "__main__":
    agent.run()
