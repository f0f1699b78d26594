"""A model of OpenAI, by responses. Needs OPENAI_API_KEY, and pip install openai."""

import openai

from arinova_agent_sync import ArinovaAgent, Task, interruptible

client = interruptible(openai.OpenAI(timeout=60))
agent = ArinovaAgent(error_text="Something went wrong. Please try again.", keep_partial=True)


@agent.on_task
def handle(task: Task):
    events = client.responses.create(
        model="gpt-4o-mini", instructions="Be brief.", input=task.messages(), stream=True
    )
    for event in events:
        if event.type == "response.output_text.delta":
            yield event.delta


if __name__ == "__main__":
    agent.run()
