"""Connecting: one deadline over all of it, a way out at any moment, no socket left behind."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from arinova_agent_sync.net import dial as dialing
from arinova_agent_sync.net.abortable_wait import AbortableWait
from arinova_agent_sync.net.deadline import Deadline
from arinova_agent_sync.net.dial import dial
from arinova_agent_sync.net.guarded_socket import Aborted, SocketGuard
from arinova_agent_sync.net.happy_eyeballs import interleaved
from arinova_agent_sync.net.proxies import Proxy, ProxyError, ProxyTimeout, proxy_for
from arinova_agent_sync.net.resolver import Address
from arinova_agent_sync.net.tls import default_context

from ..runtime.fault_server import Peer, client_context, connect_proxy, serving


def connect(
    port: int,
    *,
    host: str = "127.0.0.1",
    seconds: float = 5,
    tls: bool = False,
    proxy: Proxy | None = None,
    publish: Callable[[AbortableWait | SocketGuard], None] = lambda _: None,
) -> SocketGuard:
    context = client_context() if tls else None
    return dial(host, port, tls=context, proxy=proxy, deadline=Deadline(seconds), publish=publish)


def greet(peer: Peer) -> None:
    if peer._context and not isinstance(peer.sock, ssl.SSLSocket):
        peer.start_tls()
    peer.send(b"hello")
    peer.until_gone()


def greeting(guard: SocketGuard) -> bytes:
    buffer = memoryview(bytearray(100))
    count = guard.receive_into(buffer, 5)
    guard.close()
    return bytes(buffer[:count])


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that answers no SYN: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        time.sleep(0.02)
        yield listener.getsockname()[1]
        for sock in waiting:
            sock.close()


@pytest.mark.parametrize("tls", [False, True])
def test_straight(tls: bool) -> None:
    with serving(greet, tls=tls) as server:
        guard = connect(server.port, tls=tls)
        assert guard._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert guard._sock.gettimeout() == 0
        assert greeting(guard) == b"hello"


def test_ipv6() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listener:
        connect(listener.getsockname()[1], host="::1").close()


def test_what_can_be_aborted_is_published_before_it_waits() -> None:
    published: list[AbortableWait | SocketGuard] = []
    with serving(greet) as server:
        guard = connect(server.port, publish=published.append)
        assert isinstance(published[0], AbortableWait)
        assert published[1:] == [guard]
        guard.close()


def test_a_refusing_publisher_stops_it() -> None:
    def refuse(_: object) -> None:
        raise Aborted

    with serving(greet) as server, pytest.raises(Aborted):
        connect(server.port, publish=refuse)


def addresses(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
    monkeypatch.setattr(dialing.socket, "getaddrinfo", lambda *_, **__: found)


def test_a_silent_address_costs_a_quarter_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_port() as silent, serving(greet) as server:
        addresses(monkeypatch, silent, server.port)
        began = time.monotonic()
        assert greeting(connect(1, seconds=30)) == b"hello"
        assert 0.2 <= time.monotonic() - began < 0.5


def test_a_refusing_address_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(greet) as server:
        addresses(monkeypatch, *[closed_port()] * 5, server.port)
        began = time.monotonic()
        assert greeting(connect(1, seconds=30)) == b"hello"
        assert time.monotonic() - began < 0.2


@pytest.mark.slow
def test_silent_addresses_are_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_port() as silent:
        addresses(monkeypatch, *[silent] * 20)
        began = time.monotonic()
        with pytest.raises(TimeoutError, match="no address of the host answered in time"):
            connect(1, seconds=0.6)
        assert 0.6 <= time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("families", "order"),
    [
        ("", ""),
        ("4", "4"),
        ("44", "44"),
        ("46", "64"),
        ("4466", "6464"),
        ("64446", "64644"),
        ("666", "666"),
    ],
)
def test_the_families_take_turns(families: str, order: str) -> None:
    """RFC 8305, section 4."""
    kinds = {"4": socket.AF_INET, "6": socket.AF_INET6}
    found = [Address(kinds[family], 1, 6, (family, place)) for place, family in enumerate(families)]
    tried = interleaved(found)
    assert "".join(address.host for address in tried) == order
    assert sorted(tried) == sorted(found)
    for family in kinds.values():
        assert [one for one in tried if one.family == family] == [
            one for one in found if one.family == family
        ]


def test_a_family_this_machine_does_not_have_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(greet) as server:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]
        strange = (socket.AF_INET, 12345, 6, "", ("127.0.0.1", server.port))
        monkeypatch.setattr(dialing.socket, "getaddrinfo", lambda *_, **__: [strange, *found])
        assert greeting(connect(1)) == b"hello"


def test_refused() -> None:
    with pytest.raises(ConnectionRefusedError):
        connect(closed_port())


def test_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(dialing.socket, "getaddrinfo", unknown)
    with pytest.raises(socket.gaierror):
        connect(1)


def test_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses(monkeypatch)
    with pytest.raises(OSError):
        connect(1)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class TestTls:
    def test_a_certificate_nobody_vouches_for(self) -> None:
        with serving(greet, tls=True) as server, pytest.raises(ssl.SSLCertVerificationError):
            dial(
                "127.0.0.1",
                server.port,
                tls=default_context(),
                proxy=None,
                deadline=Deadline(5),
                publish=lambda _: None,
            )

    def test_a_certificate_for_another_host(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with serving(greet, tls=True) as server:
            addresses(monkeypatch, server.port)
            with pytest.raises(ssl.SSLCertVerificationError, match="ostname"):
                connect(server.port, host="other.test", tls=True)

    def test_the_servers_name_is_sent(self) -> None:
        with serving(greet, tls=True) as server:
            assert greeting(connect(server.port, host="localhost", tls=True)) == b"hello"

    def test_no_tls_there(self) -> None:
        def play(peer: Peer) -> None:
            peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.until_gone()

        with serving(play) as server, pytest.raises(ssl.SSLError):
            connect(server.port, tls=True)

    @pytest.mark.parametrize("drips", [False, True])
    def test_one_deadline_over_the_handshake(self, drips: bool) -> None:
        def play(peer: Peer) -> None:
            if drips:  # a record that never ends
                peer.drip(b"\x16\x03\x03\x40\x00" + bytes(1000))
            peer.until_gone()

        with serving(play) as server:
            began = time.monotonic()
            with pytest.raises(TimeoutError):
                connect(server.port, tls=True, seconds=0.3)
            assert 0.3 <= time.monotonic() - began < 5


class TestProxies:
    @pytest.mark.parametrize("tls", [False, True])
    def test_through_a_proxy(self, tls: bool) -> None:
        def answer(peer: Peer) -> None:
            if tls:
                peer.start_tls()
            peer.read(1)
            greet(peer)

        with serving(answer, tls=tls) as server, serving(connect_proxy("us:er@x")) as proxy:
            # The password holds what the header's own syntax would trip over.
            guard = connect(server.port, tls=tls, proxy=Proxy("127.0.0.1", proxy.port, "us", "er@x"))
            guard.send_all(b"?", 5)
            assert greeting(guard) == b"hello"

    @pytest.mark.parametrize(
        ("host", "target"),
        [
            ("127.0.0.1", b"127.0.0.1:1"),
            ("chat.test", b"chat.test:1"),
            ("::1", b"[::1]:1"),
            ("bücher.test", b"xn--bcher-kva.test:1"),
        ],
    )
    def test_what_it_is_asked(self, host: str, target: bytes) -> None:
        asked = []

        def play(peer: Peer) -> None:
            asked.append(peer.read_head())
            peer.send(b"HTTP/1.0 200 OK\r\n\r\n")
            peer.until_gone()

        with serving(play) as proxy:
            connect(1, host=host, proxy=Proxy("127.0.0.1", proxy.port, "user", "secret")).close()
        assert asked == [
            b"CONNECT %b HTTP/1.1\r\nHost: %b\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n"
            % (target, target)
        ]

    @pytest.mark.parametrize(
        ("answer", "text", "status"),
        [
            (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "HTTP 407", 407),
            (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test\r\n\r\n", "HTTP 302", 302),
            (b"SSH-2.0-OpenSSH\r\n\r\n", "is not HTTP", 0),
            (b"HTTP/1.1 200 OK\r\n", "is cut short", 0),
            (b"HTTP/1.1 200 OK\r\n\r\nmore", "more behind it", 0),
            (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "has no end", 0),
        ],
    )
    def test_a_proxy_that_does_not_do_it(self, answer: bytes, text: str, status: int) -> None:
        def play(peer: Peer) -> None:
            peer.read_head()
            with suppress(OSError):
                peer.send(answer)

        with serving(play) as proxy, pytest.raises(ProxyError, match=text) as caught:
            connect(1, proxy=Proxy("127.0.0.1", proxy.port, "user", "secret"))
        assert caught.value.status == status
        assert "elsewhere" not in str(caught.value)
        assert "secret" not in str(caught.value)

    def test_one_deadline_over_its_answer(self) -> None:
        with serving(lambda peer: peer.drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100)) as proxy:
            began = time.monotonic()
            with pytest.raises(TimeoutError, match=f"the proxy http://127.0.0.1:{proxy.port} did not answer"):
                connect(1, seconds=0.3, proxy=Proxy("127.0.0.1", proxy.port))
            assert 0.3 <= time.monotonic() - began < 5

    @pytest.mark.parametrize("tunnel", [True, False])
    def test_no_proxy_there(self, tunnel: bool) -> None:
        proxy = Proxy("127.0.0.1", closed_port(), "user", "secret")
        with pytest.raises(ProxyError) as caught:
            dial("chat.test", 80, tls=None, proxy=proxy, deadline=Deadline(5), tunnel=tunnel)
        assert str(caught.value) == (
            f"the proxy {proxy.url} cannot be reached (Connection refused): "
            "check the proxy setting, or HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY"
        )
        assert isinstance(caught.value.__cause__, ConnectionRefusedError)

    def test_an_unknown_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*_: object, **__: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        with pytest.raises(ProxyError, match=r"the proxy http://proxy.test:1 cannot be reached \(Name or"):
            connect(1, proxy=Proxy("proxy.test", 1))

    def test_a_silent_proxy(self) -> None:
        with (
            silent_port() as port,
            pytest.raises(ProxyTimeout, match=f"http://127.0.0.1:{port} did not answer"),
        ):
            connect(1, seconds=0.3, proxy=Proxy("127.0.0.1", port))

    @pytest.mark.parametrize("setting", ["http://proxy..test:1", "http://" + "x" * 64 + "ü.test:1"])
    def test_a_proxy_with_an_invalid_name(self, setting: str) -> None:
        with pytest.raises(ProxyError, match="cannot be reached"):
            connect(1, proxy=proxy_for("http://chat.test", setting))

    def test_it_is_asked_for_a_checked_address(self) -> None:
        asked = []

        def play(peer: Peer) -> None:
            asked.append(peer.read_head().split(b" ")[1])
            peer.send(b"HTTP/1.0 200 OK\r\n\r\n")
            peer.until_gone()

        checked = [
            Address(socket.AF_INET6, 1, 6, ("2001:db8::1", 1)),
            Address(socket.AF_INET, 1, 6, ("192.0.2.1", 1)),
        ]
        with serving(play) as proxy:
            for addresses in (checked, checked[:1]):
                dial(
                    "chat.test",
                    1,
                    tls=None,
                    proxy=Proxy("127.0.0.1", proxy.port),
                    deadline=Deadline(5),
                    addresses=addresses,
                ).close()
        assert asked == [b"192.0.2.1:1", b"[2001:db8::1]:1"]


class TestAborting:
    """Another thread ends it, whatever it is waiting for."""

    def abort(self, port: int, stage: int, *, tls: bool = False, proxy: Proxy | None = None) -> None:
        published: list[AbortableWait | SocketGuard] = []
        with ThreadPoolExecutor(1) as pool:
            dialled = pool.submit(connect, port, seconds=30, tls=tls, proxy=proxy, publish=published.append)
            deadline = Deadline(5)
            while len(published) <= stage:
                assert not deadline.expired
                time.sleep(0.001)
            time.sleep(0.05)  # into the wait that lasts
            began = time.monotonic()
            published[-1].abort()
            with pytest.raises(Aborted):
                dialled.result(5)
            assert time.monotonic() - began < 1
        assert len(published) == stage + 1

    def test_while_connecting(self) -> None:
        with silent_port() as port:
            self.abort(port, 0)

    def test_while_connecting_to_several(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with silent_port() as port:
            addresses(monkeypatch, port, port)
            self.abort(port, 0)

    def test_while_connecting_to_the_proxy(self) -> None:
        with silent_port() as port:
            self.abort(1, 0, proxy=Proxy("127.0.0.1", port))

    def test_during_the_tls_handshake(self) -> None:
        with serving(Peer.until_gone) as server:
            self.abort(server.port, 1, tls=True)

    def test_during_the_exchange_with_the_proxy(self) -> None:
        with serving(Peer.until_gone) as server:
            self.abort(1, 1, proxy=Proxy("127.0.0.1", server.port))

    def test_before_it_begins(self) -> None:
        with pytest.raises(Aborted):
            connect(1, host="chat.test", publish=lambda made: made.abort())

    def test_after_it_is_over_it_does_nothing(self) -> None:
        published: list[AbortableWait | SocketGuard] = []
        with serving(greet) as server:
            guard = connect(server.port, publish=published.append)
            published[0].abort()
            assert greeting(guard) == b"hello"


class TestFork:
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_a_child_has_no_copy_of_what_is_being_connected(self) -> None:
        with silent_port() as port, ThreadPoolExecutor(1) as pool:
            before = len(os.listdir("/proc/self/fd"))
            published: list[AbortableWait | SocketGuard] = []
            dialled = pool.submit(connect, port, seconds=30, publish=published.append)
            deadline = Deadline(5)
            while len(os.listdir("/proc/self/fd")) < before + 3:  # a pair to abort it by, and the socket
                assert not deadline.expired
                time.sleep(0.001)
            child = os.fork()
            if child == 0:
                os._exit(0 if len(os.listdir("/proc/self/fd")) == before else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            published[0].abort()
            with pytest.raises(Aborted):
                dialled.result(5)
