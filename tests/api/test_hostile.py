"""Servers that break the rules of HTTP: an ApiError or the right answer, in time, on the right connection."""

from __future__ import annotations

import gzip
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient

from .conftest import TOKEN
from .fake_server import Answer, FakeServer

OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = OK + b'Content-Length: 7\r\n\r\n{"a":1}'


@pytest.fixture
def once(client: ArinovaClient) -> ArinovaClient:
    """A client that tries once and waits a second at most."""
    return client.with_options(max_retries=0, timeout=1)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3,
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nContent-Length: 5\r\n\r\n" * 2,
        b"HTTP/1.1 199 Whatever\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_interim_answers_are_no_answers(server: FakeServer, once: ArinovaClient, head: bytes) -> None:
    for number in range(3):
        server.play(Answer(raw=head + OK + b"Content-Length: 1\r\n\r\n%d" % number, keep=True))
        assert once.request("POST", "/things") == number
    assert len({asked.peer for asked in server.requests}) == 1


def test_a_flood_of_interim_answers_ends_with_the_call() -> None:
    with (
        hostile(lambda sock: flood(sock, b"HTTP/1.1 103 Early Hints\r\n\r\n" * 500)) as url,
        lost(url) as client,
    ):
        began = time.monotonic()
        with pytest.raises(errors.ApiTimeoutError):
            client.request("GET", "/things", timeout=0.3)
        assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    "early",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3,
        b"HTTP/1.1 102 Processing\r\nA: ",  # the rest follows with the answer
        b"HTTP",
    ],
)
def test_interim_answers_do_not_end_an_upload(early: bytes) -> None:
    received: list[int] = []

    def serve(sock: socket.socket) -> None:
        with sock.makefile("rb") as reader:
            length = 0
            while line := reader.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            sock.sendall(early)
            received.append(len(reader.read(length)) - length)
            rest = {b"A: ": b"b\r\n\r\n" + OK, b"TTP": OK.removeprefix(b"HTTP")}.get(early[-3:], OK)
            sock.sendall(rest + b'Content-Length: 7\r\n\r\n{"a":1}')

    with hostile(serve) as url, lost(url) as client:
        assert client.request("POST", "/things", form={"field": "x" * 5_000_000}) == {"a": 1}
    assert received == [0]


def test_an_answer_is_heard_while_the_server_reads_nothing() -> None:
    """It neither reads the body nor closes the connection."""

    def serve(sock: socket.socket) -> None:
        sock.recv(1)
        time.sleep(0.1)  # until the client cannot send any more
        sock.sendall(b'HTTP/1.1 413 Too Large\r\nContent-Length: 17\r\n\r\n{"error":"large"}')
        left.wait(10)

    left = threading.Event()
    with hostile(serve) as url, lost(url) as client:
        began = time.monotonic()
        with pytest.raises(errors.BadRequestError, match=r"failed \(413\): large"):
            client.files.upload("c1", bytes(30_000_000), file_name="x", timeout=5)
        left.set()
        assert time.monotonic() - began < 3


def test_a_server_that_reads_nothing_is_left_in_time() -> None:
    left = threading.Event()
    with hostile(lambda sock: left.wait(10)) as url, lost(url) as client:
        with pytest.raises(errors.ApiTimeoutError):
            client.files.upload("c1", bytes(30_000_000), file_name="x", timeout=0.3)
        left.set()


BROKEN = {
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "a status that is no number": b"HTTP/1.1 abc\r\n\r\n",
    "a status below all": b"HTTP/1.1 99 Low\r\n\r\n",
    "another version": b"HTTP/2 200\r\n\r\n",
    "no head at all": b"<html>hello</html>\r\n",
    "a long reason": b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n",
    "a long header": OK + b"A: " + b"x" * 70_000 + b"\r\n\r\n{}",
    "two lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "a negative chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
    "an endless chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n{}",
    "a chunk without an end": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
    "no last chunk": OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "two encodings": OK + b"Content-Encoding: gzip, gzip\r\n\r\n" + gzip.compress(gzip.compress(b"{}")),
    "rubbish behind gzip": OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}") + b"rubbish",
    "deflate without its head": OK + b"Content-Encoding: deflate\r\n\r\n" + b"\xab\xae\x05\x00",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_http(server: FakeServer, once: ArinovaClient, name: str) -> None:
    server.script = lambda _: Answer(raw=BROKEN[name])
    with pytest.raises(errors.ApiConnectionError, match=r"^POST /api/v1/things failed: ") as caught:
        once.request("POST", "/things")
    assert caught.value.__cause__ is not None
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "raw",
    [
        OK + b"Content-Length: -5\r\n\r\n{}",
        OK + b"Content-Length: 2, 2\r\n\r\n{}",
        OK + b"Content-Length: two\r\n\r\n{}",
        OK + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n{}",
        OK + b"A: b\r\n folded\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"no header\r\nContent-Length: 2\r\n\r\n{}",
        OK + b"Transfer-Encoding: Chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
    ],
)
def test_odd_http_that_can_be_read(server: FakeServer, once: ArinovaClient, raw: bytes) -> None:
    server.script = lambda _: Answer(raw=raw)
    assert once.request("GET", "/things") == {}
    assert once.files.download("f1") == b"{}"


