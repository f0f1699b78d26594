"""The limit: frames made beforehand, one `sendall` each, or several in one."""

from __future__ import annotations

import time
from itertools import cycle, islice

from plain_socket import connect, frame
from scenario import Scenario

scenario = Scenario.load()
TASK_ID = "00000000-0000-4000-8000-000000000000"

frames = [frame({"type": "agent_chunk", "taskId": TASK_ID, "chunk": text}) for text in scenario.texts]
together = scenario.together
frames = [b"".join(frames[at : at + together]) for at in range(0, len(frames), together)]
end = frame({"type": "agent_complete", "taskId": TASK_ID, "content": ""})

peer = connect(scenario.url, scenario.token)
while b'"task"' not in peer.recv(65_536):
    pass
sendall = peer.sendall
for piece in islice(cycle(frames), scenario.chunks // together):
    sendall(piece)
time.sleep(scenario.pause)
sendall(end)
peer.recv(65_536)
