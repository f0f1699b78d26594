"""A model's provider on this machine: it streams in the providers' forms, and notes when a connection ends.

What it does stands in the first part of the path: ``think`` never answers, ``stall`` stops after three pieces,
``drip`` gives a piece every 20 ms, ``busy`` asks to be tried again in six seconds, ``swallow`` reads a large body
slowly, ``quick`` gives three pieces and ends, ``tools`` asks for a tool first, ``limited`` refuses for a limit,
``echo-5`` gives five tiny ones.
"""

from __future__ import annotations

import base64
import json
import select
import socket
import socketserver
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import trustme

AUTHORITY = trustme.CA()
LONGEST = 12.0  # seconds that a stream lasts

Event = tuple[str, float]


def text_of(number: int) -> str:
    return f"w{number} "


def piece(path: str, number: int) -> bytes:
    """Return one piece of a stream, in the form that the path's provider gives it."""
    text = text_of(number)
    if path.endswith("/chat/completions"):
        choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
        chunk = {
            "id": "x",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [choice],
        }
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"
    if path.endswith("/responses"):
        delta = {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0}
        return server_event("delta", {**delta, "sequence_number": number, "logprobs": [], "delta": text})
    if path.endswith("/messages"):
        delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        return (b"" if number else ANTHROPIC_START) + server_event("content_block_delta", delta)
    if path.endswith("/api/chat"):
        message = {"role": "assistant", "content": text}
        line = {"model": "m", "created_at": "2024-01-01T00:00:00Z", "message": message, "done": False}
        return json.dumps(line).encode() + b"\n"
    if "streamGenerateContent" in path:
        content = {"parts": [{"text": text}], "role": "model"}
        return b"data: " + json.dumps({"candidates": [{"content": content}]}).encode() + b"\r\n\r\n"
    if "invoke-with-response-stream" in path:
        return aws_event(json.dumps({"bytes": base64.b64encode(text.encode()).decode()}).encode())
    return text.encode() + b"\n"


LIMITED = b'{"error": {"message": "org-secret has reached its limit", "type": "rate_limit_error"}}'


def server_event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


ANTHROPIC_START = server_event(
    "message_start",
    {
        "type": "message_start",
        "message": {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": "m",
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    },
) + server_event(
    "content_block_start",
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
)


def anthropic_end(reason: str) -> bytes:
    delta = {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 3}}
    return (
        server_event("content_block_stop", {"type": "content_block_stop", "index": 0})
        + server_event("message_delta", {"type": "message_delta", **delta})
        + server_event("message_stop", {"type": "message_stop"})
    )


