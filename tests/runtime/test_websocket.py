"""One WebSocket against a server that misbehaves in every way: what is reported, what is answered, what is left."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Queue

import pytest
import websocket

from arinova_agent_sync.net import dial as dialing
from arinova_agent_sync.net.deadline import Deadline
from arinova_agent_sync.net.proxies import Proxy
from arinova_agent_sync.protocol import websocket_frames
from arinova_agent_sync.runtime.websocket import WebSocket
from arinova_agent_sync.runtime.websocket_errors import (
    BinaryMessage,
    MessageTooLarge,
    WebSocketClosed,
    WebSocketError,
    WriteFailed,
)

from .fault_server import Behaviour, Peer, client_context, connect_proxy, descriptors, frame, serving

LIMIT = 100_000


class Connected:
    """A link to a server that upgrades and then behaves as told."""

    def __init__(
        self, behaviour: Behaviour, *, tls: bool = False, send: float = 5, silence: float = 5
    ) -> None:
        def play(peer: Peer) -> None:
            peer.upgrade()
            behaviour(peer)

        self._serving = serving(play, tls=tls)
        self._send, self._silence = send, silence

    def __enter__(self) -> WebSocket:
        self._link = link_to(self._serving.__enter__().url, send=self._send, silence=self._silence)
        self._link.open(Deadline(5))
        return self._link

    def __exit__(self, *_: object) -> None:
        self._link.close()
        self._serving.__exit__(None, None, None)


def link_to(url: str, *, proxy: Proxy | None = None, send: float = 5, silence: float = 5) -> WebSocket:
    return WebSocket(
        url,
        ssl_context=client_context(),
        proxy=proxy,
        max_message_bytes=LIMIT,
        send_timeout=send,
        silence_timeout=silence,
    )


def sends(*parts: bytes) -> Behaviour:
    def play(peer: Peer) -> None:
        for part in parts:
            peer.send(part)
        peer.until_gone()

    return play


def echo(peer: Peer) -> None:
    while True:
        opcode, payload = peer.read_frame()
        peer.send(frame(payload, opcode))


class TestTalking:
    @pytest.mark.parametrize("tls", [False, True])
    def test_texts_of_every_length(self, tls: bool) -> None:
        texts = [b"", b"a", b"b" * 125, b"c" * 126, b"d" * 65535, b"e" * 65536, "ü".encode() * 50_000]
        with Connected(echo, tls=tls) as link:
            for text in texts:
                link.send_text(text)
                assert link.receive() == text
            assert link.send_texts(texts[:4]) == sum(
                len(websocket_frames.text_frame(text, b"mask")) for text in texts[:4]
            )
            assert [link.receive() for _ in range(4)] == texts[:4]
            assert link.send_texts([]) == 0

    def test_no_mask_key_is_used_twice(self) -> None:
        keys: list[bytes] = []

        def play(peer: Peer) -> None:
            while len(keys) < 2000:
                peer.read(2)
                keys.append(peer.read(4))
                peer.read(1)
            peer.send(frame(b"done"))
            peer.until_gone()

        with Connected(play) as link:
            for _ in range(10):
                link.send_texts([b"a"] * 190)
                for _ in range(10):
                    link.send_text(b"b")
            assert link.receive() == b"done"
        assert len(set(keys)) == 2000

    def test_frames_right_behind_the_answer(self) -> None:
        with serving(
            lambda peer: peer.upgrade(frame(b"early") + frame(b"bird")) and peer.until_gone()
        ) as server:
            link = link_to(server.url)
            link.open(Deadline(5))
            assert [link.receive(), link.receive()] == [b"early", b"bird"]
            link.close()

    def test_the_request(self) -> None:
        requests = []

        def play(peer: Peer) -> None:
            requests.append(peer.upgrade())
            peer.until_gone()

        with serving(play) as server:
            link = link_to(server.url)
            link.open(Deadline(5))
            link.close()
        assert requests[0].startswith(b"GET /ws/agent HTTP/1.1\r\n")
        assert b"Host: 127.0.0.1:%d\r\n" % server.port in requests[0]
        assert b"Origin" not in requests[0]
        assert b"Authorization" not in requests[0]
        assert b"Extensions" not in requests[0]

    def test_pings_are_handed_to_the_owner(self) -> None:
        with Connected(
            sends(frame(b"one", 9) + frame(b"pong", 10) + frame(b"two", 9) + frame(b"text"))
        ) as link:
            pings: list[bytes] = []
            link.on_ping = pings.append
            assert link.receive() == b"text"
            assert pings == [b"one", b"two"]

    def test_pings_without_an_owner_are_ignored(self) -> None:
        with Connected(sends(frame(b"ping", 9) + frame(b"text"))) as link:
            assert link.receive() == b"text"

    def test_a_binary_message_passes_by_and_is_told(self) -> None:
        with Connected(sends(frame(b"\xff" * 1000, 2) + frame(b"text"))) as link:
            with pytest.raises(BinaryMessage, match="a binary message of 1000 bytes"):
                link.receive()
            assert link.receive() == b"text"

    def test_control_frames(self) -> None:
        seen = []

        def play(peer: Peer) -> None:
            seen.extend(peer.read_frame() for _ in range(3))
            peer.until_gone()

        with Connected(play) as link:
            link.send_control(websocket_frames.PING, b"hi")
            link.send_control(websocket_frames.PONG)
            link.send_close(1000, "bye")
            with pytest.raises(WriteFailed):  # a close frame is the last
                link.send_text(b"more")
        assert seen == [
            (websocket_frames.PING, b"hi"),
            (websocket_frames.PONG, b""),
            (websocket_frames.CLOSE, b"\x03\xe8bye"),
        ]

    @pytest.mark.parametrize("orderly", [True, False])
    def test_only_a_link_that_is_given_up_is_reset(self, orderly: bool) -> None:
        closed, was_reset = threading.Event(), Queue[bool]()

        def play(peer: Peer) -> None:
            assert closed.wait(5)
            with suppress(ConnectionError):
                while peer.sock.recv(65536):
                    pass
            was_reset.put(bool(peer.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))

        with Connected(play) as link:
            link.send_text(b"x" * 1_000)
            if orderly:
                link.send_close(1000)
            link.close()
            closed.set()
            assert was_reset.get(timeout=5) is not orderly

    def test_through_a_proxy(self) -> None:
        def play(peer: Peer) -> None:
            peer.upgrade()
            echo(peer)

        with serving(play, tls=True) as server, serving(connect_proxy("user:secret")) as proxy:
            link = link_to(server.url, proxy=Proxy("127.0.0.1", proxy.port, "user", "secret"))
            link.open(Deadline(5))
            link.send_text(b"hello")
            assert link.receive() == b"hello"
            link.close()

    def test_the_environment_is_not_asked_for_a_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        with Connected(echo) as link:
            link.send_text(b"straight")
            assert link.receive() == b"straight"


def answers(head: bytes, body: bytes = b"") -> Behaviour:
    def play(peer: Peer) -> None:
        peer.read_head()
        peer.send(head.replace(b"\n", b"\r\n") + b"\r\n" + body)
        peer.until_gone()

    return play


def wrong_key(peer: Peer) -> None:
    peer.send(peer.accept_answer(peer.read_head().replace(b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Key: x")))
    peer.until_gone()


def endless_head(peer: Peer) -> None:
    peer.read_head()
    with suppress(OSError):
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\n" + b"X-Filler: aaaaaaaaaaaaaa\r\n" * 10_000)
    peer.until_gone()


def reset(peer: Peer) -> None:
    peer.read_head()
    peer.reset()


class TestOpening:
    @pytest.mark.parametrize(
        ("behaviour", "kind", "status"),
        [
            (answers(b"HTTP/1.1 401 Unauthorized\nSet-Cookie: secret\n", b"secret"), "upgrade", 401),
            (answers(b"HTTP/1.1 403 Forbidden\nContent-Length: 1000000000\n", b"secret"), "upgrade", 403),
            (answers(b"HTTP/1.1 404 Not Found\nContent-Length: 6\n", b"secret"), "upgrade", 404),
            (answers(b"HTTP/1.1 200 OK\nContent-Length: 6\n", b"secret"), "upgrade", 200),
            (answers(b"HTTP/1.1 302 Found\nLocation: ws://secret.test/\n"), "upgrade", 302),
            (answers(b"HTTP/1.1 301 Moved\n"), "upgrade", 301),
            (answers(b"HTTP/1.1 503 Service Unavailable\nRetry-After: secret\n"), "upgrade", 503),
            (answers(b"HTTP/1.1 101 Switching Protocols\n"), "upgrade", 0),
            (answers(b"HTTP/1.1 101 Switching Protocols\nsecret\n"), "upgrade", 0),
            (answers(b"SSH-2.0-secret\n"), "upgrade", 0),
            (answers(b"\xff\xfe\n"), "upgrade", 0),
            (wrong_key, "upgrade", 0),
            (endless_head, "upgrade", 0),
            (lambda peer: None, "closed", 0),
            (lambda peer: peer.read_head() and None, "closed", 0),
            (lambda peer: peer.read_head() and peer.send(b"HTTP/1.1 101 Swi"), "closed", 0),
            (reset, "reset", 0),
        ],
    )
    def test_what_a_server_may_answer(self, behaviour: Behaviour, kind: str, status: int) -> None:
        with serving(behaviour) as server:
            error = refused(link_to(server.url))
        if kind == "closed":  # depending on what was unread, the end comes as a reset
            assert error.kind in ("closed", "reset")
        else:
            assert error.kind == kind
        assert error.status == status
        assert "secret" not in str(error)
        assert not status or f"HTTP {status}" in str(error)

    @pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
    @pytest.mark.parametrize(
        ("value", "seconds"), [("4", 4.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("soon", None)]
    )
    def test_a_server_that_asks_to_be_left_alone(
        self, status: str, value: str, seconds: float | None
    ) -> None:
        with serving(answers(f"HTTP/1.1 {status}\nretry-after: {value}\n".encode())) as server:
            error = refused(link_to(server.url))
        assert error.retry_after == seconds
        assert "the agent waits before it tries again" in str(error)
        assert "server_url" not in str(error)

    @pytest.mark.parametrize(
        ("header", "what"),
        [
            (b"Sec-WebSocket-Protocol: chat", "a subprotocol"),
            (b"sec-websocket-protocol:chat", "a subprotocol"),
            (b"Sec-WebSocket-Extensions: permessage-deflate", "an extension"),
        ],
    )
    def test_what_nobody_offered_is_refused(self, header: bytes, what: str) -> None:
        sent: list[bytes] = []

        def play(peer: Peer) -> None:
            answer = peer.accept_answer(peer.read_head())
            peer.send(answer.replace(b"\r\n\r\n", b"\r\n" + header + b"\r\n\r\n"))
            sent.append(peer.sock.recv(1))

        with serving(play) as server:
            error = refused(link_to(server.url))
            assert (error.kind, error.status) == ("upgrade", 0)
            assert f"chose {what} that was not offered" in str(error)
        assert sent == [b""]

    @pytest.mark.slow
    @pytest.mark.parametrize("drips", [False, True])
    @pytest.mark.parametrize("tls", [False, True])
    def test_one_deadline_over_all_of_it(self, drips: bool, tls: bool) -> None:
        def play(peer: Peer) -> None:
            if tls:
                peer.start_tls()
            peer.read_head()
            if drips:
                peer.drip(b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: y\r\n" * 100)
            peer.until_gone()

        with serving(play, tls=tls) as server:
            began = time.monotonic()
            error = refused(link_to(server.url), 0.3)
            assert 0.3 <= time.monotonic() - began < 5
        assert error.kind == "timeout"

    def test_nobody_listens(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        assert refused(link_to(f"ws://127.0.0.1:{port}")).kind == "refused"
        proxied = link_to("wss://chat.test", proxy=Proxy("127.0.0.1", port))
        error = refused(proxied)
        assert error.kind == "proxy"
        assert f"the proxy http://127.0.0.1:{port} cannot be reached (Connection refused)" in str(error)

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "dns"),
            (UnicodeError("label empty or too long"), "dns"),
            (OSError(errno.ENETUNREACH, "Network is unreachable"), "unreachable"),
            (TimeoutError(), "timeout"),
        ],
    )
    def test_the_network(self, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(dialing.socket, "getaddrinfo", fail)
        raised = refused(link_to("ws://chat.test"))
        assert raised.kind == kind
        assert raised.__cause__ is error

    def test_a_bug_of_ours_is_not_taken_for_the_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(websocket.WebSocket, "connect", lambda *_, **__: 1 / 0)
        with serving(Peer.until_gone) as server, pytest.raises(ZeroDivisionError):
            link_to(server.url).open(Deadline(5))

    def test_a_certificate_nobody_vouches_for(self) -> None:
        with serving(lambda peer: peer.start_tls(), tls=True) as server:
            link = WebSocket(server.url, max_message_bytes=LIMIT, send_timeout=5, silence_timeout=5)
            error = refused(link)
        assert error.kind == "tls"
        assert "certificate" in str(error)
        assert "ssl_context" in str(error)

    def test_tls_where_there_is_none(self) -> None:
        with serving(sends(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
            assert refused(link_to(server.url.replace("ws:", "wss:"))).kind == "tls"

    def test_wrong_credentials_for_the_proxy(self) -> None:
        with serving(connect_proxy("user:other")) as proxy:
            error = refused(
                link_to("wss://chat.test", proxy=Proxy("127.0.0.1", proxy.port, "user", "secret"))
            )
        assert (error.kind, error.status) == ("proxy", 407)
        assert "password" in str(error)
        assert "secret" not in str(error)

    def test_nothing_is_logged_by_websocket_client(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        logged = []

        def play(peer: Peer) -> None:
            peer.read_head()
            peer.send(b"HTTP/1.1 401 Unauthorized\r\nSet-Cookie: secret\r\n\r\n")

        class Chatty(websocket.WebSocket):
            def connect(self, url: str, **options: object) -> None:
                logging.getLogger("websocket").error("secret")
                logged.append(url)
                super().connect(url, **options)

        with serving(play) as server, pytest.MonkeyPatch.context() as patch:
            patch.setattr(websocket, "WebSocket", Chatty)
            refused(link_to(server.url))
        assert logged
        assert [record for record in caplog.records if record.name == "websocket"] == []
        logging.getLogger("websocket").error("another program's")
        assert [record.getMessage() for record in caplog.records] == ["another program's"]


def refused(link: WebSocket, seconds: float = 5) -> WebSocketError:
    with pytest.raises(WebSocketError) as caught:
        link.open(Deadline(seconds))
    assert caught.value.__cause__ is not None
    with pytest.raises(WebSocketError):
        link.receive()
    with pytest.raises(WriteFailed):
        link.send_text(b"a")
    return caught.value


class TestReceiving:
    @pytest.mark.parametrize(
        ("data", "kind", "code"),
        [
            (b"\x83\x00", "protocol", 1002),
            (b"\x81\x81aaaaa", "protocol", 1002),
            (b"\xf1\x01a", "protocol", 1002),
            (b"\x80\x01a", "protocol", 1002),
            (frame(b"a" * 126, 9), "protocol", 1002),
            (frame(b"\x03\xed", 8), "protocol", 1002),  # 1005 is never on the wire
            (frame(b"\xff"), "utf8", 1007),
            (frame(b"a", fin=False) + frame(b"\xc3", 0), "utf8", 1007),
            (frame(b"", announce=1 << 62), "too_large", 1009),
        ],
    )
    def test_a_breach_of_the_protocol_is_answered(self, data: bytes, kind: str, code: int) -> None:
        answered = []

        def play(peer: Peer) -> None:
            peer.send(frame(b"good") + data)
            answered.append(peer.read_frame())
            peer.until_gone()

        with Connected(play) as link:
            assert link.receive() == b"good"
            with pytest.raises(WebSocketError) as caught:
                link.receive()
            assert caught.value.kind == kind
            with pytest.raises(WriteFailed):
                link.send_text(b"a")
        assert answered == [(websocket_frames.CLOSE, code.to_bytes(2, "big"))]

    @pytest.mark.parametrize(
        ("payload", "code", "reason", "echoed"),
        [(b"\x03\xe8", 1000, "", 1000), (b"\x0f\xa8gone", 4008, "gone", 4008), (b"", 1005, "", 1000)],
    )
    def test_a_close_frame(self, payload: bytes, code: int, reason: str, echoed: int) -> None:
        answered = []

        def play(peer: Peer) -> None:
            peer.send(frame(payload, 8))
            answered.append(peer.read_frame())
            peer.until_gone()

        with Connected(play) as link, pytest.raises(WebSocketClosed) as caught:
            link.receive()
        assert (caught.value.kind, caught.value.code, caught.value.reason) == ("closed", code, reason)
        assert str(code) in str(caught.value)
        assert answered == [(websocket_frames.CLOSE, echoed.to_bytes(2, "big"))]

    def test_a_goodbye_does_not_wait_for_a_peer_that_reads_nothing(self) -> None:
        with Connected(stop_reading(frame(b"", 8)), send=0.1) as link:
            with pytest.raises(WriteFailed):
                link.send_text(bytes(20_000_000))
            with pytest.raises(WebSocketClosed):
                link.receive()

    @pytest.mark.parametrize(
        "cut", [frame(b"abc")[:1], frame(b"abc")[:4], frame(b"a" * 70_000)[:69_000], b""]
    )
    @pytest.mark.parametrize("tls", [False, True])
    def test_the_end_of_the_stream(self, cut: bytes, tls: bool) -> None:
        with Connected(lambda peer: peer.send(frame(b"good") + cut), tls=tls) as link:
            assert link.receive() == b"good"
            with pytest.raises(WebSocketError) as caught:
                link.receive()
        assert caught.value.kind == "closed"

    def test_a_reset(self) -> None:
        with Connected(Peer.reset) as link, pytest.raises(WebSocketError) as caught:
            link.receive()
        assert caught.value.kind == "reset"
        assert isinstance(caught.value.__cause__, ConnectionResetError)

    def test_silence(self) -> None:
        with Connected(sends(frame(b"a")[:1]), silence=0.1) as link, pytest.raises(WebSocketError) as caught:
            link.receive()
        assert caught.value.kind == "timeout"
        assert "0.1 s" in str(caught.value)

    @pytest.mark.slow
    def test_any_byte_ends_the_silence(self) -> None:
        def play(peer: Peer) -> None:
            peer.drip(frame(b"a" * 30), 0.02)
            peer.until_gone()

        with Connected(play, silence=0.4) as link:
            assert link.receive() == b"a" * 30

    def test_a_deadline_leaves_the_link_usable(self) -> None:
        release = threading.Event()

        def play(peer: Peer) -> None:
            peer.send(frame(b"abc")[:3])
            release.wait(5)
            peer.send(frame(b"abc")[3:])
            peer.until_gone()

        with Connected(play) as link:
            with pytest.raises(WebSocketError) as caught:
                link.receive(Deadline(0.1))
            assert caught.value.kind == "timeout"
            release.set()
            assert link.receive(Deadline(5)) == b"abc"

    def test_a_deadline_holds_although_frames_arrive(self) -> None:
        def play(peer: Peer) -> None:
            while True:
                peer.send(frame(b"", 9) * 100)

        with Connected(play) as link, pytest.raises(WebSocketError) as caught:
            link.receive(Deadline(0.2))
        assert caught.value.kind == "timeout"

    def test_a_message_above_the_limit_passes_by(self) -> None:
        with Connected(sends(frame(b"a" * LIMIT), frame(b"a" * 30 * LIMIT), frame(b"after"))) as link:
            assert link.receive() == b"a" * LIMIT
            with pytest.raises(MessageTooLarge) as caught:
                link.receive()
            assert (caught.value.size, caught.value.limit) == (30 * LIMIT, LIMIT)
            assert link.receive() == b"after"

    def test_five_thousand_tiny_fragments(self) -> None:
        fragments = frame(b"a", fin=False) + frame(b"a", 0, fin=False) * 4998 + frame(b"a", 0)
        with Connected(sends(fragments + frame(b"after"))) as link:
            with pytest.raises(MessageTooLarge):
                link.receive()
            assert link.receive() == b"after"


def stop_reading(first: bytes = b"") -> Behaviour:
    """Upgrade, then read nothing until the client has left."""

    def play(peer: Peer) -> None:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.send(first)
        while True:
            time.sleep(0.02)
            peer.send(frame(b"", 10))  # fails once the client has left

    return play


class TestWriting:
    def test_a_peer_that_stops_reading(self) -> None:
        """The texts that left whole are known; the stream behind them is poisoned."""
        with Connected(stop_reading(), send=0.2) as link:
            texts = [b"a" * 100_000] * 200
            began = time.monotonic()
            with pytest.raises(WriteFailed, match="takes no more bytes") as caught:
                link.send_texts(texts)
            assert 0.2 <= time.monotonic() - began < 5
            assert caught.value.kind == "write"
            assert 0 < caught.value.sent < 20_000_000
            assert 0 < websocket_frames.whole(texts, caught.value.sent) < 200
            assert isinstance(caught.value.__cause__, TimeoutError)
            with pytest.raises(WriteFailed, match="earlier write") as caught:
                link.send_text(b"a")
            assert caught.value.sent == 0

    @pytest.mark.parametrize("before", [False, True])
    def test_a_write_is_shortened(self, before: bool) -> None:
        with Connected(stop_reading(), send=30) as link, ThreadPoolExecutor(1) as pool:
            if before:
                link.stop_by(Deadline(0.1))
            writing = pool.submit(link.send_text, bytes(20_000_000))
            if not before:
                waiting(link)
                link.stop_by(Deadline(0.1))
            began = time.monotonic()
            with pytest.raises(WriteFailed):
                writing.result(5)
            assert time.monotonic() - began < 5

    def test_a_deadline_set_before_opening_holds(self) -> None:
        with serving(lambda peer: peer.upgrade() and stop_reading()(peer)) as server:
            link = link_to(server.url)
            link.stop_by(Deadline(0.2))
            link.open(Deadline(5))
            with pytest.raises(WriteFailed):
                link.send_text(bytes(20_000_000))
            link.close()

    def test_after_a_reset(self) -> None:
        with Connected(Peer.reset) as link:
            with pytest.raises(WebSocketError):
                link.receive()
            with suppress(WriteFailed):
                link.send_text(b"a")  # what came of it may show at the next write only
            with pytest.raises(WriteFailed):
                link.send_text(b"a")

    def test_an_interrupted_write_poisons(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with Connected(Peer.until_gone) as link:
            assert link._guard is not None

            def interrupt(*_: object) -> None:
                raise KeyboardInterrupt

            with monkeypatch.context() as patch:
                patch.setattr(link._guard, "send_all", interrupt)
                with pytest.raises(KeyboardInterrupt):
                    link.send_text(b"a")
            with pytest.raises(WriteFailed):
                link.send_text(b"a")

    def test_before_opening(self) -> None:
        link = link_to("ws://127.0.0.1:1")
        with pytest.raises(WriteFailed):
            link.send_text(b"a")
        with pytest.raises(WebSocketError):
            link.receive()


def waiting(link: WebSocket, threads: int = 1) -> None:
    deadline = Deadline(5)
    while link._guard is None or link._guard._waiting < threads:
        assert not deadline.expired
        time.sleep(0.001)


class TestEnding:
    @pytest.mark.parametrize("end", [WebSocket.abort, WebSocket.close])
    @pytest.mark.parametrize("tls", [False, True])
    def test_reader_and_writer_return_at_once(self, end: Callable[[WebSocket], None], tls: bool) -> None:
        for _ in range(3):
            with Connected(stop_reading(), tls=tls) as link, ThreadPoolExecutor(2) as pool:
                reading = pool.submit(read_on, link)
                writing = pool.submit(link.send_text, bytes(20_000_000))
                waiting(link)
                began = time.monotonic()
                end(link)
                assert reading.result(5).kind == "aborted"
                with pytest.raises(WriteFailed):
                    writing.result(5)
                assert time.monotonic() - began < 5

    @pytest.mark.parametrize("end", [WebSocket.abort, WebSocket.close])
    def test_before_opening(self, end: Callable[[WebSocket], None]) -> None:
        with serving(Peer.upgrade) as server:
            link = link_to(server.url)
            end(link)
            assert refused(link).kind == "aborted"

    def test_during_the_look_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        link = link_to("ws://chat.test")

        def look_up(*_: object, **__: object) -> list[object]:
            link.abort()
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]

        monkeypatch.setattr(dialing.socket, "getaddrinfo", look_up)
        assert refused(link).kind == "aborted"

    @pytest.mark.parametrize("tls", [False, True])
    def test_during_the_handshakes(self, tls: bool) -> None:
        with serving(Peer.until_gone) as server, ThreadPoolExecutor(1) as pool:
            link = link_to(server.url.replace("ws:", "wss:") if tls else server.url)
            opening = pool.submit(refused, link, 30)
            waiting(link)
            link.abort()
            assert opening.result(5).kind == "aborted"

    def test_at_any_moment(self) -> None:
        def play(peer: Peer) -> None:
            peer.upgrade()
            while True:
                peer.send(frame(b"a" * 100))

        with serving(play, tls=True) as server:
            for turn in range(30):
                link = link_to(server.url)
                with ThreadPoolExecutor(1) as pool:
                    reading = pool.submit(open_and_read, link)
                    time.sleep(turn * 0.0005)
                    link.abort()
                    assert reading.result(5).kind == "aborted"
                link.close()

    def test_a_forked_child_leaves_the_connection_alone(self) -> None:
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:  # plays the server: no thread may run where a process forks
            ours.close()
            with socket.create_server(("127.0.0.1", 0)) as listener:
                theirs.send(listener.getsockname()[1].to_bytes(2, "big"))
                peer = Peer(listener.accept()[0], None)
                peer.upgrade()
                with suppress(EOFError):
                    echo(peer)
            os._exit(0)
        theirs.close()
        link = link_to(f"ws://127.0.0.1:{int.from_bytes(ours.recv(2), 'big')}/")
        link.open(Deadline(5))
        fork = os.fork()
        if fork == 0:
            link.abandon()
            with suppress(WriteFailed):
                link.send_text(b"a")
                os._exit(1)
            os._exit(descriptors() and 7)
        assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 7
        link.send_text(b"still here")
        assert link.receive() == b"still here"
        link.close()
        ours.close()
        os.waitpid(child, 0)


def read_on(link: WebSocket) -> WebSocketError:
    try:
        while True:
            link.receive()
    except WebSocketError as error:
        return error


def open_and_read(link: WebSocket) -> WebSocketError:
    try:
        link.open(Deadline(5))
    except WebSocketError as error:
        return error
    return read_on(link)


@pytest.mark.parametrize(
    ("leave", "broken"),
    [
        (lambda peer: peer.reset(), True),
        (lambda peer: None, True),  # a FIN
        (lambda peer: peer.send(frame(b"\x03\xe8", 8)), False),  # 1000
        (lambda peer: peer.send(frame(b"\x03\xe9", 8)), False),  # 1001, going away
        (lambda peer: peer.send(frame(b"\x03\xf4", 8)), False),  # 1012, restarting
        (lambda peer: peer.send(frame(b"\x03\xf5", 8)), False),  # 1013, try later
        (lambda peer: peer.send(frame(b"\x03\xf1", 8)), True),  # 1009, too big
        (lambda peer: peer.send(frame(b"", 8)), True),  # no code
        (
            lambda peer: peer.send(frame(b"x", 5)),
            False,
        ),  # what breaks the rules is no fault of a frame of ours
        (lambda peer: time.sleep(0.3), False),  # silence
    ],
    ids=["RST", "FIN", "1000", "1001", "1012", "1013", "1009", "no code", "breach", "silence"],
)
def test_whether_the_peer_broke_it(leave: Behaviour, broken: bool) -> None:
    with Connected(leave, silence=0.1) as link:
        assert not link.broken
        with pytest.raises(WebSocketError):
            link.receive()
        assert link.broken is broken
        assert not link.cut


def test_what_this_side_ends_the_peer_did_not_break() -> None:
    with Connected(Peer.until_gone) as link:
        link.abort()
        with pytest.raises(WebSocketError):
            link.receive()
        with pytest.raises(WriteFailed):
            link.send_text(b"late")
        assert not link.broken


@pytest.mark.parametrize("resets", [False, True])
def test_a_frame_that_left_in_part(resets: bool) -> None:
    stay = threading.Event()

    def play(peer: Peer) -> None:
        peer.read(1_000)
        if resets:
            peer.reset()
        else:
            stay.wait(5)

    with Connected(play, send=0.2) as link:
        with pytest.raises(WriteFailed):
            link.send_text(b"x" * 50_000_000)
        assert link.cut
        assert link.broken is resets
        stay.set()


def test_a_goodbye_is_no_part_of_a_frame() -> None:
    with Connected(Peer.until_gone) as link:
        link.send_close(1000)
        assert not link.cut


def test_a_deadline_passes_whatever_may_be_said_of_the_silence() -> None:
    with Connected(Peer.until_gone, silence=0.05) as link:
        link.on_silence = lambda: 5.0
        begin = time.monotonic()
        with pytest.raises(WebSocketError, match="did not answer in time"):
            link.receive(Deadline(0.2))
        assert time.monotonic() - begin < 2.0
