"""What the pinger has the writer do: ask for receipts, say goodbye, recover a write that failed."""

from __future__ import annotations

import threading

import pytest

from arinova_agent_sync.protocol import frames
from arinova_agent_sync.protocol.answer import Answer
from arinova_agent_sync.protocol.pieces import OutgoingMessage, Passing, PongReply, Terminal
from arinova_agent_sync.runtime import writer as module

from .writer_bench import Bench


@pytest.fixture
def bench() -> Bench:
    """A writer whose task said "one "."""
    return Bench()


def end(bench: Bench, *, connection: int = 1, answers: bool = True) -> Terminal:
    """Let the end of another task wait."""
    terminal = Terminal(
        Answer("t2", "c2", connection), frames.agent_complete("t2", "done", None), "done", answers
    )
    with bench.state.lock:
        bench.state.outbox.add_terminal(terminal)
    return terminal


def test_an_end_that_came_on_this_connection_waits_for_the_next_ping(bench: Bench) -> None:
    end(bench)
    bench.writer.flush()
    assert bench.said == ["one ", "agent_complete"]


@pytest.mark.parametrize("why", ["another connection", "doubtful", "again", "ending"])
def test_a_pong_is_asked_for_at_once_where_an_end_may_be_lost(bench: Bench, why: str) -> None:
    bench.state.connection.doubtful = why == "doubtful"  # type: ignore[union-attr]
    bench.state.ending = why == "ending"
    terminal = end(bench, connection=7 if why == "another connection" else 1)
    if why == "again":
        bench.state.outbox.entries.clear()
        bench.state.outbox.send_again([terminal])
    bench.writer.flush()
    assert bench.said == ["one ", "agent_complete", "ping"]


def test_an_end_that_answers_nothing_is_not_looked_up(bench: Bench) -> None:
    end(bench, connection=7, answers=False)
    bench.writer.flush()
    assert bench.said == ["one ", "agent_complete"]


def test_a_message_waits_for_the_next_ping(bench: Bench) -> None:
    with bench.state.lock:
        bench.state.outbox.add_frame(OutgoingMessage(b'{"type":"agent_send"}', "c", "text", None, 0.0, "k"))
    bench.writer.flush()
    assert bench.said == ["one ", "agent_send"]
    assert len(bench.state.connection.receipts) == 1  # type: ignore[union-attr]


def test_asking_for_receipts(bench: Bench) -> None:
    end(bench)
    bench.writer.flush()
    bench.writer.ask_for_receipts(0.1)
    assert bench.said == ["one ", "agent_complete", "ping"]
    assert bench.state.connection.receipts.ponged()  # type: ignore[union-attr]
    bench.writer.ask_for_receipts(0.1)
    assert bench.said == ["one ", "agent_complete", "ping"]


def test_asking_for_receipts_without_a_connection(bench: Bench) -> None:
    end(bench)
    with bench.state.lock:
        bench.state.take_link_down(bench.state.link)  # type: ignore[arg-type]
        bench.state.connection = None
    bench.writer.ask_for_receipts(0.1)
    assert bench.said == ["one "]
    assert len(bench.state.outbox) == 1


def test_goodbye_comes_behind_what_waits(bench: Bench) -> None:
    end(bench)
    bench.writer.finish(bench.state.link, 0.1)  # type: ignore[arg-type]
    assert bench.said == ["one ", "agent_complete", "close 1000"]


def test_no_goodbye_on_a_broken_link(bench: Bench) -> None:
    terminal = end(bench)
    bench.break_next()
    link = bench.state.link
    bench.writer.finish(link, 0.1)  # type: ignore[arg-type]
    assert list(bench.state.outbox.entries) == [terminal]
    assert bench.state.link is None
    assert bench.links[0].aborted
    assert bench.writer._turn is None