def test_a_body_that_must_not_be_is_not_the_next_answer(server: FakeServer, client: ArinovaClient) -> None:
    """The extra bytes look like an answer, and the connection stays open."""
    server.script = lambda _: Answer(
        raw=b"HTTP/1.1 204 No Content\r\nContent-Length: 38\r\n\r\n" + WHOLE, keep=True
    )
    assert client.request("GET", "/things") is None
    server.script = lambda _: Answer(json="the real one")
    assert client.request("GET", "/things") == "the real one"


def test_unchanged_without_being_asked(server: FakeServer, once: ArinovaClient) -> None:
    server.script = lambda _: Answer(304)
    with pytest.raises(errors.ApiError, match=r"failed \(304\)"):
        list(once.messages.history("c1"))


def test_unchanged_without_a_mark(server: FakeServer, once: ArinovaClient) -> None:
    server.play(
        Answer(json={"messages": [{"id": "m1"}], "hasMore": False}, headers={"ETag": '"v1"'}), Answer(304)
    )
    for _ in range(2):
        assert [message.id for message in once.messages.history("c1")] == ["m1"]


@pytest.mark.parametrize("mark", ["", '"' + "x" * 2_000 + '"', '"\xe9"', '"a\tb"'])
def test_marks_that_cannot_go_back_are_forgotten(server: FakeServer, once: ArinovaClient, mark: str) -> None:
    server.script = lambda _: Answer(json={"messages": [], "hasMore": False}, headers={"ETag": mark})
    for _ in range(2):
        assert list(once.messages.history("c1")) == []
    assert [asked.headers["If-None-Match"] for asked in server.requests] == [None, None]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/a b", "/a%20b"),
        ("/ü?q=ü|x", "/%C3%BC?q=%C3%BC%7Cx"),
        ("/a%20b#c", "/a%20b"),
        ("/\\x", "/%5Cx"),
        ("?p=2", "/api/v1/things?p=2"),
    ],
)
def test_redirects_that_are_not_encoded(
    server: FakeServer, once: ArinovaClient, location: str, target: str
) -> None:
    raw = b"HTTP/1.1 307 Moved\r\nContent-Length: 0\r\nLocation: " + location.encode() + b"\r\n\r\n"
    server.play(Answer(raw=raw), Answer(json="here"), Answer(raw=raw), Answer(body=b"here"))
    assert once.request("POST", "/things") == "here"
    assert server.requests[1].target == target
    assert once.files.fetch("/api/v1/things") == b"here"
    assert server.requests[3].target == target


@pytest.mark.parametrize(
    "location",
    ["ftp://127.0.0.1:21/x", "javascript:alert(1)", "http://127.0.0.1:99999/", "//[::1", "data:,x"],
)
def test_redirects_to_no_http(server: FakeServer, once: ArinovaClient, location: str) -> None:
    server.script = lambda _: Answer(302, headers={"Location": location})
    with pytest.raises(errors.ApiError, match="redirects to an invalid URL"):
        once.request("GET", "/things")
    with pytest.raises(errors.ApiError):
        once.files.fetch("/x")
    assert len(server.requests) == 2


def test_an_error_page_of_any_size_tells_something(server: FakeServer, once: ArinovaClient) -> None:
    server.script = lambda _: Answer(400, body=b"too much of " + b"x" * 100_000)
    with pytest.raises(errors.BadRequestError, match=r"failed \(400\): too much of x") as caught:
        once.request("GET", "/things")
    assert len(str(caught.value)) == 2_000
    assert isinstance(caught.value.body, str)
    assert len(caught.value.body) == 64 * 1024


def test_an_echo_does_not_show_the_token(server: FakeServer, once: ArinovaClient) -> None:
    """A server that sends the request back: in its status line, in its body, as an answer of another shape."""
    echo = f"Bearer {TOKEN}".encode()
    for raw in (
        b"HTTP/1.1 500 " + echo + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 400 Bad\r\n\r\n" + echo,
        OK + b"\r\n" + echo,
        OK + b'\r\n{"headers": {"Authorization": ["' + echo + b'"]}}',
    ):
        server.script = lambda _, raw=raw: Answer(raw=raw)  # type: ignore[misc]
        with pytest.raises(errors.ApiError) as caught:
            once.notes.get("n1")
        assert TOKEN not in f"{caught.value} {caught.value.body}"
        assert "[redacted]" in f"{caught.value} {caught.value.body}"


