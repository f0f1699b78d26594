"""A model of Anthropic. Needs ANTHROPIC_API_KEY, and pip install anthropic."""

import anthropic

from arinova_agent_sync import ArinovaAgent, Task, interruptible

client = interruptible(anthropic.Anthropic(timeout=60))
agent = ArinovaAgent(error_text="Something went wrong. Please try again.", keep_partial=True)


@agent.on_task
def handle(task: Task):
    with client.messages.stream(
        model="claude-sonnet-5-5",
        max_tokens=1024,
        system="Be brief.",
        messages=task.messages(attachments="anthropic"),
    ) as stream:
        yield from stream.text_stream


if __name__ == "__main__":
    agent.run()
