"""In a group: hand a question on to another agent by mentioning it.

"ask Bob what is for lunch" makes this agent say "@Bob what is for lunch?", and Bob is given that as a task.
"""

from arinova_agent_sync import ArinovaAgent, Reply, Task

agent = ArinovaAgent()


@agent.on_task
def handle(task: Task) -> Reply | str | None:
    if not task.content:
        # After every answer in a group the server asks the others whether they want to add something.
        task.dismiss()
        return None
    verb, _, rest = task.content.partition(" ")
    name, _, question = rest.partition(" ")
    if verb.casefold() != "ask" or not question:
        return f"Here are {', '.join(member.agent_name for member in task.members)}. Say: ask NAME QUESTION"
    try:
        asked = task.mention(name)
    except LookupError as error:
        return str(error)
    return Reply(f"@{name} {question}?", mentions=[asked])


agent.run()
