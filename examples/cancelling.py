"""Blocking work that ends when the user presses stop.

No Python thread can be interrupted from outside while it blocks, so the work itself is told to end: here a child
process is killed.
"""

import subprocess
import sys

from arinova_agent_sync import ArinovaAgent, Task, TaskCancelled

SLOW_WORK = "import time\nfor step in range(600):\n    print('step', step, flush=True)\n    time.sleep(1)"

agent = ArinovaAgent()


@agent.on_task
def work(task: Task) -> None:
    with subprocess.Popen([sys.executable, "-c", SLOW_WORK], stdout=subprocess.PIPE, text=True) as process:
        task.on_cancel(process.kill)  # runs on another thread, and so wakes the read below
        assert process.stdout is not None
        try:
            for line in process.stdout:
                task.send_chunk(line)  # raises TaskCancelled once the user has pressed stop
            task.raise_if_cancelled()
        except TaskCancelled:
            print("stopped by the user", flush=True)
            raise  # always let it pass: it ends the handler quietly
        finally:
            process.kill()
    task.send_complete()


agent.run()