def tool_call(path: str) -> bytes:
    """Return a whole stream that asks for the tool "now"."""
    if path.endswith("/messages"):
        block = {"type": "tool_use", "id": "call1", "name": "now", "input": {}}
        start = json.dumps({"type": "text", "text": ""}).encode()
        return ANTHROPIC_START.replace(start, json.dumps(block).encode()) + anthropic_end("tool_use")
    asked = {"index": 0, "id": "call1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choice = {"index": 0, "delta": {"role": "assistant", "tool_calls": [asked]}, "finish_reason": None}
    last = {"index": 0, "delta": {}, "finish_reason": "tool_calls"}
    told = [json.dumps({**chunk, "choices": [each]}) for each in (choice, last)]
    return "".join(f"data: {each}\n\n" for each in [*told, "[DONE]"]).encode()


def aws_event(payload: bytes) -> bytes:
    names = ((":event-type", "chunk"), (":content-type", "application/json"), (":message-type", "event"))
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in names
    )
    start = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = start + struct.pack(">I", zlib.crc32(start)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def last_piece(path: str) -> bytes:
    if path.endswith("/chat/completions"):
        choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
        chunk = {
            "id": "x",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [choice],
        }
        return b"data: " + json.dumps(chunk).encode() + b"\n\ndata: [DONE]\n\n"
    if path.endswith("/messages"):
        return anthropic_end("end_turn")
    if path.endswith("/api/chat"):
        message = {"role": "assistant", "content": ""}
        line = {"model": "m", "created_at": "2024-01-01T00:00:00Z", "message": message, "done": True}
        return json.dumps(line).encode() + b"\n"
    return b""


class Handler(socketserver.BaseRequestHandler):
    """One connection."""

    server: Stub

    def handle(self) -> None:
        if self.server.context is not None:
            try:
                self.request = self.server.context.wrap_socket(self.request, server_side=True)
            except OSError:
                return
        self.server.note("open")
        try:
            with self.request, self.request.makefile("rb") as reader:
                while self.answer(reader):
                    pass
        except OSError:
            pass
        finally:
            self.server.note("end")

    def answer(self, reader) -> bool:
        request_line = reader.readline()
        if not request_line:
            return False
        headers = dict(
            line.decode("latin1").lower().strip().split(": ", 1) for line in iter(reader.readline, b"\r\n")
        )
        path = request_line.decode().split(" ")[1].split("?")[0]
        does = path.split("/")[1]
        if does == "swallow":
            self.server.note("request")
        self.read_body(reader, headers, slowly=does == "swallow")
        if does != "swallow":
            self.server.note("request")
        if does == "think":
            self.wait_for_end(reader)
            return False
        if does == "limited":
            head = b"HTTP/1.1 429 Limited\r\ncontent-type: application/json\r\nretry-after: 0\r\n"
            self.request.sendall(head + b"content-length: %d\r\n\r\n%b" % (len(LIMITED), LIMITED))
            return True
        if does == "busy":
            head = b"HTTP/1.1 503 Busy\r\ncontent-type: application/json\r\nretry-after: 6\r\n"
            self.request.sendall(head + b"content-length: 2\r\n\r\n{}")
            return True
        return self.stream(reader, does, path)

    def read_body(self, reader, headers: dict[str, str], slowly: bool) -> None:
        if headers.get("transfer-encoding") == "chunked":
            while size := int(reader.readline(), 16):
                reader.read(size + 2)
            reader.readline()
            return
        left = int(headers.get("content-length", 0))
        while left and (data := reader.read1(min(left, 1 << 16))):
            left -= len(data)
            if slowly:
                time.sleep(0.002)
        if left:
            raise ConnectionResetError

    def wait_for_end(self, reader) -> None:
        self.request.settimeout(LONGEST)
        reader.read(1)

    def stream(self, reader, does: str, path: str) -> bool:
        kind = "text/event-stream"
        if path.endswith("/api/chat"):
            kind = "application/x-ndjson"
        elif "invoke" in path:
            kind = "application/vnd.amazon.eventstream"
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
        self.request.sendall(head.encode())
        if does.startswith("echo"):
            count = int(does.partition("-")[2])
            for number in range(count):
                self.send_chunk(f"{number} ".encode())
                if count > 1:
                    time.sleep(0.001)
            self.send_chunk(b"")
            return True
        if does == "tools" and self.server.count("request") == 1:
            self.send_chunk(tool_call(path))
            self.send_chunk(b"")
            return True
        end = time.monotonic() + LONGEST
        for number in range(100_000):
            if does in ("quick", "tools") and number == 3:
                break
            self.send_chunk(piece(path, number))
            if does == "stall" and number == 2:
                self.wait_for_end(reader)
                return False
            if does == "drip" and (select.select([self.request], [], [], 0.02)[0] or time.monotonic() > end):
                return False
        if last := last_piece(path):
            self.send_chunk(last)
        self.send_chunk(b"")
        return True

    def send_chunk(self, data: bytes) -> None:
        self.request.sendall(b"%x\r\n%b\r\n" % (len(data), data))


class Stub(socketserver.ThreadingTCPServer):
    """The provider, its events, and what tests wait for."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.context = context
        self._changed = threading.Condition()
        self._events: list[Event] = []

    @property
    def url(self) -> str:
        return f"{'https' if self.context else 'http'}://localhost:{self.server_address[1]}"

    def note(self, kind: str) -> None:
        with self._changed:
            self._events.append((kind, time.monotonic()))
            self._changed.notify_all()

    def count(self, kind: str) -> int:
        with self._changed:
            return [event[0] for event in self._events].count(kind)

    def wait_for(self, kind: str, count: int = 1, timeout: float = 5.0) -> float:
        """Wait until so many events of a kind have come; return when the last of them did."""
        with self._changed:
            times: list[float] = []

            def come() -> bool:
                times[:] = [when for name, when in self._events if name == kind]
                return len(times) >= count

            assert self._changed.wait_for(come, timeout), f"{kind} x {count} has not come: {self._events}"
            return times[count - 1]

    def handle_error(self, request, client_address) -> None:
        pass  # peers that go away are what this is about


@contextmanager
def stub(tls: bool = False) -> Iterator[Stub]:
    """Run a provider."""
    context = server_context() if tls else None
    with Stub(context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@contextmanager
def black_hole() -> Iterator[str]:
    """Give the URL of a port that lets nobody in: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fill = [socket.socket() for _ in range(3)]
        for filler in fill:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        time.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for filler in fill:
                filler.close()


class MuteHandler(socketserver.BaseRequestHandler):
    """Reads and says nothing: a TLS handshake, or an answer to CONNECT, never comes."""

    server: Stub

    def handle(self) -> None:
        self.server.note("request")
        try:
            while self.request.recv(1 << 16):
                pass
        except OSError:
            pass
        self.server.note("end")


class ProxyHandler(socketserver.BaseRequestHandler):
    """An HTTP proxy that knows CONNECT."""

    server: Stub

    def handle(self) -> None:
        client = self.request
        try:
            if self.server.context is not None:
                client = self.server.context.wrap_socket(client, server_side=True)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            host, _, port = head.split(b" ")[1].decode().rpartition(":")
            self.server.note("tunnel")
            with socket.create_connection((host, int(port))) as target:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                relay(client, target)
        except OSError:
            pass
        finally:
            client.close()


def relay(one: socket.socket, other: socket.socket) -> None:
    """Copy both ways until one side ends; on one thread, since OpenSSL takes only one."""
    while True:
        pending = [sock for sock in (one, other) if isinstance(sock, ssl.SSLSocket) and sock.pending()]
        for source in pending or select.select([one, other], [], [])[0]:
            if not (data := source.recv(1 << 16)):
                return
            (other if source is one else one).sendall(data)


@contextmanager
def mute(handler: type[socketserver.BaseRequestHandler] = MuteHandler, tls: bool = False) -> Iterator[Stub]:
    """Run a server that never answers."""
    server = Stub(server_context() if tls else None)
    server.RequestHandlerClass = handler
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def proxy(tls: bool = False):
    """Run a proxy."""
    return mute(ProxyHandler, tls)
