"""SOCKS proxies: asked over a socket that a deadline and an abort reach."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.net.deadline import Deadline
from arinova_agent_sync.net.dial import dial
from arinova_agent_sync.net.guarded_socket import Aborted, SocketGuard
from arinova_agent_sync.net.proxies import Proxy, ProxyError, ProxyTimeout

from ..api.fake_server import FakeServer
from ..runtime.fault_server import Peer, client_context, serving

pytest.importorskip("python_socks")


def socks5(asked: list[object], port: int, *, user: str = "", code: int = 0) -> Callable[[Peer], None]:
    """Play a SOCKS5 proxy that leads everything to one port of this machine."""

    def play(peer: Peer) -> None:
        assert peer.read(1) == b"\x05"
        methods = peer.read(peer.read(1)[0])
        method = 2 if user else 0
        if method not in methods:
            peer.send(b"\x05\xff")
            return
        peer.send(bytes((5, method)))
        if user:
            assert peer.read(1) == b"\x01"
            given = peer.read(peer.read(1)[0]), peer.read(peer.read(1)[0])
            peer.send(b"\x01\x00" if given == (user.encode(), b"secret") else b"\x01\x01")
        _, _, _, kind = peer.read(4)
        size = {1: 4, 4: 16}.get(kind) or peer.read(1)[0]
        asked.append((peer.read(size), int.from_bytes(peer.read(2), "big")))
        peer.send(bytes((5, code, 0, 1)) + bytes(6))
        if not code:
            relay(peer.sock, port)

    return play


def socks4(asked: list[object], port: int) -> Callable[[Peer], None]:
    """Play a SOCKS4a proxy."""

    def play(peer: Peer) -> None:
        assert peer.read(2) == b"\x04\x01"
        peer.read(6)
        for _ in range(2):  # the user and the name
            text = b""
            while (letter := peer.read(1)) != b"\0":
                text += letter
            asked.append(text)
        peer.send(b"\0\x5a" + bytes(6))
        relay(peer.sock, port)

    return play


def relay(client: socket.socket, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as server:

        def copy() -> None:
            with suppress(OSError):
                while data := server.recv(65536):
                    client.sendall(data)
                client.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=copy)
        thread.start()
        with suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        thread.join()


def hello(peer: Peer) -> None:
    if peer._context is not None:
        peer.start_tls()
    peer.send(b"hello")
    peer.until_gone()


def connect(proxy: Proxy, *, tls: bool = False, seconds: float = 5, publish: object = None) -> SocketGuard:
    return dial(
        "localhost",
        9,
        tls=client_context() if tls else None,
        proxy=proxy,
        deadline=Deadline(seconds),
        publish=publish,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("user", ["", "me"])
def test_socks5(tls: bool, user: str) -> None:
    asked: list[object] = []
    with (
        serving(hello, tls=tls) as server,
        serving(socks5(asked, server.port, user=user)) as proxy,
    ):
        given = (user, "secret") if user else (None, None)
        guard = connect(Proxy("127.0.0.1", proxy.port, *given, "socks5"), tls=tls)
        buffer = memoryview(bytearray(10))
        assert bytes(buffer[: guard.receive_into(buffer, 5)]) == b"hello"
        guard.close()
    assert asked == [(b"localhost", 9)]


def test_socks4() -> None:
    asked: list[object] = []
    with serving(hello) as server, serving(socks4(asked, server.port)) as proxy:
        connect(Proxy("127.0.0.1", proxy.port, "me", None, "socks4")).close()
    assert asked == [b"me", b"localhost"]


@pytest.mark.parametrize(
    ("proxy", "user", "why"),
    [
        (socks5([], 0, code=5), None, "Connection refused"),
        (socks5([], 0, user="me"), None, "No acceptable authentication"),
        (socks5([], 0, user="me"), "you", "authentication failure"),
        (lambda peer: peer.read(1), None, "it ended the connection"),
        (lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None, "did not make the connection"),
    ],
    ids=["refused", "no credentials", "wrong credentials", "silent end", "not SOCKS"],
)
def test_a_proxy_that_does_not_do_it(proxy: Callable[[Peer], None], user: str | None, why: str) -> None:
    with serving(proxy) as server:
        given = Proxy("127.0.0.1", server.port, user, "secret" if user else None, "socks5")
        with pytest.raises((ProxyError, ConnectionError), match=why) as caught:
            connect(given)
    assert f"the proxy socks5://127.0.0.1:{server.port}" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_silent_proxy_is_left_in_time() -> None:
    with serving(Peer.until_gone) as proxy:
        began = time.monotonic()
        with pytest.raises(ProxyTimeout):
            connect(Proxy("127.0.0.1", proxy.port, scheme="socks5"), seconds=0.2)
        assert time.monotonic() - began < 1


def test_it_is_aborted() -> None:
    with serving(Peer.until_gone) as proxy:
        timer = threading.Timer(0, lambda: None)

        def publish(made: object) -> None:
            nonlocal timer
            if isinstance(made, SocketGuard):
                timer = threading.Timer(0.1, made.abort)
                timer.start()

        with pytest.raises(Aborted):
            connect(Proxy("127.0.0.1", proxy.port, scheme="socks5"), publish=publish)
        timer.join()


def test_http_goes_through_it() -> None:
    asked: list[object] = []
    with FakeServer() as server, serving(socks5(asked, server.port)) as proxy:
        with ArinovaClient(
            server_url="http://chat.example", bot_token="ari_0", proxy=f"socks5://127.0.0.1:{proxy.port}"
        ) as client:
            assert client.request("GET", "/things") == {}
        assert server.requests[0].target == "/api/v1/things"
    assert asked == [(b"chat.example", 80)]
