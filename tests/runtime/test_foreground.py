"""How signals get to run(), and what is put back afterwards."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from arinova_agent_sync.runtime.foreground import Events, signals_to


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
