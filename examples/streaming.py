"""A generator: what it yields appears at once, and its end completes the answer.

Send the agent a number, such as 1000, and it lists the primes up to it.
"""

import re
from collections.abc import Iterator

from arinova_agent_sync import ArinovaAgent, Task

agent = ArinovaAgent()


@agent.on_task
def list_primes(task: Task) -> Iterator[str]:
    limit = re.search(r"\d+", task.content)
    if limit is None:
        yield "Send me a number and I list the primes up to it."
        return
    for number in range(2, int(limit[0]) + 1):
        if all(number % divisor for divisor in range(2, int(number**0.5) + 1)):
            yield f"{number} "


agent.run()
