"""What interruptible() refuses, and what it says then; what it allows."""

from __future__ import annotations

import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

import arinova_agent_sync
from arinova_agent_sync import interruptible

from .conftest import Handler
from .stub import stub

httpx = pytest.importorskip("httpx")
requests = pytest.importorskip("requests")
urllib3 = pytest.importorskip("urllib3")

NO_CLIENT = "finds no HTTP client in "


@pytest.mark.parametrize(
    ("client", "kind"),
    [
        (None, "builtins.NoneType"),
        ("client", "builtins.str"),
        (object(), "builtins.object"),
        (SimpleNamespace(url="http://localhost"), "types.SimpleNamespace"),
        (httpx.Client, "builtins.type"),
        (httpx, "builtins.module"),
        (httpx.AsyncClient(), "httpx.AsyncClient"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_no_client(client: object, kind: str) -> None:
    with pytest.raises(
        TypeError, match=f"{NO_CLIENT}{kind}.*It takes httpx.Client, .*async clients need none"
    ):
        interruptible(client)


class OwnTransport(httpx.BaseTransport):
    """A transport that would be bypassed."""


def test_a_custom_transport() -> None:
    with (
        httpx.Client(transport=OwnTransport()) as client,
        pytest.raises(TypeError, match=r"OwnTransport; it takes httpx.HTTPTransport"),
    ):
        interruptible(client)


def test_a_custom_transport_beside_a_known_one_changes_nothing() -> None:
    with httpx.Client(mounts={"http://own": OwnTransport()}) as client:
        before = client._transport._pool
        with pytest.raises(TypeError, match="OwnTransport"):
            interruptible(client)
        assert client._transport._pool is before


def test_one_client_of_several_that_cannot_be_used_changes_none() -> None:
    with httpx.Client() as good, httpx.Client(transport=OwnTransport()) as bad, requests.Session() as session:
        before, pools = (
            good._transport._pool,
            session.get_adapter("http://x").poolmanager.pool_classes_by_scheme,
        )
        with pytest.raises(TypeError, match="OwnTransport"):
            interruptible(SimpleNamespace(good=good, session=session, bad=bad))
        assert good._transport._pool is before
        assert session.get_adapter("http://x").poolmanager.pool_classes_by_scheme is pools


def test_a_subclass_of_the_known_transport() -> None:
    class Counting(httpx.HTTPTransport):
        count = 0

        def handle_request(self, request):
            self.count += 1
            return super().handle_request(request)

    with stub() as provider, interruptible(httpx.Client(transport=Counting())) as client:
        assert client.get(f"{provider.url}/echo-2").text == "0 1 "
        assert client._transport.count == 1


def test_a_custom_network_backend() -> None:
    import httpcore

    class OwnBackend(httpcore.NetworkBackend):
        """A backend that would be bypassed."""

    transport = httpx.HTTPTransport()
    transport._pool = httpcore.ConnectionPool(network_backend=OwnBackend())
    with (
        httpx.Client(transport=transport) as client,
        pytest.raises(TypeError, match=r"OwnBackend; it takes httpcore.SyncBackend"),
    ):
        interruptible(client)


def test_http2() -> None:
    pytest.importorskip("h2")
    with httpx.Client(http2=True) as client, pytest.raises(ValueError, match=r"http2=True.*Leave http2 out"):
        interruptible(client)


def test_a_closed_client() -> None:
    client = httpx.Client()
    client.close()
    with pytest.raises(ValueError, match=r"a client that is closed"):
        interruptible(client)


def test_a_client_in_the_midst_of_a_request() -> None:
    with stub() as provider, httpx.Client() as client:
        with (
            client.stream("GET", f"{provider.url}/stall"),
            pytest.raises(ValueError, match="call it at start-up"),
        ):
            interruptible(client)
        interruptible(client)


def test_a_custom_adapter() -> None:
    class OwnAdapter(requests.adapters.BaseAdapter):
        """An adapter that would be bypassed."""

        def close(self) -> None:
            pass

    with requests.Session() as session:
        session.mount("http://", OwnAdapter())
        with pytest.raises(TypeError, match=r"OwnAdapter; it takes requests.adapters.HTTPAdapter"):
            interruptible(session)


@pytest.mark.parametrize("make", [httpx.Client, requests.Session, urllib3.PoolManager])
def test_twice_is_once(make) -> None:
    with stub() as provider, make() as client:
        assert interruptible(interruptible(client)) is client
        assert interruptible(client) is client
        handler = Handler(lambda: client.request("GET", f"{provider.url}/think"))
        provider.wait_for("request")
        handler.cancel().was_cancelled_at_once()


def test_threads_may_do_it_to_one_client_at_once() -> None:
    def make_interruptible(client, barrier, errors) -> None:
        barrier.wait()
        try:
            interruptible(client)
        except Exception as error:
            errors.append(error)

    errors: list[Exception] = []
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30):
            with httpx.Client(verify=False) as client:
                given = client, threading.Barrier(4), errors
                threads = [threading.Thread(target=make_interruptible, args=given) for _ in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                assert isinstance(client._transport._pool._inner, sys.modules["httpcore"].ConnectionPool)
    finally:
        sys.setswitchinterval(before)
    assert errors == []


@pytest.mark.parametrize("make", [httpx.Client, requests.Session, urllib3.PoolManager])
def test_connections_from_before_are_replaced(make) -> None:
    with stub() as provider, make() as client:
        client.request("GET", f"{provider.url}/echo-1")
        interruptible(client)
        handler = Handler(lambda: client.request("GET", f"{provider.url}/think"))
        provider.wait_for("request", 2)
        handler.cancel().was_cancelled_at_once()
        assert provider.count("open") == 2


def test_a_client_may_be_made_in_a_handler() -> None:
    with stub() as provider:

        def handle() -> None:
            with interruptible(httpx.Client()) as client:
                client.get(f"{provider.url}/think")

        handler = Handler(handle)
        provider.wait_for("request")
        handler.cancel().was_cancelled_at_once()


def test_a_client_is_found_in_an_object_of_the_users() -> None:
    class Model:
        def __init__(self) -> None:
            self.lock = threading.Lock()
            self.again = self
            self.parts = SimpleNamespace(http=httpx.Client())

    model = interruptible(Model())
    with stub() as provider, model.parts.http as client:
        handler = Handler(lambda: client.get(f"{provider.url}/think"))
        provider.wait_for("request")
        handler.cancel().was_cancelled_at_once()


def test_all_clients_of_an_object_are_found() -> None:
    # To leave out those in a list would be to make the object interruptible by half, in silence.
    with httpx.Client() as first, httpx.Client() as second, httpx.Client() as third:
        interruptible(SimpleNamespace(model=first, fallbacks=[second], others={"third": third}))
        kinds = {type(client._transport._pool).__name__ for client in (first, second, third)}
        assert kinds == {"InterruptiblePool"}


def test_litellm_takes_a_client_for_other_providers() -> None:
    litellm = pytest.importorskip("litellm")
    from litellm.llms.custom_httpx.http_handler import HTTPHandler

    http = interruptible(HTTPHandler())
    ask = {"model": "anthropic/m", "messages": [{"role": "user", "content": "hi"}], "api_key": "key"}
    with stub() as provider:
        call = {**ask, "api_base": f"{provider.url}/think", "stream": True, "timeout": 8, "client": http}
        handler = Handler(lambda: list(litellm.completion(**call)))
        provider.wait_for("request")
        handler.cancel().was_cancelled_at_once()
    http.close()


def test_the_package_loads_nothing_for_it() -> None:
    code = """
import sys
import arinova_agent_sync
agent = arinova_agent_sync.ArinovaAgent(server_url="http://localhost", bot_token="t")
print([name for name in sys.modules if "interrupts" in name or name in ("concurrent.futures", "urllib3", "httpx")])
arinova_agent_sync.interruptible
print([name for name in sys.modules if name in ("urllib3", "httpx", "httpcore", "requests", "botocore")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("[]\n[]\n", "")
    assert "interruptible" in arinova_agent_sync.__all__
