"""Count the package's own calls on the two ways that matter: ``python -m benchmarks.calls``.

A task's frame on its way to the first line of its handler, and the text of ``send_chunk`` on its way to the socket.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType

import arinova_agent_sync
from arinova_agent_sync import ArinovaAgent, Task
from arinova_agent_sync.local import LocalServer

_PACKAGE = str(Path(arinova_agent_sync.__file__).parent)
_OTHERS = (f"{_PACKAGE}/local/", f"{_PACKAGE}/testing/")  # the server runs in this process, too
_WARM_UP = 20  # tasks: what is made once shall not count


class Counter:
    """Notes the package's calls of all threads, in order."""

    def __init__(self) -> None:
        self.calls: list[CodeType] = []
        self.counts = False

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and self.counts:
            name = frame.f_code.co_filename
            if name.startswith(_PACKAGE) and not name.startswith(_OTHERS):
                self.calls.append(frame.f_code)

    def show(self, title: str, begin: str, end: str) -> None:
        """Print the calls from the first of one name to the first of another."""
        names = [code.co_qualname if sys.version_info >= (3, 11) else code.co_name for code in self.calls]
        first = next(place for place, name in enumerate(names) if name.endswith(begin))
        last = next(
            (place for place, name in enumerate(names) if name.endswith(end) and place > first), len(names)
        )
        calls = self.calls[first:last]
        print(f"{title}: {len(calls)} calls in {len({code.co_filename for code in calls})} files")
        for code, name in zip(calls, names[first:last], strict=True):
            print(f"    {Path(code.co_filename).relative_to(_PACKAGE)!s:32} {name}")


def main() -> None:
    """Count and print."""
    counter, ended = Counter(), threading.Event()
    threading.setprofile(counter)
    with LocalServer(duplicate_window=0) as server:
        agent = ArinovaAgent(server_url=server.url, bot_token=server.bot_token)

        @agent.on_task
        def handle(task: Task) -> Iterator[str]:
            counter.counts = False
            arrived = counter.calls
            if task.content == "last":
                counter.calls = []
                counter.counts = True
                task.send_chunk("hello")
                counter.counts = False
                sent, counter.calls = counter.calls, arrived
                counter.show("A task's frame to its handler", "", "never")
                counter.calls = sent
                counter.show("A chunk's text to the socket", "", "never")
                ended.set()
            yield "done"

        with agent:
            conversation = server.conversation()
            for number in range(_WARM_UP):
                conversation.say(f"{number}").wait()
            counter.calls = []
            counter.counts = True
            conversation.say("last")
            assert ended.wait(10)


if __name__ == "__main__":
    main()
