"""Connections: kept, shared, renewed, closed."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient

from ..net.test_dial import silent_port
from .conftest import TOKEN
from .fake_server import Answer, FakeServer


def wait_until(condition: object, seconds: float = 5.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def ports(server: FakeServer) -> list[int]:
    return [asked.peer[1] for asked in server.requests]


def test_a_connection_is_kept(server: FakeServer, client: ArinovaClient) -> None:
    for _ in range(5):
        client.request("GET", "/things")
        client.request("POST", "/things", json={})
    assert len(set(ports(server))) == 1


def test_what_the_server_closed_is_not_used(server: FakeServer, client: ArinovaClient) -> None:
    for method in ("POST", "DELETE", "GET"):
        server.play(Answer(json={}, silent_close=True))
        client.request("GET", "/things")
        wait_until(lambda: server.open_sockets == 0)
        client.with_options(max_retries=0).request(method, "/things")
    assert len(server.requests) == 6


def test_a_server_that_closes_without_a_word(
    server: FakeServer, client: ArinovaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However late the server's thread gets its turn; the wait ends with the end of the connection.
    monkeypatch.setattr("arinova_agent_sync.api.connections._SETTLING_SECONDS", 0.9)
    server.script = lambda _: Answer(json={}, silent_close=True)
    once = client.with_options(max_retries=0)
    for method in ("POST", "DELETE", "PATCH", "POST", "POST"):
        once.request(method, "/things")
    assert len(server.requests) == len(set(ports(server))) == 5


def test_a_mutation_avoids_a_connection_that_was_idle(
    server: FakeServer, client: ArinovaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.request("GET", "/things")
    monkeypatch.setattr("arinova_agent_sync.api.connections._FRESH_SECONDS", 0.0)
    client.request("GET", "/things")
    client.request("POST", "/things")
    first, second, third = ports(server)
    assert first == second != third


def test_a_request_that_never_left_is_sent_on_another_connection() -> None:
    """The server ends a kept connection after the head of the next request, without reading its body."""
    bodies: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            first, _ = listener.accept()
            with first, first.makefile("rb") as reader:
                _head(reader)
                first.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                _head(reader)
            second, _ = listener.accept()
            with second, second.makefile("rb") as reader:
                bodies.append(reader.read(_head(reader)))
                second.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=serve)
        thread.start()
        with ArinovaClient(
            server_url=f"http://127.0.0.1:{listener.getsockname()[1]}", bot_token=TOKEN
        ) as client:
            client.request("GET", "/things")
            client.request("POST", "/things", form={"field": "x" * 5_000_000})
        thread.join()
    assert len(bodies) == 1
    assert len(bodies[0]) > 5_000_000


def _head(reader: object) -> int:
    length = 0
    while line := reader.readline().strip():  # type: ignore[attr-defined]
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return length


def test_fifty_threads(server: FakeServer, client: ArinovaClient) -> None:
    server.script = lambda asked: Answer(json={"id": asked.path.rpartition("/")[2]})
    failures: list[object] = []

    def work(number: int) -> None:
        for turn in range(10):
            name = f"n{number}-{turn}"
            if client.notes.get(name).id != name:
                failures.append(name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(server.requests) == 500
    assert len(set(ports(server))) <= 50


def test_close_and_open_again(server: FakeServer, client: ArinovaClient) -> None:
    client.request("GET", "/things")
    client.close()
    wait_until(lambda: server.open_sockets == 0)
    client.close()
    client.request("GET", "/things")
    assert len(set(ports(server))) == 2


def test_a_connection_in_use_is_closed_after_its_call(server: FakeServer, client: ArinovaClient) -> None:
    go = threading.Event()
    server.play(Answer(json={}, hold=go))
    thread = threading.Thread(target=client.request, args=("GET", "/things"))
    thread.start()
    wait_until(lambda: server.requests)
    client.close()
    go.set()
    thread.join()
    wait_until(lambda: server.open_sockets == 0)


def test_a_forgotten_client_closes_its_connections(server: FakeServer) -> None:
    import gc

    ArinovaClient(server_url=server.url, bot_token=TOKEN).request("GET", "/things")
    gc.collect()
    wait_until(lambda: server.open_sockets == 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(server: FakeServer, client: ArinovaClient) -> None:
    server.script = lambda asked: Answer(json={"port": asked.peer[1]})
    before = client.request("GET", "/things")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            pool = client._transport.session.pool()
            emptied = not pool._idle and not pool._made
            other = client.request("GET", "/things")
            code = 0 if emptied and other != before else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert client.request("GET", "/things") == before


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[FakeServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with FakeServer(tls=context) as server:
        yield server


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_tls(tls_server: FakeServer, authority: trustme.CA) -> None:
    tls_server.script = lambda asked: Answer(json={"length": len(asked.body)})
    with ArinovaClient(server_url=tls_server.url, bot_token=TOKEN, ssl_context=trusting(authority)) as client:
        assert client.request("GET", "/things") == {"length": 0}
        assert client.request("POST", "/things", json="x" * 1_000_000) == {"length": 1_000_002}
    assert len(set(ports(tls_server))) == 1


@pytest.mark.slow
def test_a_post_may_come_first_over_tls(tls_server: FakeServer, authority: trustme.CA) -> None:
    """Under TLS 1.3 there is something to read at once, which is no answer."""
    tls_server.script = lambda asked: Answer(json={"length": len(asked.body)})
    for _ in range(5):
        with ArinovaClient(
            server_url=tls_server.url, bot_token=TOKEN, ssl_context=trusting(authority), timeout=5
        ) as client:
            assert client.request("POST", "/things", json="x" * 500_000) == {"length": 500_002}
            assert client.request("POST", "/things", json="x") == {"length": 3}
    assert len(set(ports(tls_server))) == 5


def test_a_handshake_that_breaks_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            sock.recv(1)  # the handshake has begun: Python leaks a TLS socket that is reset before it
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with (
            ArinovaClient(server_url=url, bot_token=TOKEN, max_retries=0) as client,
            pytest.raises(
                errors.ApiConnectionError, match=r"ConnectionResetError|SSLEOFError|BrokenPipeError"
            ),
        ):
            client.request("POST", "/things", json={})
        thread.join()


def test_tls_of_a_stranger(tls_server: FakeServer) -> None:
    with (
        ArinovaClient(server_url=tls_server.url, bot_token=TOKEN) as client,
        pytest.raises(errors.ApiConnectionError, match="SSLCertVerificationError"),
    ):
        client.request("GET", "/things")
    assert tls_server.requests == []


def test_a_silent_tls_server_is_left_in_time() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        ArinovaClient(server_url=f"https://127.0.0.1:{listener.getsockname()[1]}", bot_token=TOKEN) as client,
        pytest.raises(errors.ApiTimeoutError),
    ):
        client.request("GET", "/things", timeout=0.2)


def test_a_proxy_is_given_the_whole_url(server: FakeServer) -> None:
    proxy = server.url.replace("http://", "http://user:p%40ss@")
    with ArinovaClient(server_url="http://chat.example:8080", bot_token=TOKEN, proxy=proxy) as client:
        client.request("GET", "/things")
        assert "p@ss" not in repr(client)
    asked = server.requests[0]
    assert asked.target == "http://chat.example:8080/api/v1/things"
    assert asked.headers["Host"] == "chat.example:8080"
    assert asked.headers["Proxy-Authorization"] == f"Basic {b64encode(b'user:p@ss').decode()}"


class Tunnel:
    """A proxy that knows CONNECT, and leads every connection to one server."""

    def __init__(self, port: int, refuse: bytes | None = None) -> None:
        self.heads: list[bytes] = []
        self._port = port
        self._refuse = refuse
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Tunnel:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            self.heads.append(head)
            if self._refuse is not None:
                client.sendall(self._refuse)
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._port))
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            self._start(self._copy, client, server)
            self._start(self._copy, server, client)

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        source.close()


def test_tls_goes_through_a_tunnel(tls_server: FakeServer, authority: trustme.CA) -> None:
    with Tunnel(tls_server.port) as tunnel:
        with ArinovaClient(
            server_url=f"https://localhost:{tls_server.port}",
            bot_token=TOKEN,
            ssl_context=trusting(authority),
            proxy=tunnel.url,
        ) as client:
            client.request("GET", "/things")
            client.request("GET", "/things")
        assert [head.split(b" ")[1] for head in tunnel.heads] == [f"localhost:{tls_server.port}".encode()]
    assert TOKEN.encode() not in tunnel.heads[0]


def test_a_proxy_may_refuse(tls_server: FakeServer) -> None:
    with (
        Tunnel(tls_server.port, refuse=b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as tunnel,
        ArinovaClient(server_url=tls_server.url, bot_token=TOKEN, proxy=tunnel.url, max_retries=0) as client,
        pytest.raises(errors.ApiConnectionError, match="407"),
    ):
        client.request("GET", "/things")


def test_importing_brings_no_http_library() -> None:
    code = (
        "import sys, arinova_agent_sync.settings; before = set(sys.modules);"
        "from arinova_agent_sync.api import ArinovaClient;"
        "ArinovaClient(server_url='http://127.0.0.1', bot_token='t');"
        "print(sorted({'urllib3', 'http.client', 'asyncio', 'rich'} & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_answer_during_an_upload_is_read_over_tls(tls_server: FakeServer, authority: trustme.CA) -> None:
    tls_server.read_bodies = False
    tls_server.script = lambda _: Answer(413, json={"error": "too large"}, silent_close=True)
    with (
        ArinovaClient(server_url=tls_server.url, bot_token=TOKEN, ssl_context=trusting(authority)) as client,
        pytest.raises(errors.ApiError),  # a reset may be faster than the answer
    ):
        client.request("POST", "/things", form={"field": "x" * 30_000_000})
    assert len(tls_server.requests) == 1


def test_an_answer_during_an_upload_is_read(server: FakeServer, client: ArinovaClient) -> None:
    server.read_bodies = False
    server.script = lambda _: Answer(413, json={"error": "too large"}, silent_close=True)
    with pytest.raises(errors.BadRequestError, match=r"failed \(413\): too large"):
        client.request("POST", "/things", form={"field": "x" * 30_000_000})
    assert len(server.requests) == 1


def test_an_address_that_the_system_does_not_know_is_passed_over(
    server: FakeServer, client: ArinovaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with localhost, which is ::1 first, where there is no IPv6."""
    real = socket.getaddrinfo

    def look_up(*args: object, **options: object) -> list[object]:
        unknown = (9_999, socket.SOCK_STREAM, 6, "", ("::1", server.port))
        return [unknown, *real(*args, **options)]  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert client.request("GET", "/things") == {}


