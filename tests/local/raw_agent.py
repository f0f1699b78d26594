"""An agent without an SDK: one WebSocket, frames by hand. For one thread."""

from __future__ import annotations

import json
import ssl
import struct
from typing import Any, Protocol

import websocket

from arinova_agent_sync.local import AgentAccount, LocalServer


class Served(Protocol):
    """A server that is not ours; the token has to be given."""

    @property
    def url(self) -> str: ...


class RawAgent:
    """Speak the protocol in plain steps; every wait has a deadline."""

    def __init__(
        self,
        server: LocalServer | Served,
        account: AgentAccount | None = None,
        *,
        token: str | None = None,
        auth: bool = True,
        timeout: float = 5.0,
        ssl_context: ssl.SSLContext | None = None,
        **fields: Any,
    ) -> None:
        self.socket = websocket.create_connection(
            server.url.replace("http", "ws", 1) + "/ws/agent",
            timeout=timeout,
            sslopt=None if ssl_context is None else {"context": ssl_context},
        )
        if token is None:
            assert isinstance(server, LocalServer)
            token = (account or server.agent).token
        self.token = token
        self.welcome: dict[str, Any] = {}
        if auth:
            self.authenticate(**fields)
            self.welcome = self.receive()
            assert self.welcome["type"] == "auth_ok", self.welcome

    def authenticate(self, **fields: Any) -> None:
        self.send("agent_auth", botToken=self.token, **fields)

    def send(self, type: str, **fields: Any) -> None:
        self.text(json.dumps({"type": type, **fields}))

    def text(self, text: str) -> None:
        self.socket.send(text)

    def receive(self) -> dict[str, Any]:
        frame = json.loads(self.socket.recv())
        assert isinstance(frame, dict)
        return frame

    def task(self) -> dict[str, Any]:
        """Return the next frame, which must be a task."""
        frame = self.receive()
        assert frame["type"] == "task", frame
        return frame

    def chunk(self, task: dict[str, Any], text: str) -> None:
        self.send("agent_chunk", taskId=task["taskId"], chunk=text)

    def complete(self, task: dict[str, Any], content: str = "", **fields: Any) -> None:
        self.send("agent_complete", taskId=task["taskId"], content=content, **fields)

    def error(self, task: dict[str, Any], error: str, **fields: Any) -> None:
        self.send("agent_error", taskId=task["taskId"], error=error, **fields)

    def answer(self, text: str) -> dict[str, Any]:
        """Complete the next task."""
        task = self.task()
        self.complete(task, text)
        return task

    def synchronise(self) -> list[dict[str, Any]]:
        """Return what came before the answer to a ping: the server has read everything by then."""
        self.send("ping")
        frames = []
        while (frame := self.receive())["type"] != "pong":
            frames.append(frame)
        return frames

    def ending(self) -> tuple[list[dict[str, Any]], int | None]:
        """Return the frames up to the end of the connection, and the close code if a Close frame came."""
        frames: list[dict[str, Any]] = []
        while True:
            try:
                opcode, data = self.socket.recv_data(control_frame=True)
            except (websocket.WebSocketConnectionClosedException, ConnectionError):
                return frames, None
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return frames, struct.unpack("!H", data[:2])[0]
            if opcode == websocket.ABNF.OPCODE_TEXT:
                frames.append(json.loads(data))

    def close(self) -> None:
        """End TCP without a word, as a killed process does."""
        self.socket.shutdown()
