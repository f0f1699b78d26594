"""The thread that calls who listens, in order."""

from __future__ import annotations

import functools
import gc
import logging
import threading
import weakref
from collections.abc import Iterator

import pytest

from arinova_agent_sync.net.deadline import Deadline
from arinova_agent_sync.runtime.callbacks import Callbacks, Listeners
from arinova_agent_sync.runtime.workers import Workers

SOON = 10.0  # seconds; more than enough


class Recorder:
    """A listener that writes down what it was called with."""

    def __init__(self) -> None:
        self.called: list[object] = []

    def __call__(self, value: object) -> None:
        self.called.append(value)


class Failures:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def listeners() -> Listeners:
    return Listeners()


@pytest.fixture
def failures() -> Failures:
    return Failures()


@pytest.fixture
def callbacks(listeners: Listeners, failures: Failures) -> Iterator[Callbacks]:
    workers = Workers()
    made = Callbacks(listeners, workers=workers, failed=failures)
    yield made
    end(made)
    workers.close(Deadline(SOON))


def end(callbacks: Callbacks) -> None:
    """Run all that waits, and end the thread."""
    callbacks.close()
    callbacks.join(Deadline(SOON))
    assert callbacks.thread is None or not callbacks.thread.is_alive()


class TestCallbacks:
    def test_the_thread_starts_with_the_first_one(self, callbacks: Callbacks, listeners: Listeners) -> None:
        callbacks.fire("connected")  # nobody listens
        assert callbacks.thread is None
        listeners.add("connected", lambda: None)
        callbacks.fire("connected")
        thread = callbacks.thread
        assert thread is not None
        assert (thread.name, thread.daemon) == ("arinova-callbacks", True)

    def test_they_run_one_after_another_in_order(self, callbacks: Callbacks, listeners: Listeners) -> None:
        called: list[object] = []
        threads = set()

        def note(value: object = "nothing") -> None:
            threads.add(threading.current_thread())
            called.append(value)

        listeners.add("error", note)
        listeners.add("error", lambda: called.append("second"))
        for number in range(3):
            callbacks.fire("error", number)
            callbacks.call("cancel", functools.partial(note, "cancel"))
        end(callbacks)
        assert called == [0, "second", "cancel", 1, "second", "cancel", 2, "second", "cancel"]
        assert threads == {callbacks.thread}

    def test_each_gets_the_value_if_it_takes_one(self, callbacks: Callbacks, listeners: Listeners) -> None:
        recorder = Recorder()
        listeners.add("error", recorder)
        listeners.add("error", lambda: recorder.called.append("none"))
        error = LookupError()
        callbacks.fire("error", error)
        end(callbacks)
        assert recorder.called == [error, "none"]

    @pytest.mark.parametrize("error", [LookupError("broke"), SystemExit(1), KeyboardInterrupt()], ids=repr)
    def test_one_that_raises_stops_no_other(
        self,
        callbacks: Callbacks,
        listeners: Listeners,
        failures: Failures,
        caplog: pytest.LogCaptureFixture,
        error: BaseException,
    ) -> None:
        called = []

        def broken() -> None:
            raise error

        listeners.add("connected", broken)
        listeners.add("connected", lambda: called.append("next"))
        with caplog.at_level(logging.ERROR, "arinova_agent_sync"):
            callbacks.fire("connected")
            callbacks.fire("connected")
            end(callbacks)
        assert called == ["next", "next"]
        assert failures.count == 2
        assert [record.getMessage() for record in caplog.records] == ["a callback of on_connected raised"] * 2
        assert caplog.records[0].exc_info is not None
        assert caplog.records[0].exc_info[1] is error

    def test_a_blocked_one_delays_only_the_others(self, callbacks: Callbacks) -> None:
        free, called = threading.Event(), []
        callbacks.call("a", lambda: free.wait(SOON))
        callbacks.call("b", lambda: called.append("b"))  # returns at once
        assert called == []
        free.set()
        end(callbacks)
        assert called == ["b"]

    def test_one_may_fire_another_and_wait_for_nothing(
        self, callbacks: Callbacks, listeners: Listeners
    ) -> None:
        called = []

        def first() -> None:
            callbacks.call("second", lambda: called.append("second"))
            callbacks.close()
            callbacks.join(Deadline(None))  # not for itself
            called.append("first")

        callbacks.call("first", first)
        thread = callbacks.thread
        assert thread is not None
        thread.join(SOON)
        assert called == ["first", "second"]

    def test_after_the_end_nothing_is_called(self, callbacks: Callbacks, listeners: Listeners) -> None:
        called = []
        callbacks.call("before", lambda: called.append("before"))
        end(callbacks)
        callbacks.call("after", lambda: called.append("after"))
        listeners.add("connected", lambda: called.append("connected"))
        callbacks.fire("connected")
        end(callbacks)
        assert called == ["before"]

    def test_without_a_thread_the_end_is_at_once(self, listeners: Listeners, failures: Failures) -> None:
        made = Callbacks(listeners, workers=Workers(), failed=failures)
        end(made)
        made.call("late", lambda: None)
        assert made.thread is None

    def test_join_has_a_deadline(self, callbacks: Callbacks) -> None:
        free = threading.Event()
        callbacks.call("a", lambda: free.wait(SOON))
        callbacks.close()
        callbacks.join(Deadline(0.01))
        assert callbacks.thread is not None
        assert callbacks.thread.is_alive()
        free.set()

    def test_what_was_called_is_not_kept(self, callbacks: Callbacks) -> None:
        recorder = Recorder()
        gone = weakref.ref(recorder)
        done = threading.Event()
        callbacks.call("a", functools.partial(recorder, 1))
        callbacks.call("b", done.set)
        assert done.wait(SOON)
        del recorder
        gc.collect()
        assert gone() is None

    def test_too_many_that_wait_are_dropped_but_for_answers(
        self, callbacks: Callbacks, caplog: pytest.LogCaptureFixture
    ) -> None:
        free, begun, called = threading.Event(), threading.Event(), []

        def block() -> None:
            begun.set()
            free.wait(SOON)

        callbacks.call("error", block)
        assert begun.wait(SOON)
        callbacks.call("undelivered", lambda: called.append("answer"))
        for number in range(1_002):
            callbacks.call("error", functools.partial(called.append, number))
        assert callbacks.dropped == 3
        for _ in range(1_001):
            callbacks.call("undelivered", lambda: called.append("answer"))
        assert callbacks.dropped == 1_004
        free.set()
        end(callbacks)
        assert called == ["answer"] * 1_000
        [told] = [record.getMessage() for record in caplog.records]
        assert told == "a callback blocks, and 1000 events wait for it: the oldest are dropped from now on"

    def test_of_many_failures_that_wait_few_keep_all_that_they_hold(self, callbacks: Callbacks) -> None:
        class Large:
            pass

        free, begun, kept = threading.Event(), threading.Event(), []

        def block() -> None:
            begun.set()
            free.wait(SOON)

        def failure() -> Exception:
            large = Large()
            kept.append(weakref.ref(large))
            try:
                try:
                    raise ValueError("inner")
                except ValueError as error:
                    raise KeyError("outer") from error
            except KeyError as error:
                return error

        callbacks.call("error", block)
        assert begun.wait(SOON)
        for _ in range(15):
            callbacks.call("error", lambda: None, (failure(),))
        gc.collect()
        assert [ref() is not None for ref in kept] == [True] * 10 + [False] * 5
        free.set()
        end(callbacks)
