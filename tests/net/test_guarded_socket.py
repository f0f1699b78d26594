"""The guard's promises: nothing lost, nothing blocked for ever, no descriptor left or closed too early."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arinova_agent_sync.net.deadline import Deadline
from arinova_agent_sync.net.guarded_socket import Aborted, SendFailed, SocketGuard

from ..runtime.fault_server import client_context, descriptors, server_context


@pytest.fixture(params=["plain", "tls"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[SocketGuard, socket.socket]]:
    guard, peer = pair(tls=request.param == "tls")
    yield guard, peer
    guard.close()
    peer.close()


def pair(*, tls: bool, buffer: int = 0) -> tuple[SocketGuard, socket.socket]:
    """Connect a guard and a blocking socket with each other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    guard = SocketGuard(sock)
    if tls:
        with ThreadPoolExecutor(1) as pool:
            server = pool.submit(server_context().wrap_socket, peer, server_side=True)
            guard.start_tls(client_context(), "127.0.0.1", Deadline(5))
            peer = server.result()
    return guard, peer


def receive(guard: SocketGuard, size: int, silence: float | None = 5, by: Deadline | None = None) -> bytes:
    data = bytearray()
    buffer = memoryview(bytearray(65536))
    while len(data) < size:
        count = guard.receive_into(buffer[: size - len(data)], silence, by)
        if not count:
            break
        data += buffer[:count]
    return bytes(data)


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except BaseException as error:
        return error


@pytest.mark.slow
@pytest.mark.parametrize("discards", [True, False])
def test_what_was_not_sent_yet_is_discarded_on_demand_alone(discards: bool) -> None:
    guard, peer = pair(tls=False, buffer=4_096)
    with peer:
        with pytest.raises(SendFailed) as failed:
            guard.send_all(b"x" * 1_000_000, 0.05)
        if discards:
            guard.discard_unsent()
        guard.close()
        received = 0
        peer.settimeout(5)
        with suppress(ConnectionError):
            while data := peer.recv(65_536):
                received += len(data)
    assert (received < failed.value.sent) is discards


class TestReceiving:
    def test_what_arrived_at_once(self, ends: tuple[SocketGuard, socket.socket]) -> None:
        guard, peer = ends
        peer.sendall(b"abc")
        assert receive(guard, 3) == b"abc"
        peer.sendall(b"d" * 200_000)
        assert receive(guard, 200_000) == b"d" * 200_000

    @pytest.mark.parametrize("size", [1, 100, 16384])
    def test_a_full_buffer_leaves_nothing_behind(
        self, ends: tuple[SocketGuard, socket.socket], size: int
    ) -> None:
        """TLS keeps what did not fit of a record, and poll does not know of it."""
        guard, peer = ends
        data = os.urandom(16384)
        peer.sendall(data)
        buffer = memoryview(bytearray(size))
        found = b""
        while len(found) < len(data):
            found += buffer[: guard.receive_into(buffer, 1)]
        assert found == data

    def test_the_end_of_the_stream(self, ends: tuple[SocketGuard, socket.socket]) -> None:
        guard, peer = ends
        peer.sendall(b"abc")
        peer.close()
        assert receive(guard, 10) == b"abc"
        assert guard.receive_into(memoryview(bytearray(10))) == 0

    def test_silence(self, ends: tuple[SocketGuard, socket.socket]) -> None:
        guard, _ = ends
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            guard.receive_into(memoryview(bytearray(10)), 0.1)
        assert 0.1 <= time.monotonic() - began < 5

    @pytest.mark.slow
    def test_each_sign_of_life_ends_the_silence(self) -> None:
        """A part of a TLS record is one, though there is nothing to read yet."""
        ours, theirs = socket.socketpair()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = server_context().wrap_bio(incoming, outgoing, server_side=True)

        def play() -> None:
            while outcome(server.do_handshake):
                theirs.sendall(outgoing.read())
                incoming.write(theirs.recv(65536))
            theirs.sendall(outgoing.read())
            server.write(b"abc")
            for byte in outgoing.read():
                theirs.sendall(bytes((byte,)))
                time.sleep(0.03)

        guard = SocketGuard(ours)
        with ThreadPoolExecutor(1) as pool:
            playing = pool.submit(play)
            guard.start_tls(client_context(), "127.0.0.1", Deadline(5))
            began = time.monotonic()
            assert receive(guard, 3, silence=0.4) == b"abc"
            assert time.monotonic() - began > 0.4
            playing.result()
        guard.close()
        theirs.close()

    def test_a_deadline_holds_although_bytes_arrive(self, ends: tuple[SocketGuard, socket.socket]) -> None:
        guard, peer = ends
        peer.sendall(b"a" * 1000)
        by = Deadline(0.15)
        while not by.expired:
            peer.sendall(b"a")
            guard.receive_into(memoryview(bytearray(1)), 5, Deadline(1))
        with pytest.raises(TimeoutError):
            guard.receive_into(memoryview(bytearray(1)), 5, by)


