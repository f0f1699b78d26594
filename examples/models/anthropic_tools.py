"""A model of Anthropic that may call a tool. Needs ANTHROPIC_API_KEY, and pip install anthropic."""

from datetime import datetime, timezone

import anthropic

from arinova_agent_sync import ArinovaAgent, Task, interruptible

client = interruptible(anthropic.Anthropic(timeout=60))
agent = ArinovaAgent(error_text="Something went wrong. Please try again.", keep_partial=True)

TOOLS = [{"name": "now", "input_schema": {"type": "object", "properties": {}}}]


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="minutes")


@agent.on_task
def handle(task: Task):
    messages = task.messages(limit=20, attachments="anthropic")
    while True:
        with client.messages.stream(
            model="claude-sonnet-5-5", max_tokens=1024, messages=messages, tools=TOOLS
        ) as stream:
            yield from stream.text_stream
            answer = stream.get_final_message()
        if answer.stop_reason != "tool_use":
            return
        results = []
        for asked in [block for block in answer.content if block.type == "tool_use"]:
            with task.tool_call(asked.name, asked.input) as call:
                call.output = now()
            results.append({"type": "tool_result", "tool_use_id": asked.id, "content": call.output})
        messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]


if __name__ == "__main__":
    agent.run()
