"""The truth server's sockets: the agents' WebSocket and the HTTP routes that a rescue uses, on one port."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from tests.runtime.fault_server import MAGIC, frame

from .truth import Refusal, Row, Truth, token

_CLOSE, _PING, _PONG = 8, 9, 10


@dataclass
class _Connection:
    number: int
    writer: asyncio.StreamWriter

    def send(self, message: Mapping[str, object]) -> None:
        if not self.writer.is_closing():
            self.writer.write(frame(json.dumps(message).encode()))


class TruthServer:
    """Serve agents 0 to count - 1 on loopback; all of it runs in one event loop.

    Args:
        truth: what is kept of everything that is said.
        count: how many agents there are.
        context: how to speak TLS; None for plain TCP.
    """

    def __init__(self, truth: Truth, count: int, context: ssl.SSLContext | None = None) -> None:
        self.truth = truth
        self.port = 0
        self._agents = {token(agent): agent for agent in range(count)}
        self._context = context
        self._current: dict[int, _Connection] = {}
        self._connections = 0
        self._refusals: defaultdict[int, list[dict[str, object]]] = defaultdict(list)
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more, and end all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def give_task(self, agent: int) -> None:
        """Send the agent its next task, if it is connected."""
        connection = self._current.get(agent)
        if connection is not None and not connection.writer.is_closing():
            connection.send(self.truth.new_task(agent, connection.number))

    def refuse_next(self, agent: int, answer: dict[str, object]) -> None:
        """Answer the agent's next authentication with this auth_error."""
        self._refusals[agent].append({"type": "auth_error", **answer})

    def close_with(self, agent: int, code: int) -> None:
        """End the agent's connection with a close frame."""
        connection = self._current.get(agent)
        if connection is not None and not connection.writer.is_closing():
            connection.writer.write(frame(code.to_bytes(2, "big") + b"chaos", _CLOSE))
            connection.writer.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, asyncio.IncompleteReadError):
            pass  # the peer is gone, or the proxy has cut it off
        except asyncio.CancelledError:
            pass  # the server ends
        finally:
            self._serving.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            request, *lines = head.decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            if "sec-websocket-key" in headers:
                writer.write(_upgrade(headers["sec-websocket-key"]))
                await self._serve_agent(reader, writer)
                return
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            status, answer = self._answer(request, headers, body)
            payload = json.dumps(answer).encode()
            lead = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n"
            writer.write(f"{lead}Content-Length: {len(payload)}\r\n\r\n".encode() + payload)

    # Agents

    async def _serve_agent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        connection = _Connection(self._connections, writer)
        agent: int | None = None
        frames = Frames()
        try:
            while data := await reader.read(65536):
                for opcode, payload in frames.feed(data):
                    if opcode == _CLOSE:
                        writer.write(frame(payload[:2], _CLOSE))
                        return
                    if opcode == _PING:
                        writer.write(frame(payload, _PONG))
                    elif opcode == 1:
                        message = json.loads(payload)
                        if agent is None:
                            agent = self._authenticate(connection, message)
                            if agent is None:
                                return
                        elif message.get("type") == "ping":
                            connection.send({"type": "pong"})
                        else:
                            self.truth.received(agent, connection.number, message)
        finally:
            if agent is not None:
                current = self._current.get(agent) is connection
                if current:
                    del self._current[agent]
                self.truth.disconnected(agent, connection.number, current=current)

    def _authenticate(self, connection: _Connection, message: Mapping[str, object]) -> int | None:
        agent = self._agents.get(str(message.get("botToken")))
        if message.get("type") != "agent_auth" or agent is None:
            connection.send({"type": "auth_error", "error": "Invalid bot token"})
            return None
        if self._refusals[agent]:
            connection.send(self._refusals[agent].pop(0))
            return None
        self._current[agent] = connection
        self.truth.connected(agent, connection.number)
        generation = {"agentId": f"{agent:08x}"} if self.truth.mood == "deltas" else {}
        connection.send({"type": "auth_ok", "agentName": f"agent {agent}", **generation})
        return agent

    # HTTP

    def _answer(self, request: str, headers: Mapping[str, str], body: bytes) -> tuple[int, object]:
        method, target, _ = request.split(" ")
        url = urlsplit(target)
        agent = self._agents.get(headers.get("authorization", "").removeprefix("Bearer "))
        if agent is None:
            return 401, {"error": "Invalid bot token"}
        try:
            if (method, url.path) == ("POST", "/api/v1/messages/send"):
                said = json.loads(body)
                key = headers.get("idempotency-key")
                row = self.truth.post(agent, said["conversationId"], said["content"], key)
                return 200, {"messageId": row.id, "seq": 1}
            if method == "GET" and url.path.startswith("/api/v1/messages/"):
                conversation = url.path.rpartition("/")[2]
                rows = self.truth.history(agent, conversation, dict(parse_qsl(url.query)))
                items = [_item(row) for row in rows if row.status != "deleted"]
                return 200, {"messages": items, "hasMore": False, "nextCursor": None}
        except Refusal as refusal:
            return refusal.status, {"error": str(refusal)}
        return 404, {"error": "Not found"}


class Frames:
    """Take a client's WebSocket frames out of its bytes."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield opcode and payload of each frame that is whole now."""
        self._data += data
        while (found := self._next()) is not None:
            opcode, payload, end = found
            self._data = self._data[end:]
            yield opcode, payload

    def _next(self) -> tuple[int, bytes, int] | None:
        data = self._data
        if len(data) < 2:
            return None
        size, begin = data[1] & 0x7F, 2
        if size > 125:
            begin = 4 if size == 126 else 10
            size = int.from_bytes(data[2:begin], "big")
        end = begin + 4 + size
        if len(data) < end:
            return None
        mask, masked = data[begin : begin + 4], data[begin + 4 : end]
        key = (mask * (size // 4 + 1))[:size]
        plain = int.from_bytes(masked, "big") ^ int.from_bytes(key, "big")
        return data[0] & 0x0F, plain.to_bytes(size, "big"), end


def _upgrade(key: str) -> bytes:
    accept = base64.b64encode(hashlib.sha1(key.encode() + MAGIC).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def _item(row: Row) -> dict[str, object]:
    return {
        "id": row.id,
        "conversationId": row.conversation,
        "role": "agent",
        "status": row.status,
        "content": row.content,
    }
