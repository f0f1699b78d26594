"""Attachments: which addresses, whose token, how much."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest
import trustme

from arinova_agent_sync import errors
from arinova_agent_sync.api.addresses import is_public
from arinova_agent_sync.api.fetch import Budget, absolute, fetch

from .conftest import TOKEN
from .fake_server import Answer, FakeServer
from .test_connections import Tunnel


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.9", "192.0.2.1", "192.88.99.1", "192.168.1.1",
        "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
        "240.0.0.1", "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe",
        "::ffff:0:8.8.8.8", "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b:1::1", "100::1",
        "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2001:10::1", "2001:20::1",
        "2002:7f00:1::1", "2002:a00:1::1", "2002:c0a8:101::1", "3fff::1", "4000::1", "5f00::1",
        "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0", "fec0::1", "ff02::1",
        "localhost", "", "8.8.8", "0x08080808", "1.2.3.4.5",
    ],
)  # fmt: skip
def test_special_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
        "2606:4700::1111", "2a00:1450:4001:80b::200e", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
    ],
)  # fmt: skip
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.fixture
def other() -> Iterator[FakeServer]:
    """A server that is not the agent's own."""
    with FakeServer() as fake:
        fake.script = lambda _: Answer(body=b"content")
        yield fake


@pytest.fixture
def everything_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arinova_agent_sync.api.fetch.is_public", lambda _: True)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """Let names stand for addresses: for the next one of a list at each look-up."""
    known: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def look_up(name: bytes | str, port: int, *more: int, **options: int) -> object:
        host = name.decode() if isinstance(name, bytes) else name
        if host not in known or options["flags"] & socket.AI_NUMERICHOST:
            return real(name, port, *more, **options)
        addresses = known[host].pop(0) if len(known[host]) > 1 else known[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def test_the_servers_own_origin_may_be_private(server: FakeServer) -> None:
    server.script = lambda _: Answer(body=b"content")
    for url in ("/uploads/a b.png?x=ä", f"{server.url}/uploads/a b.png?x=ä"):
        assert fetch(url, base_url=server.url, token=TOKEN) == b"content"
    for asked in server.requests:
        assert asked.target == "/uploads/a%20b.png?x=%C3%A4"
        assert asked.headers["Authorization"] == f"Bearer {TOKEN}"


def test_relative_urls() -> None:
    assert absolute("/uploads/a", "https://h/base") == "https://h/base/uploads/a"
    assert absolute("uploads/a", "https://h/base") == "https://h/base/uploads/a"
    assert absolute("//other/a", "https://h/base") == "https://other/a"
    assert absolute("http://other/a", "https://h") == "http://other/a"


def test_other_private_addresses_are_refused(server: FakeServer, other: FakeServer) -> None:
    for url in (
        other.url,
        f"http://localhost:{server.port}/x",
        f"//[::ffff:127.0.0.1]:{other.port}/",
        "http://0/",
    ):
        with pytest.raises(errors.ApiError, match="not public"):
            fetch(url, base_url=server.url, token=TOKEN)
    assert server.requests == other.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/x", "file:///etc/passwd", "data:text/plain,x", "http://user:pw@example.com/x",
        "http://[::1", "http://example.com:99999/", "http://" + "a" * 70 + ".com/",
    ],
)  # fmt: skip
def test_odd_urls_are_refused(server: FakeServer, url: str) -> None:
    with pytest.raises(errors.ApiError) as caught:
        fetch(url, base_url=server.url)
    assert "pw" not in str(caught.value)


def test_a_host_is_refused_for_one_private_address(
    server: FakeServer, names: dict[str, list[list[str]]]
) -> None:
    names["mixed.example"] = [["8.8.8.8", "127.0.0.1"]]
    with pytest.raises(errors.ApiError, match="not public"):
        fetch("http://mixed.example/x", base_url=server.url)


def test_the_checked_address_is_the_one_connected_to(
    server: FakeServer, other: FakeServer, names: dict[str, list[list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second look-up would lead to an address where nothing listens."""
    names["once.example"] = [["127.0.0.1"], ["127.0.0.9"]]
    monkeypatch.setattr("arinova_agent_sync.api.fetch.is_public", lambda address: address == "127.0.0.1")
    url = f"http://once.example:{other.port}/x?secret=1"
    assert fetch(url, base_url=server.url, token=TOKEN) == b"content"
    assert other.requests[0].headers["Host"] == f"once.example:{other.port}"
    assert other.requests[0].headers["Authorization"] is None
    with pytest.raises(errors.ApiError, match="not public") as caught:
        fetch(url, base_url=server.url)
    assert "secret" not in str(caught.value)