class TestSending:
    @settings(max_examples=60, deadline=None)
    @given(st.binary(min_size=1, max_size=300), st.lists(st.integers(0, 40), max_size=40), st.integers(0, 40))
    def test_a_socket_that_takes_a_few_bytes_at_a_time(
        self, data: bytes, portions: list[int], fails_at: int
    ) -> None:
        """Everything leaves once and in order, or the error says exactly how much did."""
        portions = [*portions, *[40] * 10]

        class Stingy(socket.socket):
            taken = b""
            calls = 0

            def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
                self.calls += 1
                if self.calls == fails_at:
                    raise ConnectionResetError
                portion = portions[self.calls - 1] if self.calls <= len(portions) else 40
                if not portion:
                    raise BlockingIOError
                self.taken += bytes(data[:portion])
                return min(portion, len(data))

        ours, theirs = socket.socketpair()
        with theirs, Stingy(fileno=ours.detach()) as sock:
            failure = outcome(lambda: SocketGuard(sock).send_all(data, 5))
            if failure is None:
                assert sock.taken == data
            else:
                assert isinstance(failure, SendFailed)
                assert isinstance(failure.__cause__, ConnectionResetError)
                assert sock.taken == data[: failure.sent]
                assert sock.calls == fails_at

    def test_more_than_the_kernel_holds(self, ends: tuple[SocketGuard, socket.socket]) -> None:
        guard, peer = ends
        data = os.urandom(3_000_000)
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read_all, peer, len(data))
            guard.send_all(data, 5)
            assert reading.result() == data

    @pytest.mark.slow
    @pytest.mark.parametrize("tls", [False, True])
    def test_a_peer_that_stops_reading(self, tls: bool) -> None:
        guard, peer = pair(tls=tls, buffer=8192)
        peer.sendall(b"a")
        receive(guard, 1)  # with TLS's session tickets; unread, they would turn the close into a reset
        data = os.urandom(20_000_000)
        began = time.monotonic()
        with pytest.raises(SendFailed) as caught:
            guard.send_all(data, 0.2)
        assert 0.2 <= time.monotonic() - began < 5
        assert isinstance(caught.value.__cause__, TimeoutError)
        guard.close()
        received = read_all(peer, len(data))
        assert received == data[: caught.value.sent]
        peer.close()

    @pytest.mark.slow
    def test_progress_resets_the_patience(self) -> None:
        ours, peer = socket.socketpair()
        guard = SocketGuard(ours)
        data = os.urandom(2_000_000)
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read_all, peer, len(data), pause=0.03)
            began = time.monotonic()
            guard.send_all(data, 0.4)
            assert time.monotonic() - began > 0.5
            assert reading.result() == data
        guard.close()
        peer.close()

    def test_the_deadline_may_be_shortened_during_a_write(self) -> None:
        guard, peer = pair(tls=False, buffer=8192)
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(outcome, lambda: guard.send_all(bytes(20_000_000), 30))
            began = time.monotonic()
            guard.send_by = Deadline(0.1)
            assert isinstance(writing.result(), SendFailed)
            assert 0.1 <= time.monotonic() - began < 5
        guard.close()
        peer.close()

    def test_a_peer_that_reset_the_connection(self, ends: tuple[SocketGuard, socket.socket]) -> None:
        guard, peer = ends
        peer.close()
        failure = outcome(lambda: send_for_ever(guard))
        assert isinstance(failure, SendFailed)
        assert isinstance(failure.__cause__, OSError)


