"""How signals get to run(), and what is put back afterwards."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from arinova_agent_sync.net.deadline import Deadline
from arinova_agent_sync.runtime.engine import Engine
from arinova_agent_sync.runtime.foreground import Events, run, signals_to


@pytest.fixture
def events() -> Iterator[Events]:
    events = Events()
    yield events
    events.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_becomes_an_event_and_everything_is_put_back(events: Events, number: int) -> None:
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with signals_to(events):
        os.kill(os.getpid(), number)
        assert events.get(5.0) == number
        assert events.get(0.01) is None
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert signal.set_wakeup_fd(-1) == -1


def test_an_earlier_bell_is_put_back(events: Events) -> None:
    other = Events()
    signal.set_wakeup_fd(other.bell.fileno())
    try:
        with signals_to(events):
            pass
        assert signal.set_wakeup_fd(-1) == other.bell.fileno()
    finally:
        signal.set_wakeup_fd(-1)
        other.close()


def test_a_signal_that_is_ignored_stays_so(events: Events) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with signals_to(events):
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGTERM)
            assert events.get(0.05) is None
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_thread_takes_no_signals(events: Events) -> None:
    seen: list[object] = []

    def take() -> None:
        with signals_to(events):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


class ShortLived(Engine):
    """An engine that does nothing, and ends when it is asked to, or by itself."""

    def __init__(self, *, by_itself: bool = False) -> None:
        self.state = cast(Any, SimpleNamespace(failure=None, open_tasks=lambda: 0))
        self.shutdown = cast(Any, self)
        self.asked: list[float] = []
        self._by_itself = by_itself

    def on_ended(self, function: Callable[[], object]) -> None:
        self._ended = function
        if self._by_itself:
            function()

    def stop(self, timeout: float) -> None:
        self.asked.append(timeout)
        if timeout == 0.0 or len(self.asked) == 1:
            self._ended()

    def wait(self, timeout: float | None) -> bool:
        return True

    def join(self, deadline: Deadline) -> None:
        pass


def test_run_returns_how_many_signals_came() -> None:
    engine = ShortLived()

    def start() -> Engine:
        os.kill(os.getpid(), signal.SIGINT)
        return engine

    assert run([start], 7.0) == 1
    assert engine.asked == [7.0, 0.0]


def test_a_signal_is_acted_on_before_something_is_said(caplog: pytest.LogCaptureFixture) -> None:
    engine = ShortLived()
    asked_before: list[list[float]] = []

    def start() -> Engine:
        os.kill(os.getpid(), signal.SIGTERM)
        return engine

    def seen(_: logging.LogRecord) -> bool:  # a terminal or a pipe that takes nothing would hold it up
        asked_before.append(list(engine.asked))
        return True

    caplog.set_level(logging.INFO, "arinova_agent_sync")
    caplog.handler.addFilter(seen)
    assert run([start], 7.0) == 1
    assert asked_before == [[7.0]]
    assert caplog.messages == ["stopping; Ctrl-C again to leave now"]


def test_run_ends_with_its_agents() -> None:
    assert run([lambda: ShortLived(by_itself=True), lambda: ShortLived(by_itself=True)], 7.0) == 0


def test_run_raises_what_stopped_an_agent_and_ends_the_others() -> None:
    failed, other = ShortLived(by_itself=True), ShortLived()
    failed.state.failure = ValueError("it failed")
    with pytest.raises(ValueError, match="it failed"):
        run([lambda: other, lambda: failed], 7.0)
    assert other.asked == [7.0, 0.0]


def test_events_come_in_order_and_wake_who_waits(events: Events) -> None:
    events.put("first")
    events.put("second")
    assert [events.get(0.01), events.get(0.01), events.get(0.01)] == ["first", "second", None]
    begin = time.monotonic()
    timer = threading.Timer(0.05, events.put, ("late",))
    timer.start()
    assert events.get(None) == "late"
    assert time.monotonic() - begin >= 0.04
    timer.join()


def test_a_bell_that_rings_already_is_no_reason_to_lose_an_event(events: Events) -> None:
    count = 100_000  # more than the socket takes
    for number in range(count):
        events.put(number)
    assert [events.get(5.0) for _ in range(count)] == list(range(count))


def test_an_event_that_comes_too_late_is_put_to_nobody() -> None:
    events = Events()
    events.close()
    events.put("late")
