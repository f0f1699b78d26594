"""Look-ups end in time, whatever the resolver does."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from arinova_agent_sync.net.abortable_wait import AbortableWait
from arinova_agent_sync.net.deadline import Deadline
from arinova_agent_sync.net.guarded_socket import Aborted
from arinova_agent_sync.net.resolver import Address, resolve

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]


def lookups() -> int:
    return sum(thread.name == "arinova-lookup" for thread in threading.enumerate())


class Resolver:
    """A resolver that hangs until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[object] = []

    def getaddrinfo(self, host: object, *_: object, flags: int = 0, **__: object) -> object:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        self.asked.append(host)
        self.go.wait(30)
        return FOUND


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver.getaddrinfo)
    yield resolver
    resolver.go.set()


def look_up(host: str = "chat.test", seconds: float = 5.0) -> list[Address]:
    with AbortableWait() as wait:
        return resolve(host, 80, Deadline(seconds), wait)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%1"])
def test_an_address_needs_no_thread(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("a thread was started"))
    assert look_up(host)[0].host.startswith(host.partition("%")[0])


def test_a_name() -> None:
    assert {address.host for address in look_up("localhost")} <= {"127.0.0.1", "::1"}


def test_a_resolver_that_hangs_is_left_in_time(hanging: Resolver) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="not looked up in time"):
        look_up(seconds=0.1)
    assert 0.1 <= time.monotonic() - began < 1
    assert lookups() == 1  # until the resolver returns


def test_a_look_up_is_aborted(hanging: Resolver) -> None:
    with AbortableWait() as wait, ThreadPoolExecutor(1) as pool:
        looking = pool.submit(resolve, "chat.test", 80, Deadline(30), wait)
        while not hanging.asked:
            time.sleep(0.001)
        began = time.monotonic()
        wait.abort()
        with pytest.raises(Aborted):
            looking.result(5)
        assert time.monotonic() - began < 1


def test_many_who_ask_a_hanging_resolver_cost_one_thread(hanging: Resolver) -> None:
    for _ in range(5):
        with pytest.raises(TimeoutError):
            look_up(seconds=0.02)
    assert lookups() == 1
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look_up)
        time.sleep(0.05)
        hanging.go.set()
        assert looking.result(5) == [Address(*FOUND[0][:3], FOUND[0][4])]
    assert len(hanging.asked) == 1


def test_the_next_look_up_is_a_new_one(hanging: Resolver) -> None:
    hanging.go.set()
    look_up()
    look_up()
    assert len(hanging.asked) == 2


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_AGAIN, "Try again"), MemoryError()])
def test_what_fails_is_raised_to_who_asked(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, flags: int = 0, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "no address") if flags else error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(type(error)) as caught:
        look_up()
    assert caught.value is error


def test_without_another_thread_it_looks_up_in_this_one(
    hanging: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    hanging.go.set()
    assert look_up()


@pytest.mark.parametrize(
    ("host", "asked"), [("chat.test", b"chat.test"), ("bücher.test", b"xn--bcher-kva.test")]
)
def test_the_library_is_asked_in_ascii(hanging: Resolver, host: str, asked: bytes) -> None:
    hanging.go.set()
    look_up(host)
    assert hanging.asked == [asked]


def test_a_name_that_cannot_be_one() -> None:
    with pytest.raises(UnicodeError):
        look_up("ü" * 64)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_asks_anew(hanging: Resolver) -> None:
    with pytest.raises(TimeoutError):
        look_up(seconds=0.02)
    child = os.fork()
    if child == 0:
        hanging.go = threading.Event()
        hanging.go.set()
        try:
            look_up()
            os._exit(len(hanging.asked) - 2)
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
