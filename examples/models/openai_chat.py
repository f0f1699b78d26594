"""A model of OpenAI, by chat completions. Needs OPENAI_API_KEY, and pip install openai."""

import openai

from arinova_agent_sync import ArinovaAgent, Task, interruptible

client = interruptible(openai.OpenAI(timeout=60))
agent = ArinovaAgent(error_text="Something went wrong. Please try again.", keep_partial=True)


@agent.on_task
def handle(task: Task):
    events = client.chat.completions.create(
        model="gpt-4o-mini", messages=task.messages(system="Be brief.", attachments="openai"), stream=True
    )
    for event in events:
        if event.choices and event.choices[0].delta.content:
            yield event.choices[0].delta.content


if __name__ == "__main__":
    agent.run()
