"""Calls on sockets, handshakes and connecting, without an HTTP library."""

from __future__ import annotations

import contextvars
import socket
import threading
from collections.abc import Iterator

import pytest

from arinova_agent_sync import TaskCancelled
from arinova_agent_sync.interrupts.scope import Scope
from arinova_agent_sync.interrupts.sockets import Guard, Handshake, connect

from .conftest import Handler


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        theirs.settimeout(10)
        yield ours, theirs


def in_scope(scope: Scope, function, *args):
    def run():
        scope.enter()
        return function(*args)

    return contextvars.copy_context().run(run)


def test_a_cancel_ends_a_blocked_call_and_tells_the_peer(pair) -> None:
    ours, theirs = pair
    guard, blocked = Guard(ours), threading.Event()

    def receive() -> bytes:
        blocked.set()
        return guard.call(ours.recv, 10)

    handler = Handler(receive)
    assert blocked.wait(5)
    handler.cancel().was_cancelled_at_once()
    assert guard.was_shut
    assert theirs.recv(10) == b""


def test_what_came_with_the_cancel_is_dropped(pair) -> None:
    ours, theirs = pair
    scope, guard = Scope("t1"), Guard(ours)
    theirs.sendall(b"data")

    def receive() -> bytes:
        data = ours.recv(10)
        scope.cancel()
        return data

    with pytest.raises(TaskCancelled):
        in_scope(scope, guard.call, receive)


def test_a_failure_of_its_own_passes(pair) -> None:
    ours, _ = pair
    ours.settimeout(0.001)
    with pytest.raises(TimeoutError):
        in_scope(Scope("t1"), Guard(ours).call, ours.recv, 10)


@pytest.mark.parametrize(("keep", "shut"), [(False, False), (True, True)])
def test_between_two_calls_a_connection_is_the_tasks_only_if_it_is_kept(pair, keep: bool, shut: bool) -> None:
    ours, theirs = pair
    scope, guard = Scope("t1"), Guard(ours, keep)
    theirs.sendall(b"data")
    assert in_scope(scope, guard.call, ours.recv, 10) == b"data"
    scope.cancel()
    assert guard.was_shut is shut


def test_a_kept_connection_that_was_given_up_is_out_of_reach(pair) -> None:
    ours, theirs = pair
    scope, guard = Scope("t1"), Guard(ours, keep=True)
    theirs.sendall(b"data")
    in_scope(scope, guard.call, ours.recv, 10)
    guard.give_up()
    scope.cancel()
    assert not guard.was_shut
    theirs.sendall(b"more")
    assert guard.call(ours.recv, 10) == b"more"


def test_outside_of_tasks_a_call_is_just_a_call(pair) -> None:
    ours, theirs = pair
    theirs.sendall(b"data")
    assert Guard(ours).call(ours.recv, 10) == b"data"


def test_another_thread_that_reads_a_tasks_response_is_ended_too(pair) -> None:
    ours, _ = pair
    scope, guard, blocked = Scope("t1"), Guard(ours), threading.Event()
    guard.lender = scope
    raised: list[BaseException] = []

    def read() -> None:
        blocked.set()
        try:
            guard.call(ours.recv, 10)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    assert blocked.wait(5)
    scope.cancel()
    thread.join(5)
    assert [type(error) for error in raised] == [TaskCancelled]


def test_a_handshake_is_ended_though_its_descriptor_moves(pair) -> None:
    ours, _ = pair
    moved = []

    def shake_hands() -> None:
        with Handshake() as handshake:
            handshake.begin(ours)
            moved.append(socket.socket(fileno=ours.detach()))
            moved[0].settimeout(10)
            if not moved[0].recv(10):
                raise ConnectionResetError

    handler = Handler(shake_hands)
    while not moved:
        pass
    handler.cancel().was_cancelled_at_once()
    moved[0].close()


def test_a_handshake_that_fails_by_itself_says_so(pair) -> None:
    def shake_hands() -> None:
        with Handshake() as handshake:
            handshake.begin(pair[0])
            raise ConnectionResetError

    assert type(Handler(shake_hands).join()) is ConnectionResetError


class Connection:
    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


def test_connecting_is_left_behind_and_closed_when_it_succeeds_after_all() -> None:
    made, go_on, asked = Connection(), threading.Event(), threading.Event()

    def make() -> Connection:
        asked.set()
        assert go_on.wait(5)
        return made

    handler = Handler(lambda: connect(make))
    assert asked.wait(5)
    handler.cancel().was_cancelled_at_once()
    assert not made.closed.is_set()
    go_on.set()
    assert made.closed.wait(5)


def test_connecting_returns_or_raises_what_it_met() -> None:
    made = Connection()
    assert in_scope(Scope("t1"), connect, lambda: made) is made
    assert not made.closed.is_set()

    def fail() -> Connection:
        raise ConnectionRefusedError("no")

    with pytest.raises(ConnectionRefusedError, match="no"):
        in_scope(Scope("t1"), connect, fail)


def test_outside_of_tasks_connecting_takes_no_thread() -> None:
    where: list[threading.Thread] = []
    made = Connection()
    connect(lambda: where.append(threading.current_thread()) or made)
    assert where == [threading.current_thread()]