def test_each_redirect_is_checked(server: FakeServer, other: FakeServer) -> None:
    server.script = lambda _: Answer(302, headers={"Location": f"{other.url}/x"})
    with pytest.raises(errors.ApiError, match="not public"):
        fetch("/a", base_url=server.url)
    server.script = lambda _: Answer(302, headers={"Location": "file:///etc/passwd"})
    with pytest.raises(errors.ApiError, match="neither http nor https"):
        fetch("/a", base_url=server.url)
    server.script = lambda _: Answer(302, headers={"Location": "/a"})
    server.requests.clear()
    with pytest.raises(errors.ApiError, match="more than 5 redirects"):
        fetch("/a", base_url=server.url)
    assert len(server.requests) == 6
    assert other.requests == []


def test_the_token_does_not_come_back(server: FakeServer, other: FakeServer, everything_public: None) -> None:
    other.script = lambda _: Answer(302, headers={"Location": f"{server.url}/api/v1/kanban/cards"})
    server.script = lambda _: Answer(body=b"content")
    assert fetch(other.url, base_url=server.url, token=TOKEN) == b"content"
    assert server.requests[0].headers["Authorization"] is None


def test_tls_keeps_the_name(
    server: FakeServer, names: dict[str, list[list[str]]], everything_public: None
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("files.example").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    names["files.example"] = [["127.0.0.1"]]
    names["wrong.example"] = [["127.0.0.1"]]
    careless = ssl.create_default_context()
    careless.check_hostname = False
    careless.verify_mode = ssl.CERT_NONE
    with FakeServer(tls=context) as secure:
        secure.script = lambda _: Answer(body=b"content")
        url = f"https://files.example:{secure.port}/x"
        assert fetch(url, base_url=server.url, ssl_context=trusting) == b"content"
        for host, given in (("wrong.example", trusting), ("files.example", careless)):
            with pytest.raises(errors.ApiConnectionError, match="SSLCertVerificationError"):
                fetch(f"https://{host}:{secure.port}/x", base_url=server.url, ssl_context=given)
        with Tunnel(secure.port) as tunnel:
            assert fetch(url, base_url=server.url, ssl_context=trusting, proxy=tunnel.url) == b"content"
            assert tunnel.heads[0].split(b" ")[1] == f"127.0.0.1:{secure.port}".encode()


def test_a_proxy_is_told_the_checked_address(
    server: FakeServer, other: FakeServer, names: dict[str, list[list[str]]], everything_public: None
) -> None:
    names["files.example"] = [["127.0.0.1"]]
    with Tunnel(other.port) as tunnel:
        url = f"http://files.example:{other.port}/x"
        assert fetch(url, base_url=server.url, proxy=tunnel.url) == b"content"
        assert tunnel.heads[0].startswith(f"CONNECT 127.0.0.1:{other.port} ".encode())


def test_limits(server: FakeServer) -> None:
    server.script = lambda _: Answer(body=bytes(1_000))
    assert len(fetch("/a", base_url=server.url, max_bytes=1_000)) == 1_000
    with pytest.raises(errors.ApiError, match="exceeds configured limit"):
        fetch("/a", base_url=server.url, max_bytes=999)
    server.script = lambda _: Answer(drip=True, length=1_000)
    with pytest.raises(errors.ApiTimeoutError):
        fetch("/a", base_url=server.url, timeout=0.2)


def test_a_budget_is_shared(server: FakeServer) -> None:
    server.script = lambda _: Answer(body=bytes(1_000))
    budget = Budget(max_bytes=2_500, max_seconds=30)
    assert (Budget().bytes_left, Budget().seconds_left) == (64 * 1024 * 1024, 30.0)
    for left in (1_500, 500):
        fetch("/a", base_url=server.url, budget=budget)
        assert budget.bytes_left == left
    with pytest.raises(errors.ApiError, match=r"exceeds configured limit \(2500 bytes"):
        fetch("/a", base_url=server.url, budget=budget)
    assert 0 < budget.seconds_left < 30
    with pytest.raises(errors.ApiError, match="used up"):
        fetch("/a", base_url=server.url, budget=budget)
    assert len(server.requests) == 3
    slow = Budget(max_seconds=0.2)
    server.script = lambda _: Answer(drip=True, length=1_000)
    with pytest.raises(errors.ApiTimeoutError):
        fetch("/a", base_url=server.url, budget=slow)
    assert slow.seconds_left == 0


def test_a_sink_takes_the_content(server: FakeServer) -> None:
    server.script = lambda _: Answer(body=bytes(200_000))
    blocks: list[bytes] = []
    assert fetch("/a", base_url=server.url, sink=blocks.append) == b""
    assert b"".join(blocks) == bytes(200_000)
    assert len(blocks) > 1


def test_refusals_are_errors(server: FakeServer) -> None:
    server.script = lambda _: Answer(404, json={"error": "gone"})
    with pytest.raises(errors.NotFoundError, match=r"failed \(404\): gone"):
        fetch("/a", base_url=server.url)
    for wrong in ({"max_bytes": -1}, {"timeout": 0}, {"url": " "}):
        with pytest.raises(ValueError):
            fetch(**{"url": "/a", "base_url": server.url, **wrong})  # type: ignore[arg-type]
