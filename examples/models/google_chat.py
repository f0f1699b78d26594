"""A model of Google. Needs GEMINI_API_KEY, and pip install google-genai."""

from google import genai

from arinova_agent_sync import ArinovaAgent, Task, interruptible

client = interruptible(genai.Client(http_options={"timeout": 60_000}))  # milliseconds
agent = ArinovaAgent(error_text="Something went wrong. Please try again.", keep_partial=True)


@agent.on_task
def handle(task: Task):
    contents = [
        {
            "role": "model" if message["role"] == "assistant" else "user",
            "parts": [{"text": message["content"]}],
        }
        for message in task.messages()
    ]
    for chunk in client.models.generate_content_stream(model="gemini-2.5-flash", contents=contents):
        yield chunk.text


if __name__ == "__main__":
    agent.run()
