"""What the reader does with single events, without a thread or a socket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from arinova_agent_sync.credentials import Credentials
from arinova_agent_sync.protocol.answer import Answer
from arinova_agent_sync.protocol.life import StopTimes
from arinova_agent_sync.protocol.pieces import OutgoingMessage, PongReply, Terminal
from arinova_agent_sync.runtime.callbacks import Callbacks, Listeners
from arinova_agent_sync.runtime.reader import Reader
from arinova_agent_sync.runtime.task_runner import TaskRunner
from arinova_agent_sync.runtime.workers import Workers

from .writer_bench import Bench

PATIENCE = 60.0  # seconds, of the connections that the bench makes


@pytest.fixture
def bench() -> Bench:
    """A connection, the second one, on which "one " was said."""
    bench = Bench()
    bench.connect()
    return bench


@pytest.fixture
def proven() -> list[Terminal]:
    return []


@pytest.fixture
def reader(bench: Bench, proven: list[Terminal]) -> Reader:
    def note(frames: Sequence[Terminal]) -> None:
        proven.extend(frames)

    nobody = cast(Any, type("Nobody", (), {"lifecycle": None, "lost": lambda *_: None}))
    return Reader(
        bench.state,
        runner=cast(TaskRunner, nobody),
        actions=nobody,
        callbacks=Callbacks(Listeners(), workers=Workers(), failed=lambda: None),
        credentials=Credentials(bench.state.settings),
        give_up=lambda error: None,
        proven=note,
    )


def terminal(connection: int, *, answers: bool = True, again: bool = False) -> Terminal:
    return Terminal(Answer("t2", "c2", connection), b'{"type":"agent_complete"}', "done", answers, again)


@pytest.mark.parametrize(
    ("frame", "doubtful", "late"),
    [
        (terminal(2), False, False),
        (terminal(1), False, True),
        (terminal(2), True, True),
        (terminal(1, answers=False), True, False),
        (OutgoingMessage(b'{"type":"agent_send"}', "c", "text", None, 0.0, "key"), True, False),
    ],
    ids=["this connection", "an earlier one", "doubtful", "no answer", "a message"],
)
def test_what_a_pong_proves(
    bench: Bench,
    reader: Reader,
    proven: list[Terminal],
    frame: Terminal | OutgoingMessage,
    doubtful: bool,
    late: bool,
) -> None:
    connection = bench.state.connection
    assert connection is not None
    connection.doubtful = doubtful
    with bench.state.lock:
        connection.receipts.written(frame)
        bench.state.ping(connection)
        connection.liveness.pinged(bench.now, bench.now)
    reader._ponged(connection)
    assert proven == ([frame] if late else [])
    assert bench.state.rescues == len(proven)
    assert len(connection.receipts) == 0
    # Nothing is under way any more: the peer is to be asked before it is judged.
    assert connection.liveness.patience_left(bench.now + 100.0, bench.now + 100.0) == PATIENCE


def test_a_pong_proves_the_connection(bench: Bench, reader: Reader) -> None:
    connection = bench.state.connection
    assert connection is not None
    for _ in range(5):
        bench.state.reconnect.ended(0.0)
    bench.state.reconnect.begin()
    reader._ponged(connection)
    assert bench.state.reconnect.ended(0.0).delay == bench.state.settings.reconnect_interval


def test_a_ping_is_answered_by_the_pinger(bench: Bench, reader: Reader) -> None:
    reader._pinged(b"you")
    assert list(bench.state.outbox.ahead) == [PongReply(b"you")]
    assert bench.state.timers.take(bench.now) == "flush"


def test_before_authentication_a_ping_gets_no_pong(bench: Bench, reader: Reader) -> None:
    with bench.state.lock:
        bench.state.take_link_down(bench.state.link)  # type: ignore[arg-type]
    reader._pinged(b"you")
    assert not bench.state.outbox
    assert bench.state.timers.take(bench.now) is None


def test_a_silent_peer_is_asked_then_judged(bench: Bench, reader: Reader) -> None:
    connection = bench.state.connection
    assert connection is not None
    assert reader._patience_left(connection) == PATIENCE
    assert bench.state.timers.take(bench.now) == "ping"
    bench.now += PATIENCE
    assert reader._patience_left(connection) == 0.0
    assert bench.state.timers.take(bench.now) is None


def test_a_ping_that_waits_judges_nobody(bench: Bench, reader: Reader) -> None:
    connection = bench.state.connection
    assert connection is not None
    with bench.state.lock:
        connection.liveness.pinged(bench.now, bench.now)
        bench.state.outbox.add_ahead(PongReply(b""))
    bench.now += 100.0
    assert reader._patience_left(connection) == PATIENCE


def test_a_connection_that_is_not_online_has_no_time_left(bench: Bench, reader: Reader) -> None:
    connection = bench.state.connection
    assert connection is not None
    with bench.state.lock:
        bench.state.take_link_down(bench.state.link)  # type: ignore[arg-type]
    assert reader._patience_left(connection) == 0.0


def test_a_connection_that_is_made_during_the_end_ends_with_it(bench: Bench, reader: Reader) -> None:
    made = reader._new_connection()
    assert made is not None
    assert made.link._stop_by is None
    bench.state.stop_times = StopTimes(drain_by=bench.now, stop_by=bench.now + 3.0)
    made = reader._new_connection()
    assert made is not None
    assert made.link._stop_by is not None
    assert made.link._stop_by.left() == 3.0
    assert bench.state.connection is made
    bench.state.closing = True
    assert reader._new_connection() is None


@pytest.mark.parametrize(("seconds", "doubtful"), [(59.9, True), (60.0, False)])
def test_a_connection_after_one_that_never_answered_the_token_is_doubtful_for_a_minute(
    bench: Bench, reader: Reader, seconds: float, doubtful: bool
) -> None:
    first = reader._new_connection()
    assert first is not None
    reader._end(first)  # before the token was sent
    second = reader._new_connection()
    assert second is not None
    assert not second.doubtful
    second.asked = True
    reader._end(second)
    bench.now += seconds
    third = reader._new_connection()
    assert third is not None
    assert third.doubtful is doubtful
