"""A model by LangChain. Needs OPENAI_API_KEY, and pip install langchain-openai."""

from langchain_openai import ChatOpenAI

from arinova_agent_sync import ArinovaAgent, Task, interruptible

model = interruptible(ChatOpenAI(model="gpt-4o-mini", timeout=60))
agent = ArinovaAgent(error_text="Something went wrong. Please try again.", keep_partial=True)


@agent.on_task
def handle(task: Task):
    for chunk in model.stream(task.messages(system="Be brief.")):
        yield str(chunk.content)


if __name__ == "__main__":
    agent.run()
