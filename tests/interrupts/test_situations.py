"""Whatever a client waits for, a cancel ends it: every client in every situation."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from arinova_agent_sync import TaskCancelled

from .clients import KINDS, Kind, close, kinds
from .conftest import AT_ONCE, Handler
from .stub import MuteHandler, Stub, black_hole, mute, proxy, stub, text_of

pytestmark = [  # those of the clients themselves
    pytest.mark.filterwarnings(f"ignore::{kind}")
    for kind in ("UserWarning", "DeprecationWarning", "FutureWarning")
]
every_client = pytest.mark.parametrize("kind", kinds())


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def provider(request: pytest.FixtureRequest, trusted: str) -> Iterator[Stub]:
    with stub(tls=request.param) as server:
        yield server


def ended_at_once(provider: Stub, handler: Handler) -> None:
    """The handler and the connection have ended, and no request followed."""
    handler.was_cancelled_at_once()
    assert provider.wait_for("end") - handler.cancelled < AT_ONCE
    assert provider.count("request") == 1


@every_client
def test_before_the_first_byte(provider: Stub, kind: Kind) -> None:
    client, ask = kind.make(f"{provider.url}/think")
    handler = Handler(lambda: list(ask()))
    provider.wait_for("request")
    ended_at_once(provider, handler.cancel())
    close(client)


@every_client
@pytest.mark.parametrize(("does", "pieces"), [("stall", 3), ("drip", 2)])
def test_within_the_stream(provider: Stub, kind: Kind, does: str, pieces: int) -> None:
    client, ask = kind.make(f"{provider.url}/{does}")
    come = threading.Semaphore(0)

    def read() -> None:
        for _ in ask():
            come.release()

    handler = Handler(read)
    for _ in range(pieces):
        assert come.acquire(timeout=5)
    ended_at_once(provider, handler.cancel())
    close(client)


@every_client
def test_busy_between_two_pieces(provider: Stub, kind: Kind) -> None:
    client, ask = kind.make(f"{provider.url}/drip")
    busy, go_on = threading.Event(), threading.Event()

    def read() -> None:
        pieces = ask()
        next(pieces)
        busy.set()
        assert go_on.wait(5)
        for _ in pieces:  # what was received already may still come
            pass

    handler = Handler(read)
    assert busy.wait(5)
    handler.cancel()
    assert provider.wait_for("end") - handler.cancelled < AT_ONCE
    go_on.set()
    assert type(handler.join()) is TaskCancelled
    assert provider.count("request") == 1
    close(client)


@every_client
def test_abandoned_without_with(provider: Stub, kind: Kind) -> None:
    client, ask = kind.make(f"{provider.url}/drip")
    kept = []

    def read() -> None:
        kept.append(ask())
        next(kept[0])

    handler = Handler(read)
    assert handler.join() is None
    assert provider.wait_for("end") - handler.ended < AT_ONCE
    kept[0].close()
    close(client)


@pytest.mark.parametrize("kind", kinds(repeats=True))
def test_between_two_attempts(kind: Kind) -> None:
    with stub() as provider:
        client, ask = kind.make(f"{provider.url}/busy")
        handler = Handler(lambda: list(ask()))
        provider.wait_for("request")
        time.sleep(0.05)  # by now it sleeps; boto3 for a random while, so a second request may have been made
        handler.cancel().was_cancelled_at_once()
        requests = provider.count("request")
        time.sleep(0.05)
        assert provider.count("request") == requests
        close(client)


@pytest.mark.slow
@every_client
def test_connecting(kind: Kind) -> None:
    with black_hole() as url:
        client, ask = kind.make(f"{url}/think")
        started = threading.Event()

        def connect() -> None:
            started.set()
            list(ask())

        handler = Handler(connect)
        assert started.wait(5)
        time.sleep(0.1)
        handler.cancel().was_cancelled_at_once()
        close(client)


@every_client
def test_looking_up(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answer = threading.Event(), threading.Event()

    def look_up(*args: object, **kwargs: object) -> object:
        asked.set()
        answer.wait(10)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client, ask = kind.make("http://provider.invalid/think")
    handler = Handler(lambda: list(ask()))
    assert asked.wait(5)
    try:
        handler.cancel().was_cancelled_at_once()
    finally:
        answer.set()
        close(client)


@every_client
def test_in_the_tls_handshake(kind: Kind, trusted: str) -> None:
    with mute() as provider:
        client, ask = kind.make(f"https://localhost:{provider.server_address[1]}/think")
        handler = Handler(lambda: list(ask()))
        provider.wait_for("request")
        ended_at_once(provider, handler.cancel())
        close(client)


@every_client
def test_a_client_goes_on_after_a_cancel(provider: Stub, kind: Kind) -> None:
    client, ask = kind.make(f"{provider.url}/quick")
    handler = Handler(lambda: list(ask()))
    assert handler.join() is None
    scope_ended = Handler(lambda: (handler.scope.cancel(), handler.scope.enter(), list(ask())))
    assert type(scope_ended.join()) is TaskCancelled
    answers = []
    assert Handler(lambda: answers.append("".join(ask()))).join() is None
    assert "".join(answers[0].split()) == "".join(text_of(number).strip() for number in range(3))
    assert "".join("".join(ask()).split()) == "".join(answers[0].split())  # outside of tasks
    close(client)


@pytest.mark.parametrize("name", ["httpx", "httpx2", "requests", "urllib3"])
def test_sending_a_large_body(provider: Stub, name: str) -> None:
    pytest.importorskip(name)
    client, _ = KINDS[name].make(provider.url)
    body = b"x" * 50_000_000
    send = (
        {"content": body}
        if name.startswith("httpx")
        else {"data": body}
        if name == "requests"
        else {"body": body}
    )
    handler = Handler(lambda: client.request("POST", f"{provider.url}/swallow", **send))
    provider.wait_for("request")
    handler.cancel().was_cancelled_at_once()
    provider.wait_for("end")
    close(client)


@pytest.mark.slow
@pytest.mark.parametrize("proxy_tls", [False, True], ids=["proxy", "tls-proxy"])
@pytest.mark.parametrize("does", ["think", "stall"])
@every_client
def test_through_a_proxy(
    kind: Kind, does: str, proxy_tls: bool, trusted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stub(tls=True) as provider, proxy(tls=proxy_tls) as relay:
        monkeypatch.setenv("HTTPS_PROXY", relay.url)
        client, ask = kind.make(f"{provider.url}/{does}")
        handler = Handler(lambda: list(ask()))
        provider.wait_for("request")
        time.sleep(0.05)
        ended_at_once(provider, handler.cancel())
        assert relay.count("tunnel") == 1
        close(client)


@every_client
def test_a_proxy_that_does_not_answer(kind: Kind, trusted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with mute(MuteHandler) as relay:
        monkeypatch.setenv("HTTPS_PROXY", relay.url)
        client, ask = kind.make("https://provider.invalid/think")
        handler = Handler(lambda: list(ask()))
        relay.wait_for("request")
        ended_at_once(relay, handler.cancel())
        close(client)
