"""An agent beside other work: it answers in the background while the main thread goes on.

The main thread counts here; in your program it may be a window, a web application or a measurement.
"""

import time

from arinova_agent_sync import ArinovaAgent, Task

agent = ArinovaAgent()
counted = 0


@agent.on_task
def report(_task: Task) -> str:
    return f"The main thread has counted to {counted}."


with agent:  # connects; disconnects at the end
    print("connected", flush=True)
    try:
        while True:
            counted += 1
            time.sleep(0.1)
    except KeyboardInterrupt:
        print("ended", flush=True)