def test_a_silent_first_address_costs_a_quarter_of_a_second(
    server: FakeServer, client: ArinovaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent_port() as silent:
        ports = (silent, server.port)
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        began = time.monotonic()
        assert client.request("GET", "/things") == {}
        assert time.monotonic() - began < 0.5


def test_a_resolver_that_hangs_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def hang(*_: object, flags: int = 0, **__: object) -> object:
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "not an address")
        go.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, "not a name")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with ArinovaClient(server_url="http://chat.example", bot_token=TOKEN) as client:
        began = time.monotonic()
        with pytest.raises(errors.ApiTimeoutError):
            client.request("GET", "/things", timeout=0.2)
        assert time.monotonic() - began < 1
    go.set()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_is_named(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    proxy = f"http://user:secret@127.0.0.1:{port}"
    with (
        ArinovaClient(
            server_url=f"{scheme}://chat.example", bot_token=TOKEN, proxy=proxy, max_retries=0
        ) as client,
        pytest.raises(
            errors.ApiConnectionError, match=f"the proxy http://127.0.0.1:{port} cannot be reached"
        ) as caught,
    ):
        client.request("GET", "/things")
    assert "secret" not in str(caught.value)


def test_a_server_on_this_machine_is_reached_past_the_proxy(
    server: FakeServer, client: ArinovaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert client.request("GET", "/things") == {}


def test_the_environment_names_the_authority(
    tls_server: FakeServer, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "company.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "company.pem"))
    with ArinovaClient(server_url=tls_server.url, bot_token=TOKEN) as client:
        assert client.request("GET", "/things") == {}
        assert client.files.fetch("/x") == b"{}"


def test_a_key_log_that_cannot_be_written_is_not_the_network(
    tls_server: FakeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "missing" / "keys"))
    with (
        ArinovaClient(server_url=tls_server.url, bot_token=TOKEN) as client,
        pytest.raises(ValueError, match=r"^SSLKEYLOGFILE names a file that cannot be written"),
    ):
        client.request("GET", "/things")


def in_parallel(server: FakeServer, client: ArinovaClient, calls: int) -> None:
    """Make calls at once, each on a connection of its own."""
    go = threading.Event()
    server.script = lambda _: Answer(json={}, hold=go)
    threads = [threading.Thread(target=client.request, args=("GET", "/things")) for _ in range(calls)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(server.requests) == calls)
    go.set()
    for thread in threads:
        thread.join()
    server.script = lambda _: Answer(json={})


def closers() -> int:
    return sum(thread.name == "arinova-http-idle" for thread in threading.enumerate())


def test_ten_idle_connections_are_kept(server: FakeServer, client: ArinovaClient) -> None:
    in_parallel(server, client, 30)
    wait_until(lambda: server.open_sockets == 10)
    assert closers() == 1
    client.close()
    wait_until(lambda: server.open_sockets == closers() == 0)


@pytest.mark.slow
def test_idle_connections_are_closed(
    server: FakeServer, client: ArinovaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arinova_agent_sync.api.pool._MAX_IDLE_SECONDS", 0.3)
    in_parallel(server, client, 3)
    time.sleep(0.15)
    client.request("GET", "/things")
    wait_until(lambda: server.open_sockets == 1)  # the one that was used again
    wait_until(lambda: server.open_sockets == closers() == 0)
    client.request("GET", "/things")
    assert server.open_sockets == closers() == 1


def test_what_the_server_closed_first_does_not_stay(
    server: FakeServer, client: ArinovaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arinova_agent_sync.api.pool._MAX_IDLE_SECONDS", 0.3)
    before = len(os.listdir("/proc/self/fd"))
    in_parallel(server, client, 5)
    server.hang_up()
    wait_until(lambda: len(os.listdir("/proc/self/fd")) == before)
