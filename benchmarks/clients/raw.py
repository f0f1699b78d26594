"""The limit: frames made beforehand, one `sendall` each, or several in one."""

from __future__ import annotations

import json
import os
import socket
import time
from itertools import cycle, islice

from scenario import Scenario

scenario = Scenario.load()
TASK_ID = "00000000-0000-4000-8000-000000000000"


def frame(message: dict) -> bytes:
    """Return a masked text frame."""
    payload = json.dumps(message).encode()
    size = len(payload)
    if size < 126:
        header = bytes((0x81, 0x80 | size))
    elif size < 65_536:
        header = bytes((0x81, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        header = bytes((0x81, 0x80 | 127)) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    key = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return header + mask + masked


frames = [frame({"type": "agent_chunk", "taskId": TASK_ID, "chunk": text}) for text in scenario.texts]
together = scenario.together
frames = [b"".join(frames[at : at + together]) for at in range(0, len(frames), together)]
end = frame({"type": "agent_complete", "taskId": TASK_ID, "content": ""})

host, port = scenario.url.removeprefix("ws://").split(":")
peer = socket.create_connection((host, int(port)))
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
peer.sendall(
    b"GET /ws/agent HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
peer.recv(65_536)
peer.sendall(frame({"type": "agent_auth", "botToken": scenario.token}))
while b'"task"' not in peer.recv(65_536):
    pass
sendall = peer.sendall
for piece in islice(cycle(frames), scenario.chunks // together):
    sendall(piece)
time.sleep(scenario.pause)
sendall(end)
peer.recv(65_536)