@contextmanager
def hostile(serve: object) -> Iterator[str]:
    """Yield the URL of a server that treats each connection by a function of its socket."""
    assert callable(serve)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                with sock:
                    try:
                        serve(sock)
                    except OSError:
                        pass  # the client has left

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@contextmanager
def lost(url: str) -> Iterator[ArinovaClient]:
    with ArinovaClient(server_url=url, bot_token=TOKEN, max_retries=0, timeout=1) as client:
        yield client


def flood(sock: socket.socket, data: bytes) -> None:
    sock.recv(65536)
    while True:
        sock.sendall(data)


def drip(sock: socket.socket, data: bytes) -> None:
    sock.recv(65536)
    for byte in data:
        sock.sendall(bytes((byte,)))
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    "serve",
    [
        lambda sock: flood(sock, b"x"),
        lambda sock: drip(sock, OK + b"A: b\r\n" * 1_000),
        lambda sock: drip(sock, OK + b"Content-Length: 1000\r\n\r\n" + b" " * 1_000),
        lambda sock: drip(sock, OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 1_000),
        lambda sock: drip(sock, b"HTTP/1.1 404 No\r\nContent-Length: 1000\r\n\r\n" + b" " * 1_000),
    ],
    ids=["flood", "head", "body", "chunks", "error"],
)
def test_what_never_ends_ends_in_time(serve: object) -> None:
    with hostile(serve) as url, lost(url) as client:
        began = time.monotonic()
        with pytest.raises(errors.ApiError):
            client.request("GET", "/things", timeout=0.3)
        assert time.monotonic() - began < 3


def test_endless_bodies_are_cut_at_their_limit() -> None:
    for data in (OK + b"\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n"):

        def serve(sock: socket.socket, data: bytes = data) -> None:
            sock.recv(65536)
            sock.sendall(data)
            while True:
                sock.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")

        with hostile(serve) as url, lost(url) as client:
            with pytest.raises(errors.ApiError, match="exceeds configured limit"):
                client.with_options(max_response_bytes=1_000_000).request("GET", "/things")
            with pytest.raises(errors.ApiError, match="exceeds configured limit"):
                client.files.download("f1", max_bytes=1_000_000)
            with pytest.raises(errors.ApiError, match="exceeds configured limit"):
                client.files.fetch("/x", max_bytes=1_000_000)


def test_a_connection_that_ends_at_any_byte(server: FakeServer, once: ArinovaClient) -> None:
    packed = gzip.compress(b'{"a":1}')
    chunked = OK + b'Transfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'
    zipped = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
    for whole in (WHOLE, chunked, zipped):
        for length in range(len(whole)):
            server.play(Answer(raw=whole[:length]))
            with pytest.raises(errors.ApiConnectionError):
                once.request("GET", "/things")
        server.play(Answer(raw=whole))
        assert once.request("GET", "/things") == {"a": 1}


@pytest.mark.slow
def test_rubbish_is_an_error_of_ours(server: FakeServer, client: ArinovaClient) -> None:
    """Answers with a few bytes changed, by a seed that makes them the same each time."""
    chance = random.Random(5)
    client = client.with_options(max_retries=0, timeout=0.2)
    page = b'{"messages":[{"id":"m1","content":"x"}],"hasMore":false}'
    packed = gzip.compress(page)
    answers = (
        OK + b'ETag: "x"\r\nContent-Length: %d\r\n\r\n' % len(page) + page,
        OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(page), page),
        OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed,
        b"HTTP/1.1 302 Found\r\nLocation: /x?y=1\r\nContent-Length: 0\r\n\r\n",
        b'HTTP/1.1 429 Slow\r\nRetry-After: 60\r\nContent-Length: 15\r\n\r\n{"error":"abc"}',
    )
    words = (
        b"\r\n",
        b"\0",
        b"\xff",
        b"9" * 30,
        b"-1",
        b"Transfer-Encoding: chunked\r\n",
        b"Location: //[\r\n",
    )

    def rubbish(_: object) -> Answer:
        answer = bytearray(chance.choice(answers))
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(answer))
            answer[place : place + chance.randint(0, 3)] = chance.choice(words)
        return Answer(raw=bytes(answer))

    server.script = rubbish
    for _ in range(150):
        for call in (
            lambda: list(client.messages.history("c1")),
            lambda: client.request("POST", "/things"),
            lambda: client.files.download("f1"),
            lambda: client.files.fetch("/x", timeout=0.2),
        ):
            try:
                call()
            except errors.ApiError:
                pass
