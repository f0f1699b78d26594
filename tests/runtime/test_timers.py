"""What the pinger does when each of its timers comes."""

from __future__ import annotations

import threading

import pytest

from arinova_agent_sync.protocol import frames
from arinova_agent_sync.protocol.answer import Answer
from arinova_agent_sync.protocol.life import Life, StopTimes
from arinova_agent_sync.protocol.pieces import Terminal
from arinova_agent_sync.runtime.running_task import RunningTask
from arinova_agent_sync.runtime.timers import Pinger

from .writer_bench import Bench, arrived

INTERVAL, TIMEOUT, BEAT = 30.0, 60.0, 60.0  # seconds, the defaults


@pytest.fixture
def bench() -> Bench:
    """A writer whose task said "one "."""
    bench = Bench()
    bench.state.tasks["t1"] = bench.task
    bench.task.handling = True
    return bench


@pytest.fixture
def finished() -> threading.Event:
    return threading.Event()


@pytest.fixture
def pinger(bench: Bench, finished: threading.Event) -> Pinger:
    return Pinger(bench.state, writer=bench.writer, finish=finished.set, prepare_rescue=lambda: None)


def come(bench: Bench, pinger: Pinger, timer: str) -> None:
    """Let a timer come now."""
    bench.state.timers.set(timer, bench.now)
    assert pinger._next() == timer
    pinger._do(timer)


def test_a_ping_leaves_and_the_next_one_is_due(bench: Bench, pinger: Pinger) -> None:
    come(bench, pinger, "ping")
    assert bench.said == ["one ", "ping"]
    assert bench.state.timers.next() == bench.now + INTERVAL
    connection = bench.state.connection
    assert connection is not None
    # The peer has the rest of ping_timeout to answer it, which proves what was written before it.
    assert connection.liveness.patience_left(bench.now + 60.0, bench.now + 60.0) == 0.0
    assert bench.task.answer.in_doubt
    assert connection.receipts.ponged() == []
    assert not bench.task.answer.in_doubt


def test_a_ping_that_comes_late_asks_anew(bench: Bench, pinger: Pinger) -> None:
    come(bench, pinger, "ping")
    bench.state.timers.set("ping", bench.now + INTERVAL)
    bench.now += 500.0  # this process did not run
    assert pinger._next() == "ping"
    pinger._do("ping")
    connection = bench.state.connection
    assert connection is not None
    assert connection.liveness.patience_left(bench.now + 10.0, bench.now + INTERVAL) == 50.0


def test_without_a_connection_no_ping_is_noted(bench: Bench, pinger: Pinger) -> None:
    connection, link = bench.state.connection, bench.state.link
    with bench.state.lock:
        bench.state.take_link_down(link)  # type: ignore[arg-type]
    come(bench, pinger, "ping")
    assert bench.said == ["one "]
    assert connection is not None
    assert connection.receipts.ponged() == []
    assert bench.task.answer.in_doubt


def test_heartbeats_for_all_tasks_that_are_open(bench: Bench, pinger: Pinger) -> None:
    running, ended = RunningTask(arrived("t2", "c2")), RunningTask(arrived("t3", "c3"))
    ended.ended = "completed"
    bench.state.tasks.update(t2=running, t3=ended)
    bench.state.waiting["t4"] = arrived("t4", "c2")
    come(bench, pinger, "heartbeat")
    assert bench.said == ["one ", *["agent_heartbeat"] * 3]
    assert bench.state.timers.next() == bench.now + BEAT


def test_without_tasks_heartbeats_end(bench: Bench, pinger: Pinger) -> None:
    bench.state.tasks.clear()
    come(bench, pinger, "heartbeat")
    assert bench.said == ["one "]
    assert bench.state.timers.next() is None


@pytest.mark.parametrize("agent_id", [None, "a1"])
def test_commands_are_kept_alive_where_the_agent_has_an_id(
    bench: Bench, pinger: Pinger, agent_id: str | None
) -> None:
    bench.state.agent_id = agent_id
    come(bench, pinger, "commands")
    assert bench.said[1:] == ([] if agent_id is None else ["heartbeat_commands"])
    assert bench.state.timers.next() == (None if agent_id is None else bench.now + BEAT)


def test_what_waits_leaves(bench: Bench, pinger: Pinger) -> None:
    with bench.state.lock:
        bench.state.outbox.add_chunk(bench.task.answer, "two ")
    come(bench, pinger, "flush")
    assert bench.said == ["one ", "two "]


def test_a_connection_that_lasts_has_proved_itself(bench: Bench, pinger: Pinger) -> None:
    bench.state.reconnect.begin()
    for _ in range(5):
        bench.state.reconnect.ended(0.0)
    bench.state.reconnect.begin()
    come(bench, pinger, "stable")
    assert bench.state.reconnect.ended(0.0).delay == bench.state.settings.reconnect_interval


def test_the_end_waits_for_work_until_its_time(bench: Bench, pinger: Pinger) -> None:
    bench.state.life = Life.DRAINING
    bench.state.stop_times = StopTimes(drain_by=bench.now + 1.0, stop_by=bench.now + 2.0)
    bench.state.timers.set("flush", bench.now)
    assert pinger._next() == "flush"  # timers come meanwhile
    bench.now += 1.0
    assert pinger._next() is None


def test_the_end_comes_at_once_without_work(bench: Bench, pinger: Pinger, finished: threading.Event) -> None:
    bench.state.tasks.clear()
    bench.state.life = Life.DRAINING
    bench.state.stop_times = StopTimes(drain_by=bench.now + 1.0, stop_by=bench.now + 2.0)
    pinger.run()
    assert finished.is_set()


def test_it_sleeps_until_somebody_schedules_something(bench: Bench, pinger: Pinger) -> None:
    bench.state.timers.set("ping", bench.now + 100.0)
    came: list[str | None] = []
    thread = threading.Thread(target=lambda: came.append(pinger._next()))
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    with bench.state.lock:
        bench.state.flush_soon()
    thread.join(5.0)
    assert came == ["flush"]


def test_a_failed_write_is_recovered(bench: Bench, pinger: Pinger) -> None:
    terminal = Terminal(Answer("t2"), frames.agent_error("t2", "no"), "no")
    with bench.state.lock:
        bench.state.outbox.add_terminal(terminal)
    bench.break_next()
    bench.writer.flush()
    assert pinger._next() == "recover"
    pinger._do("recover")
    assert list(bench.state.outbox.entries) == [terminal]
    assert bench.state.link is None
