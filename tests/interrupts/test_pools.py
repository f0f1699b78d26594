"""A wait for a pool's connection can be ended, no place is lost, and what is whole is used again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from arinova_agent_sync import TaskCancelled, interruptible
from arinova_agent_sync.interrupts.httpcore_pools import Places
from arinova_agent_sync.interrupts.scope import Scope

from .conftest import Handler
from .stub import Stub, stub


class Narrow(NamedTuple):
    """A client with a pool of one connection.

    Attributes:
        get: asks and reads the answer to its end.
        open: asks and returns the answer once its headers have come.
        out_of_places: what it raises after half a second without a place.
    """

    get: Callable[[str], Any]
    open: Callable[[str], Any]
    out_of_places: type[Exception]


def narrow_httpx(name: str) -> Iterator[Narrow]:
    library = pytest.importorskip(name)
    limits = library.Limits(max_connections=1, max_keepalive_connections=1)
    with interruptible(library.Client(limits=limits, timeout=library.Timeout(8, pool=0.5))) as client:
        yield Narrow(
            client.get,
            lambda url: client.send(client.build_request("GET", url), stream=True),
            library.PoolTimeout,
        )


def narrow_requests() -> Iterator[Narrow]:
    library = pytest.importorskip("requests")
    with library.Session() as session:
        session.mount("http://", library.adapters.HTTPAdapter(pool_maxsize=1, pool_block=True))
        interruptible(session)
        yield Narrow(
            lambda url: session.get(url, timeout=8),
            lambda url: session.get(url, stream=True, timeout=8),
            TypeError,
        )


def narrow_urllib3() -> Iterator[Narrow]:
    import urllib3

    with interruptible(urllib3.PoolManager(maxsize=1, block=True, timeout=8, retries=False)) as manager:
        yield Narrow(
            lambda url: manager.request("GET", url, pool_timeout=0.5),
            lambda url: manager.request("GET", url, preload_content=False, pool_timeout=0.5),
            urllib3.exceptions.EmptyPoolError,
        )


@pytest.fixture(params=["httpx", "httpx2", "requests", "urllib3"])
def narrow(request: pytest.FixtureRequest) -> Iterator[Narrow]:
    make = {"requests": narrow_requests, "urllib3": narrow_urllib3}.get(request.param)
    yield from make() if make else narrow_httpx(request.param)


@pytest.fixture
def provider() -> Iterator[Stub]:
    with stub() as server:
        yield server


@pytest.mark.slow
def test_waiting_for_a_connection_is_ended_and_costs_no_place(narrow: Narrow, provider: Stub) -> None:
    holder = Handler(lambda: narrow.get(f"{provider.url}/think"))
    provider.wait_for("request")
    for _ in range(3):
        asked = threading.Event()
        waiter = Handler(lambda asked=asked: (asked.set(), narrow.get(f"{provider.url}/echo-1")))
        assert asked.wait(5)
        time.sleep(0.05)
        waiter.cancel().was_cancelled_at_once()
    holder.cancel().was_cancelled_at_once()
    assert provider.count("request") == 1
    for _ in range(3):
        narrow.get(f"{provider.url}/echo-2")
    together = [Handler(lambda: narrow.get(f"{provider.url}/echo-2")) for _ in range(4)]
    assert [handler.join() for handler in together] == [None] * 4
    assert provider.count("open") == 2  # one at a time: the holder's, and one for all the rest


@pytest.mark.slow
def test_the_next_in_line_gets_the_place_of_a_cancelled_request(narrow: Narrow, provider: Stub) -> None:
    holder = Handler(lambda: narrow.get(f"{provider.url}/think"))
    provider.wait_for("request")
    waiter = Handler(lambda: narrow.get(f"{provider.url}/echo-1"))
    time.sleep(0.05)
    holder.cancel()
    assert waiter.join() is None


@pytest.mark.slow
def test_a_pools_own_time_out_holds(narrow: Narrow, provider: Stub) -> None:
    if narrow.out_of_places is TypeError:
        pytest.skip("requests has no such time-out")
    holder = Handler(lambda: narrow.get(f"{provider.url}/think"))
    provider.wait_for("request")
    with pytest.raises(narrow.out_of_places):
        narrow.get(f"{provider.url}/echo-1")
    assert type(Handler(lambda: narrow.get(f"{provider.url}/echo-1")).join()) is narrow.out_of_places
    holder.cancel().was_cancelled_at_once()
    narrow.get(f"{provider.url}/echo-1")


def test_a_connection_that_served_a_task_to_the_end_is_used_again(narrow: Narrow, provider: Stub) -> None:
    for _ in range(2):
        handler = Handler(lambda: narrow.get(f"{provider.url}/echo-3"))
        assert handler.join() is None
        handler.cancel()  # too late to do anything
    narrow.get(f"{provider.url}/echo-3")
    assert (provider.count("open"), provider.count("request")) == (1, 3)


def test_a_response_that_another_thread_reads_is_its_tasks(narrow: Narrow, provider: Stub) -> None:
    raised: list[BaseException] = []
    reading = threading.Event()

    def read(answer: Any) -> None:
        try:
            for _ in getattr(
                answer, "iter_content", getattr(answer, "iter_raw", getattr(answer, "stream", None))
            )():
                reading.set()
        except BaseException as error:
            raised.append(error)

    def handle() -> None:
        answer = narrow.open(f"{provider.url}/stall")
        reader = threading.Thread(target=read, args=(answer,))
        reader.start()
        reader.join(5)

    handler = Handler(handle)
    assert reading.wait(5)
    handler.cancel()
    handler.join()
    assert [type(error) for error in raised] == [TaskCancelled]
    assert provider.wait_for("end") - handler.cancelled < 0.5


class TestPlaces:
    def test_a_place_is_taken_and_given_back(self) -> None:
        places = Places(1)
        assert places.take(None, 0)
        assert not places.take(None, 0.001)
        places.give_back()
        assert places.take(None, 0)

    def test_those_that_wait_are_served_in_turn(self) -> None:
        places, served = Places(1), []
        assert places.take(None, 0)
        threads = []
        for number in range(5):
            thread = threading.Thread(
                target=lambda number=number: served.append(places.take(None, 5) and number)
            )
            thread.start()
            threads.append(thread)
            while len(places._waiting) <= number:
                time.sleep(0.001)
        for number in range(5):
            places.give_back()
            threads[number].join(5)
        assert served == list(range(5))

    def test_a_place_that_comes_with_the_cancel_goes_to_the_next(self) -> None:
        places, scope = Places(1), Scope("t1")
        assert places.take(None, 0)

        class GivesBack(threading.Event):
            def wait(self, timeout=None) -> bool:
                places.give_back()
                scope.cancel()
                return True

        event, threading.Event = threading.Event, GivesBack
        try:
            with pytest.raises(TaskCancelled):
                places.take(scope, 5)
        finally:
            threading.Event = event
        assert places.take(None, 0)