class TestEnding:
    @pytest.mark.parametrize("tls", [False, True])
    @pytest.mark.parametrize("end", ["abort", "close"])
    def test_reader_and_blocked_writer_return_at_once(self, tls: bool, end: str) -> None:
        before, threads = descriptors(), threading.active_count()
        longest = 0.0
        for _ in range(25):
            guard, peer = pair(tls=tls, buffer=4096)
            with ThreadPoolExecutor(2) as pool:
                reading = pool.submit(outcome, lambda: receive(guard, 1, silence=None))  # noqa: B023
                writing = pool.submit(outcome, lambda: guard.send_all(bytes(5_000_000), 30))  # noqa: B023
                until(lambda: guard._waiting == 2)  # noqa: B023
                began = time.monotonic()
                getattr(guard, end)()
                assert isinstance(reading.result(5), Aborted)
                assert isinstance(writing.result(5), SendFailed)
                longest = max(longest, time.monotonic() - began)
            guard.close()
            peer.close()
        assert longest < 3
        assert descriptors() == before
        assert threading.active_count() == threads

    @pytest.mark.slow
    def test_many_wakers_and_closers_race_with_the_traffic(self) -> None:
        before = descriptors()
        for turn in range(24):
            guard, peer = pair(tls=turn % 2 == 1)
            with ThreadPoolExecutor(5) as pool:
                reading = pool.submit(outcome, lambda: receive(guard, 1 << 30, silence=5))  # noqa: B023
                writing = pool.submit(outcome, lambda: send_for_ever(guard))  # noqa: B023
                pool.submit(outcome, lambda: read_all(peer, 1 << 30))  # noqa: B023
                time.sleep(turn * 0.0001)
                enders = [pool.submit(end) for end in (guard.abort, guard.close)]
                assert isinstance(reading.result(5), Aborted)
                assert isinstance(writing.result(5), SendFailed)
                assert [ender.result(5) for ender in enders] == [None, None]
            peer.close()
        assert descriptors() == before

    def test_nothing_works_after_the_end(self, ends: tuple[SocketGuard, socket.socket]) -> None:
        guard, _ = ends
        for end in (guard.abort, guard.close, guard.close):
            end()
            with pytest.raises(Aborted):
                guard.receive_into(memoryview(bytearray(1)))
            with pytest.raises(SendFailed):
                guard.send_all(b"a", 1)
            with pytest.raises(Aborted):
                guard.send_until_readable(memoryview(b"a"), Deadline(1))

    def test_tls_sends_nothing_in_clear_when_woken(self) -> None:
        """SSLSocket.shutdown would drop the TLS layer and leave a socket that sends as it is told."""
        guard, peer = pair(tls=True)
        guard.abort()
        assert isinstance(guard._sock, ssl.SSLSocket)
        assert guard._sock._sslobj is not None  # type: ignore[attr-defined]
        guard.close()
        peer.close()

    def test_a_forked_child_leaves_the_connection_alone(self) -> None:
        guard, peer = pair(tls=False)
        with guard._lock:  # as if another thread had been in a call at that moment
            child = os.fork()
            if child == 0:
                guard.abandon()
                os._exit(isinstance(outcome(lambda: guard.receive_into(memoryview(bytearray(1)))), Aborted))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        guard.send_all(b"still here", 1)
        assert peer.recv(100) == b"still here"
        peer.sendall(b"me too")
        assert receive(guard, 6) == b"me too"
        guard.close()
        peer.close()


