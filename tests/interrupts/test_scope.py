"""Who may shut what down, and when."""

from __future__ import annotations

import contextvars
import gc
import threading
import time

import pytest

from arinova_agent_sync import TaskCancelled
from arinova_agent_sync.interrupts.scope import Scope, current_scope

from .conftest import Handler


class Thing:
    """What a scope owns, and what it did to it."""

    def __init__(self) -> None:
        self.happened: list[str] = []

    def shut(self) -> None:
        self.happened.append("shut")

    def abandon(self) -> None:
        self.happened.append("abandoned")


@pytest.fixture
def scope() -> Scope:
    return Scope("t1")


def test_a_cancel_shuts_what_is_owned(scope: Scope) -> None:
    owned, given_up = Thing(), Thing()
    scope.own(owned)
    scope.own(given_up)
    scope.give_up(given_up)
    scope.cancel()
    assert (owned.happened, given_up.happened) == (["shut"], [])


def test_a_cancelled_scope_owns_nothing_more(scope: Scope) -> None:
    scope.cancel()
    late = Thing()
    with pytest.raises(TaskCancelled, match="task t1 was cancelled"):
        scope.own(late)
    scope.cancel()
    assert late.happened == []


def test_the_end_of_the_task_shuts_and_abandons_what_is_left(scope: Scope) -> None:
    left, given_up = Thing(), Thing()
    scope.own(left)
    scope.own(given_up)
    scope.give_up(given_up)
    scope.close()
    scope.close()
    assert (left.happened, given_up.happened) == (["shut", "abandoned"], [])


def test_whoever_still_works_for_a_task_that_has_ended_is_told(scope: Scope) -> None:
    scope.close()
    with pytest.raises(TaskCancelled, match="task t1 has ended"):
        scope.check()


def test_what_is_shut_may_be_given_up_meanwhile(scope: Scope) -> None:
    """As when the garbage collector closes a response amid a cancel, on the same thread."""

    class Careless(Thing):
        def shut(self) -> None:
            super().shut()
            for other in things:
                scope.give_up(other)

    things = [Careless() for _ in range(3)]
    for thing in things:
        scope.own(thing)
    scope.cancel()
    assert all(thing.happened == ["shut"] for thing in things)


def test_a_cancel_ends_a_wait(scope: Scope) -> None:
    threading.Timer(0.02, scope.cancel).start()
    started = time.monotonic()
    with pytest.raises(TaskCancelled):
        scope.wait(threading.Event(), 10)
    assert time.monotonic() - started < 5


def test_a_wait_tells_whether_the_event_came(scope: Scope) -> None:
    event = threading.Event()
    assert not scope.wait(event, 0.001)
    event.set()
    assert scope.wait(event)


def test_wakers_are_called_only_within_their_block(scope: Scope) -> None:
    called: list[str] = []
    with scope.waking(lambda: called.append("too late")):
        pass
    with scope.waking(lambda: called.append("woken")):
        scope.cancel()
    assert called == ["woken"]
    with pytest.raises(TaskCancelled), scope.waking(called.clear):
        pytest.fail("the block of a cancelled task was entered")


def test_a_waker_may_use_the_scope(scope: Scope) -> None:
    done = threading.Event()

    def wake() -> None:
        other = threading.Thread(target=lambda: (scope.give_up(Thing()), done.set()))
        other.start()
        assert done.wait(5)
        other.join()

    with scope.waking(wake):
        scope.cancel()
    assert done.is_set()


def test_the_current_scope_is_that_of_the_context(scope: Scope) -> None:
    def entered() -> Scope | None:
        scope.enter()
        return current_scope()

    assert contextvars.copy_context().run(entered) is scope
    assert current_scope() is None


def test_plain_threads_do_not_inherit_the_scope() -> None:
    found: list[Scope | None] = []

    def handle() -> None:
        thread = threading.Thread(target=lambda: found.append(current_scope()))
        thread.start()
        thread.join()

    assert Handler(handle).join() is None
    assert found == [None]


@pytest.mark.parametrize(("cancelled", "there"), [(False, False), (True, True)])
def test_a_task_that_has_ended_is_no_more_current_unless_it_was_cancelled(
    cancelled: bool, there: bool
) -> None:
    """A late call of a cancelled handler must not go out; a helper thread of one that has finished may go on."""

    def entered() -> bool:
        scope = Scope("t1")
        scope.enter()
        if cancelled:
            scope.cancel()
        scope.close()
        return current_scope() is scope

    assert contextvars.copy_context().run(entered) is there


def test_after_giving_up_nothing_is_shut_however_the_threads_run() -> None:
    """The rule on which the pools rely, with a cancel at any moment."""
    for _ in range(300):
        scope, thing = Scope("t1"), Thing()
        go = threading.Barrier(2)

        def cancel(scope: Scope = scope, go: threading.Barrier = go) -> None:
            go.wait()
            scope.cancel()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        go.wait()
        try:
            scope.own(thing)
        except TaskCancelled:
            before: list[str] = []
        else:
            scope.give_up(thing)
            before = list(thing.happened)
        canceller.join()
        assert thing.happened == before
    gc.collect()
