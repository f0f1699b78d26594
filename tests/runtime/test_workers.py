"""Worker threads, on demand."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from arinova_agent_sync.net.deadline import Deadline
from arinova_agent_sync.runtime import workers as module
from arinova_agent_sync.runtime.workers import Workers

SOON = 10.0  # seconds; more than enough


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers()
    yield made
    made.close(Deadline(SOON))


class Blocked:
    """Work that tells its thread and blocks until it is freed."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.free = threading.Event()
        self.thread: threading.Thread | None = None

    def __call__(self) -> None:
        self.thread = threading.current_thread()
        self.began.set()
        assert self.free.wait(SOON)


def until(condition: Callable[[], object]) -> None:
    """Wait for what happens without telling."""
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def run(workers: Workers) -> threading.Thread:
    """Run something on a worker that is free again afterwards; return its thread."""
    work = Blocked()
    work.free.set()
    workers.submit(work)
    assert work.began.wait(SOON)
    until(lambda: work.thread not in workers._busy)
    assert work.thread is not None
    return work.thread


def blocked(workers: Workers) -> Blocked:
    work = Blocked()
    workers.submit(work)
    assert work.began.wait(SOON)
    return work


def refuse(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


class HeldThreads:
    """Keep idle threads from what is put for them, as a busy machine may, until the end of a with block."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._queue = workers._queue
        self.works: list[Callable[[], None] | None] = []

    def __enter__(self) -> None:
        self._workers._queue = self  # type: ignore[assignment]

    def put(self, work: Callable[[], None] | None) -> None:
        self.works.append(work)

    def __exit__(self, *_: object) -> None:
        self._workers._queue = self._queue
        for work in self.works:
            self._queue.put(work)


class TestWithoutAnotherThread:
    """The system's limit is reached, or the interpreter is exiting."""

    @pytest.fixture
    def none_left(self, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        return lambda: monkeypatch.setattr(threading.Thread, "start", refuse)

    def test_a_busy_one_does_it_later(self, workers: Workers, none_left: Callable[[], None]) -> None:
        first, done = blocked(workers), threading.Event()
        none_left()
        assert workers.submit(done.set)
        assert not done.is_set()
        first.free.set()
        assert done.wait(SOON)

    def test_later_ones_find_it_idle(self, workers: Workers, none_left: Callable[[], None]) -> None:
        first, second = blocked(workers), Blocked()
        none_left()
        assert workers.submit(second)
        first.free.set()
        assert second.began.wait(SOON)
        third = threading.Event()
        assert workers.submit(third.set)  # it is busy with the second
        second.free.set()
        assert third.wait(SOON)
        until(lambda: workers._idle == 1)

    def test_one_that_was_just_woken_does_it_later(
        self, workers: Workers, none_left: Callable[[], None]
    ) -> None:
        run(workers)
        until(lambda: workers._idle == 1)
        first, second = Blocked(), Blocked()
        with HeldThreads(workers):
            none_left()
            assert workers.submit(first)
            assert workers.submit(second)  # though the thread has not come as far as the first
        first.free.set()
        second.free.set()
        assert second.began.wait(SOON)
        assert first.thread is second.thread

    def test_one_that_is_ending_does_not(
        self, workers: Workers, none_left: Callable[[], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ending, end = threading.Event(), threading.Event()

        def next_work(worker: Workers, me: threading.Thread) -> object:
            work = take(worker, me)
            if work is None:
                ending.set()
                assert end.wait(SOON)
            return work

        take = Workers._next
        monkeypatch.setattr(Workers, "_next", next_work)
        monkeypatch.setattr(module, "_IDLE", 0.001)
        run(workers)
        assert ending.wait(SOON)
        none_left()
        assert not workers.submit(lambda: None)
        end.set()

    def test_what_waits_then_goes_before_what_comes_once_there_are_threads(
        self, workers: Workers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second, third = blocked(workers), Blocked(), Blocked()
        with monkeypatch.context() as limit:
            limit.setattr(threading.Thread, "start", refuse)
            assert workers.submit(second)
        workers.submit(third)
        assert second.began.wait(SOON)
        assert third.began.wait(SOON)
        for work in (first, second, third):
            work.free.set()

    def test_work_that_raises_takes_no_other_with_it(
        self, workers: Workers, none_left: Callable[[], None], caplog: pytest.LogCaptureFixture
    ) -> None:
        free, done = threading.Event(), threading.Event()

        def fail() -> None:
            assert free.wait(SOON)
            raise SystemExit("of a listener's")

        workers.submit(fail)
        none_left()
        assert workers.submit(done.set)
        free.set()
        assert done.wait(SOON)
        assert "a worker failed: this is a bug of arinova_agent_sync" in caplog.text

    def test_nobody_does_it(self, workers: Workers, none_left: Callable[[], None]) -> None:
        none_left()
        assert not workers.submit(lambda: None)
        assert workers.threads() == []


class TestOnDemand:
    def test_no_thread_before_the_first_work(self, workers: Workers) -> None:
        assert workers.threads() == []

    def test_threads_are_named_daemons(self, workers: Workers) -> None:
        thread = run(workers)
        assert (thread.name, thread.daemon) == ("arinova-worker-1", True)

    def test_idle_threads_are_used_again(self, workers: Workers) -> None:
        first = run(workers)
        assert {run(workers) for _ in range(20)} == {first}
        assert workers.threads() == [first]

    def test_a_blocked_one_keeps_no_other_waiting(self, workers: Workers) -> None:
        works = [blocked(workers) for _ in range(10)]
        assert len({work.thread for work in works}) == len(workers.threads()) == 10
        for work in works:
            work.free.set()

    def test_an_idle_one_takes_one_work(self, workers: Workers) -> None:
        first = run(workers)
        works = [blocked(workers) for _ in range(3)]
        assert first in {work.thread for work in works}
        assert len(workers.threads()) == 3
        for work in works:
            work.free.set()

    def test_no_more_threads_than_ever_were_busy_at_once(self, workers: Workers) -> None:
        for _ in range(5):
            works = [blocked(workers) for _ in range(3)]
            for work in works:
                work.free.set()
            until(lambda: not workers._busy)
        assert len(workers.threads()) == 3

    def test_everything_submitted_runs_once(self, workers: Workers) -> None:
        ran: list[int] = []
        done = threading.Semaphore(0)

        def work(number: int) -> None:
            ran.append(number)
            done.release()

        def submit(first: int) -> None:
            for number in range(first, first + 100):
                workers.submit(partial(work, number))

        users = [threading.Thread(target=submit, args=(first,)) for first in (0, 100, 200, 300)]
        for user in users:
            user.start()
        for user in users:
            user.join()
        for _ in range(400):
            assert done.acquire(timeout=SOON)
        assert sorted(ran) == list(range(400))

    def test_threads_without_work_end(self, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_IDLE", 0.01)
        work = blocked(workers)
        run(workers)
        until(lambda: len(workers.threads()) == 1)  # the busy one stays
        work.free.set()
        until(lambda: not workers.threads())
        assert run(workers).is_alive()

    def test_work_is_not_kept(self, workers: Workers) -> None:
        work = Blocked()
        work.free.set()
        gone = weakref.ref(work)
        workers.submit(work)
        del work
        until(lambda: gc.collect() is not None and gone() is None)


class TestWorkThatIsOverSoon:
    """What was over a moment ago makes work wait for a thread that may be free in a moment."""

    @pytest.fixture
    def moment(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
        """Return what sets how long a moment is, in seconds."""
        monkeypatch.setattr(module, "_FEW", 1)
        return lambda seconds: monkeypatch.setattr(module, "_MOMENT", seconds)

    def test_the_first_free_thread_takes_it(self, workers: Workers, moment: Callable[[float], None]) -> None:
        moment(60.0)
        run(workers)
        busy, waiting = blocked(workers), Blocked()
        workers.submit(waiting)
        assert workers.behind
        assert not waiting.began.is_set()
        busy.free.set()
        assert waiting.began.wait(SOON)
        assert waiting.thread is busy.thread
        assert not workers.behind
        waiting.free.set()

    def test_in_the_order_in_which_it_came(self, workers: Workers, moment: Callable[[float], None]) -> None:
        moment(60.0)
        run(workers)
        busy, ran, done = blocked(workers), list[int](), threading.Event()
        for number in range(20):
            workers.submit(partial(ran.append, number))
        workers.submit(done.set)
        busy.free.set()
        assert done.wait(SOON)
        assert ran == list(range(20))
        assert len(workers.threads()) == 2  # one runs them, one watches

    def test_after_a_moment_all_of_it_gets_threads(
        self, workers: Workers, moment: Callable[[float], None]
    ) -> None:
        moment(0.05)
        run(workers)
        works = [blocked(workers), *[Blocked() for _ in range(10)]]
        for work in works[1:]:
            workers.submit(work)
        for work in works:
            assert work.began.wait(SOON)
        assert len({work.thread for work in works}) == len(workers.threads()) == 11
        for work in works:
            work.free.set()

    def test_who_watched_is_a_worker_like_others_afterwards(
        self, workers: Workers, moment: Callable[[float], None]
    ) -> None:
        moment(0.05)
        run(workers)
        busy, done = blocked(workers), threading.Event()
        workers.submit(done.set)
        busy.free.set()
        assert done.wait(SOON)
        until(lambda: workers._idle == 2)
        works = [blocked(workers) for _ in range(2)]
        assert len(workers.threads()) == 2
        for work in works:
            work.free.set()

    def test_without_another_thread_busy_ones_take_it(
        self, workers: Workers, moment: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started = list[threading.Thread]()

        def refuse_some(thread: threading.Thread) -> None:
            if len(started) == 2:
                raise RuntimeError("can't start new thread")
            started.append(thread)
            start(thread)

        start = threading.Thread.start
        monkeypatch.setattr(threading.Thread, "start", refuse_some)
        moment(0.01)
        run(workers)
        works = [blocked(workers), *[Blocked() for _ in range(5)]]
        for work in works[1:]:
            workers.submit(work)
        assert works[1].began.wait(SOON)  # on the thread that watched
        assert not works[2].began.is_set()
        for work in works:
            work.free.set()
        for work in works:
            assert work.began.wait(SOON)
        assert len(workers.threads()) == 2

    def test_one_that_watched_leaves_the_next_that_watches_alone(
        self, workers: Workers, moment: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found, go_on = threading.Event(), threading.Event()

        def start_owed(pool: Workers, count: int) -> bool:
            found.set()
            assert go_on.wait(SOON)
            return start(pool, count)

        start = Workers._start_owed
        monkeypatch.setattr(Workers, "_start_owed", start_owed)
        moment(0.05)
        run(workers)
        works = [blocked(workers), *[Blocked() for _ in range(3)]]
        workers.submit(works[1])
        workers.submit(works[2])
        assert found.wait(SOON)
        moment(60.0)
        workers.submit(works[3])  # another thread watches now
        monkeypatch.setattr(threading.Thread, "start", refuse)
        go_on.set()
        assert works[1].began.wait(SOON)
        with workers._lock:
            assert (workers._owed, workers._queue.qsize(), workers._watched) == (2, 2, True)
        for work in works:
            work.free.set()
        for work in works:
            assert work.began.wait(SOON)

    def test_the_end_does_not_wait_for_the_moment(self, moment: Callable[[float], None]) -> None:
        moment(60.0)
        workers = Workers()
        run(workers)
        busy, ran = blocked(workers), threading.Event()
        workers.submit(ran.set)
        workers.close(Deadline(SOON), grace=0.0)
        assert ran.wait(SOON)  # it was accepted
        busy.free.set()
        until(lambda: not workers.threads())


def submit_some(workers: Workers, begin: threading.Barrier, ran: list[int]) -> None:
    begin.wait()
    for number in range(20):
        workers.submit(partial(ran.append, number))


class TestClose:
    def test_idle_threads_are_gone_when_it_returns(self, workers: Workers) -> None:
        works = [blocked(workers) for _ in range(3)]
        threads = workers.threads()
        for work in works:
            work.free.set()
        until(lambda: not workers._busy)
        workers.close(Deadline(SOON))
        assert not any(thread.is_alive() for thread in threads)
        assert workers.threads() == []

    def test_busy_threads_are_not_waited_for_and_end_once_free(self, workers: Workers) -> None:
        work = blocked(workers)
        workers.close(Deadline(None))  # for ever, if they were
        assert work.thread is not None
        assert workers.threads() == [work.thread]
        work.free.set()
        work.thread.join(SOON)
        assert workers.threads() == []

    def test_one_that_becomes_busy_meanwhile_is_not_waited_for(self, workers: Workers) -> None:
        thread, work = run(workers), Blocked()
        until(lambda: workers._idle == 1)
        held = HeldThreads(workers)
        closed = threading.Thread(target=workers.close, args=(Deadline(None),))
        with held:
            workers.submit(work)
            closed.start()
            until(lambda: len(held.works) == 2)  # the end, too
        assert work.began.wait(SOON)
        closed.join(SOON)
        assert not closed.is_alive()
        assert thread.is_alive()
        work.free.set()
        closed.join(SOON)

    def test_busy_threads_may_have_a_grace(self, workers: Workers) -> None:
        works = [blocked(workers) for _ in range(2)]
        threads = workers.threads()
        free = threading.Timer(0.05, lambda: [work.free.set() for work in works])
        free.start()
        workers.close(Deadline(None), grace=SOON)
        assert not any(thread.is_alive() for thread in threads)
        free.join()

    def test_the_grace_is_for_all_of_them_and_within_the_deadline(self, workers: Workers) -> None:
        works = [blocked(workers) for _ in range(5)]
        began = time.monotonic()
        workers.close(Deadline(None), grace=0.05)
        workers.close(Deadline(0.05), grace=60.0)
        assert 0.1 <= time.monotonic() - began < SOON
        assert len(workers.threads()) == 5
        for work in works:
            work.free.set()

    def test_afterwards_nothing_runs(self, workers: Workers) -> None:
        run(workers)
        workers.close(Deadline(SOON))
        workers.submit(lambda: pytest.fail("it ran"))
        assert workers.threads() == []
        workers.close(Deadline(SOON))

    def test_what_was_submitted_before_still_runs(self) -> None:
        for _ in range(50):
            workers, ran = Workers(), threading.Event()
            workers.submit(ran.set)
            workers.close(Deadline(SOON), grace=SOON)
            assert ran.is_set()

    def test_beside_threads_that_submit(self) -> None:
        for _ in range(50):
            workers, begin, ran = Workers(), threading.Barrier(2), list[int]()
            user = threading.Thread(target=submit_some, args=(workers, begin, ran))
            user.start()
            begin.wait()
            workers.close(Deadline(SOON))  # finds no thread that was not started
            user.join()
            until(lambda: not workers.threads())  # noqa: B023 - called at once
            assert sorted(ran) == list(range(len(ran)))  # what was accepted ran, the rest did not
