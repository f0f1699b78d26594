"""A small HTTP server that records what it is asked and plays the answers it was given."""

from __future__ import annotations

import json as json_module
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    target: str
    headers: Message
    body: bytes
    peer: tuple[str, int]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def json(self) -> Any:
        return json_module.loads(self.body)


@dataclass
class Answer:
    """What to answer.

    Attributes:
        json: the body as JSON; or
        body: the body as bytes.
        length: what Content-Length claims, if not the truth; -1 for no header.
        raw: bytes to write instead of everything; the connection is closed then, unless ``keep`` is set.
        silent_close: close the connection afterwards, without saying so.
        hold: write nothing before this event.
        drip: write the head and then one byte at a time until the client leaves.
    """

    status: int = 200
    json: Any = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    raw: bytes | None = None
    keep: bool = False
    silent_close: bool = False
    hold: threading.Event | None = None
    drip: bool = False


Script = Callable[[Asked], Answer]


class FakeServer:
    """Answers with what ``play`` queued, then with what ``script`` returns."""

    def __init__(self, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1") -> None:
        self.requests: list[Asked] = []
        self.script: Script = lambda asked: Answer(json={})
        self.read_bodies = True
        self._queue: list[Answer] = []
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self.stopping = threading.Event()
        self._server = _Server((address, 0), _Handler)
        self._server.fake = self
        self._server.tls = tls
        self.port = int(self._server.server_address[1])
        self.url = f"{'https' if tls else 'http'}://{address}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="fake-server")

    def play(self, *answers: Answer) -> None:
        with self._lock:
            self._queue.extend(answers)

    def answer(self, asked: Asked) -> Answer:
        with self._lock:
            self.requests.append(asked)
            if self._queue:
                return self._queue.pop(0)
        return self.script(asked)

    @property
    def open_sockets(self) -> int:
        with self._lock:
            return len(self._sockets)

    def opened(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.add(sock)

    def closed(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(sock)

    def hang_up(self) -> None:
        """End every connection."""
        with self._lock:
            sockets = list(self._sockets)
        for sock in sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self) -> FakeServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self.hang_up()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128
    fake: FakeServer
    tls: ssl.SSLContext | None

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that leave are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.server.fake.opened(self.request)
        super().setup()

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            pass
        finally:
            self.server.shutdown_request(self.request)
            self.server.fake.closed(self.request)

    def log_message(self, *_: object) -> None:
        pass

    def _handle(self) -> None:
        fake = self.server.fake
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if fake.read_bodies else b""
        answer = fake.answer(Asked(self.command, self.path, self.headers, body, self.client_address))
        if answer.hold is not None:
            while not answer.hold.wait(0.02) and not fake.stopping.is_set():
                pass
        if answer.raw is not None:
            self.wfile.write(answer.raw)
            self.wfile.flush()
            self.close_connection = not answer.keep
            return
        body = json_module.dumps(answer.json).encode() if answer.json is not None else answer.body
        self.send_response(answer.status)
        headers = {"Content-Type": "application/json" if answer.json is not None else "text/plain"}
        headers |= dict(answer.headers)
        if answer.length != -1 and answer.status not in (204, 304):
            headers["Content-Length"] = str(len(body) if answer.length is None else answer.length)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self._write(answer, body)
        self.wfile.flush()
        if answer.silent_close or answer.length is not None:
            self.close_connection = True

    def _write(self, answer: Answer, body: bytes) -> None:
        if not answer.drip:
            self.wfile.write(body)
            return
        while not self.server.fake.stopping.wait(0.02):
            self.wfile.write(b" ")
            self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _handle