def test_goodbye_waits_for_another_writer(bench: Bench) -> None:
    bench.writer._turn = object()

    def leave() -> None:
        bench.writer._end_turn()

    timer = threading.Timer(0.05, leave)
    timer.start()
    bench.writer.finish(bench.state.link, 5.0)  # type: ignore[arg-type]
    timer.join()
    assert bench.said == ["one ", "close 1000"]


def test_a_failed_write_is_recovered_by_the_pinger(bench: Bench) -> None:
    terminal = end(bench)
    bench.break_next()
    bench.writer.flush()
    assert bench.state.timers.take(bench.now) == "recover"
    assert bench.state.link is not None
    bench.writer.recover()
    assert (bench.state.link, list(bench.state.outbox.entries)) == (None, [terminal])
    bench.writer.recover()  # once more, which changes nothing
    bench.connect()
    bench.writer.flush()
    assert bench.said == ["one ", "agent_complete", "ping"]


def test_pongs_leave_between_frames(bench: Bench) -> None:
    end(bench)
    with bench.state.lock:
        bench.state.outbox.add_ahead(Passing(frames.PING))
        bench.state.outbox.add_ahead(PongReply(b"you"))
        bench.state.outbox.add_ahead(Passing(frames.agent_heartbeat("t1")))
    bench.writer.flush()
    assert bench.said == ["one ", "ping", "10: you", "agent_heartbeat", "agent_complete"]
    assert bench.state.counters.frames_sent == 5
    assert bench.state.counters.chunks_sent == 1


def test_what_had_left_before_a_write_failed_is_counted(bench: Bench) -> None:
    with bench.state.lock:
        bench.state.outbox.add_chunk(bench.task.answer, "two ")
        bench.state.outbox.add_chunk(bench.task.answer, "three ")
    first = len(frames.chunk_prefix("t1")) + len('"two "}') + 6  # a frame's head
    bench.break_next(sent=first + 1)
    bench.writer.flush()
    bench.writer.recover()
    assert (bench.state.counters.chunks_sent, bench.state.counters.frames_sent) == (2, 2)
    assert bench.task.answer.written == len("one two ")
    bench.connect()
    bench.writer.flush()
    assert bench.said == ["one ", "three "]


@pytest.mark.parametrize(("size", "waits"), [(module._HIGH_WATER, False), (module._HIGH_WATER + 1, True)])
def test_who_sends_much_waits_for_the_wire(bench: Bench, size: int, waits: bool) -> None:
    bench.writer._turn = object()
    with bench.state.lock:
        bench.state.outbox.add_frame(b'{"type":"agent_telemetry"}'.ljust(size))
    left = threading.Event()

    def send() -> None:
        bench.writer.flush_frames()
        left.set()

    sender = threading.Thread(target=send)
    sender.start()
    assert left.wait(0.1 if waits else 5.0) is not waits
    bench.writer._end_turn()
    sender.join(5.0)
    if not waits:
        bench.writer.flush()
    assert bench.said == ["one ", "agent_telemetry"]


@pytest.mark.parametrize("due", [False, True])
def test_the_pinger_writes_until_a_timer_is_due(bench: Bench, due: bool) -> None:
    with bench.state.lock:
        for _ in range(3):
            bench.state.outbox.add_frame(
                b'{"type":"agent_telemetry"}'.ljust(100_000)
            )  # more than a batch each
        bench.state.schedule("ping", bench.now + (0.0 if due else 0.1))
    bench.writer.flush(until_due=True)
    assert bench.said == ["one ", *["agent_telemetry"] * (1 if due else 3)]
    if due:
        assert sorted(filter(None, (bench.state.timers.take(bench.now) for _ in range(3)))) == [
            "flush",
            "ping",
        ]
        bench.writer.flush(until_due=True)
        assert bench.said == ["one ", *["agent_telemetry"] * 3]


def test_who_waits_in_vain_for_the_wire_leaves_the_rest_to_the_writer(bench: Bench) -> None:
    bench.writer._turn = object()
    end(bench)
    bench.writer.flush(0.05)
    assert bench.said == ["one "]
