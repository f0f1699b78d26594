"""A model of OpenAI that may call a tool. Needs OPENAI_API_KEY, and pip install openai."""

import json
from datetime import datetime, timezone

import openai

from arinova_agent_sync import ArinovaAgent, Task, interruptible

client = interruptible(openai.OpenAI(timeout=60))
agent = ArinovaAgent(error_text="Something went wrong. Please try again.", keep_partial=True)

NOTHING = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
TOOLS = [{"type": "function", "function": {"name": "now", "strict": True, "parameters": NOTHING}}]


@agent.on_task
def handle(task: Task):
    messages = task.messages(system="Be brief.", limit=20)
    while True:
        with client.chat.completions.stream(model="gpt-4o-mini", messages=messages, tools=TOOLS) as stream:
            for event in stream:
                if event.type == "content.delta":
                    yield event.delta
            answer = stream.get_final_completion().choices[0].message
        if not answer.tool_calls:
            return
        messages.append(answer.model_dump(exclude_none=True))
        for asked in answer.tool_calls:
            with task.tool_call(asked.function.name, json.loads(asked.function.arguments or "{}")) as call:
                call.output = datetime.now(timezone.utc).isoformat(timespec="minutes")
            messages.append({"role": "tool", "tool_call_id": asked.id, "content": call.output})


if __name__ == "__main__":
    agent.run()