class TestSendingUntilReadable:
    """For a request whose answer may come before its end."""

    def test_everything_leaves(self, ends: tuple[SocketGuard, socket.socket]) -> None:
        guard, peer = ends
        data = bytes(3_000_000)
        with ThreadPoolExecutor(1) as pool:
            echoed = pool.submit(received, peer, len(data))
            assert guard.send_until_readable(memoryview(data), Deadline(5)) == len(data)
            assert echoed.result(5) == data

    def test_an_answer_ends_it(self, ends: tuple[SocketGuard, socket.socket]) -> None:
        guard, peer = ends
        peer.sendall(b"hello")  # behind the tickets of TLS 1.3, which can be read, too
        assert receive(guard, 5) == b"hello"
        data = memoryview(bytes(30_000_000))
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(guard.send_until_readable, data, Deadline(5))
            time.sleep(0.1)
            assert not sending.done()
            peer.sendall(b"no more")
            assert 0 < sending.result(5) < len(data)
        assert receive(guard, 7) == b"no more"

    def test_it_goes_on_where_it_stopped(self, ends: tuple[SocketGuard, socket.socket]) -> None:
        guard, peer = ends
        data = os.urandom(3_000_000)
        with ThreadPoolExecutor(1) as pool:
            peer.sendall(b"100")
            view = memoryview(data)
            view = view[guard.send_until_readable(view, Deadline(5)) :]
            assert receive(guard, 3) == b"100"
            reading = pool.submit(received, peer, len(data))
            while view:
                view = view[guard.send_until_readable(view, Deadline(5)) :]
            assert reading.result(5) == data

    def test_a_peer_that_reads_nothing_is_left_in_time(self, ends: tuple[SocketGuard, socket.socket]) -> None:
        guard, peer = ends
        peer.sendall(b"hello")
        assert receive(guard, 5) == b"hello"
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            guard.send_until_readable(memoryview(bytes(30_000_000)), Deadline(0.2))
        assert 0.2 <= time.monotonic() - began < 2


def received(peer: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (more := peer.recv(65536)):
        data += more
    return bytes(data)


class TestDuplexTls:
    """Two threads on one TLS connection, which plain SSLSocket does not survive on several versions of Python."""

    def test_nothing_is_lost(self) -> None:
        assert duplex(connections=6, frames=400) == []

    @pytest.mark.slow
    def test_nothing_is_lost_by_a_hundred_connections(self) -> None:
        assert duplex(connections=100, frames=2000) == []


def duplex(connections: int, frames: int, at_once: int = 4) -> list[object]:
    """Send `frames` numbers on each connection while their echoes are read; return what went wrong."""

    def play() -> object:
        guard, peer = pair(tls=True)
        with ThreadPoolExecutor(2) as pool:
            echoing = pool.submit(outcome, lambda: echo_all(peer, 8 * frames))
            reading = pool.submit(outcome, lambda: receive(guard, 8 * frames))
            numbers = [number.to_bytes(8, "big") for number in range(frames)]
            writing = outcome(lambda: [guard.send_all(number, 5) for number in numbers])
            wrong = [part for part in (writing, reading.result()) if isinstance(part, BaseException)]
            if not wrong and reading.result() != b"".join(numbers):
                wrong.append(ValueError("the echo differs"))
            guard.close()
            echoing.result()
        peer.close()
        return wrong

    for end in pair(tls=True):  # the certificates are not made by several threads at once
        end.close()
    with ThreadPoolExecutor(at_once) as pool:
        return [wrong for wrong in pool.map(lambda _: play(), range(connections)) if wrong]


def echo_all(peer: socket.socket, size: int) -> None:
    while size:
        data = peer.recv(65536)
        if not data:
            return
        peer.sendall(data)
        size -= len(data)


def read_all(peer: socket.socket, size: int, pause: float = 0) -> bytes:
    data = bytearray()
    try:
        while len(data) < size and (piece := peer.recv(65536)):
            data += piece
            time.sleep(pause)
    except OSError:
        pass
    return bytes(data)


def send_for_ever(guard: SocketGuard) -> None:
    while True:
        guard.send_all(b"a" * 1000, 5)


def until(true: Callable[[], bool], seconds: float = 5) -> None:
    deadline = Deadline(seconds)
    while not true():
        assert not deadline.expired
        time.sleep(0.001)
