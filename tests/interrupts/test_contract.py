"""The private names of other libraries that interruptible() needs, one test each.

A release that moves one fails here by its name, and at run time by a TypeError that names it.
"""

from __future__ import annotations

import importlib
import inspect
import queue
import ssl

import pytest

from arinova_agent_sync import interruptible
from arinova_agent_sync.interrupts import sleeps

httpx_and_httpx2 = pytest.mark.parametrize("name", ["httpx", "httpx2"])
CORES = {"httpx": "httpcore", "httpx2": "httpcore2"}


@httpx_and_httpx2
@pytest.mark.parametrize("attribute", ["_transport", "_mounts"])
def test_httpx_client(name: str, attribute: str) -> None:
    library = pytest.importorskip(name)
    with library.Client() as client:
        assert hasattr(client, attribute)
        delattr(client, attribute)
        with pytest.raises(
            TypeError, match=rf"does not fit {name} [\d.]+: it lacks Client.{attribute}\. Known is {name} "
        ):
            interruptible(client)
        setattr(client, attribute, {} if attribute == "_mounts" else library.HTTPTransport())


@httpx_and_httpx2
def test_httpx_transport(name: str) -> None:
    library = pytest.importorskip(name)
    transport = library.HTTPTransport()
    assert isinstance(transport._pool, importlib.import_module(CORES[name]).ConnectionPool)
    del transport._pool
    with pytest.raises(TypeError, match=rf"does not fit {name} [\d.]+: it lacks HTTPTransport._pool"):
        interruptible(library.Client(transport=transport))


@httpx_and_httpx2
@pytest.mark.parametrize("attribute", ["_network_backend", "_max_connections", "_http2"])
def test_httpcore_pool(name: str, attribute: str) -> None:
    library = pytest.importorskip(name)
    with library.Client() as client:
        assert hasattr(client._transport._pool, attribute)
        delattr(client._transport._pool, attribute)
        with pytest.raises(TypeError, match=rf"{CORES[name]} [\d.]+: it lacks ConnectionPool.{attribute}"):
            interruptible(client)


def test_urllib3_new_connection() -> None:
    import urllib3

    assert inspect.isfunction(urllib3.connection.HTTPConnection._new_conn)

    class Moved:
        """A connection class of a later release."""

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Moved

    with urllib3.PoolManager() as manager:
        manager.pool_classes_by_scheme = {"http": Pool}
        with pytest.raises(
            TypeError, match=r"urllib3 [\d.]+: it lacks Moved._new_conn\. Known is urllib3 2.2"
        ):
            interruptible(manager)


def test_urllib3_public_names() -> None:
    """They are public; but an adapter that relied on one that is gone would work by halves."""
    import urllib3

    with urllib3.PoolManager() as manager:
        assert set(manager.pool_classes_by_scheme) == {"http", "https"}
    assert urllib3.HTTPConnectionPool.QueueCls is queue.LifoQueue
    assert urllib3.HTTPSConnectionPool.ConnectionCls is urllib3.connection.HTTPSConnection
    assert "self.socket = socket" in inspect.getsource(urllib3.util.ssltransport.SSLTransport.__init__)


def test_botocore_pool_classes() -> None:
    session = pytest.importorskip("botocore.httpsession").URLLib3Session()
    assert set(session._pool_classes_by_scheme) == {"http", "https"}
    assert session._manager.pool_classes_by_scheme is session._pool_classes_by_scheme
    del session._pool_classes_by_scheme
    with pytest.raises(TypeError, match=r"botocore .* lacks URLLib3Session._pool_classes_by_scheme"):
        interruptible(session)


def test_requests_keeps_its_proxies_managers_in_a_dict() -> None:
    requests = pytest.importorskip("requests")
    adapter = requests.adapters.HTTPAdapter()
    manager = adapter.proxy_manager_for("http://localhost:1")
    assert adapter.proxy_manager == {"http://localhost:1": manager}


def test_llama_index_makes_its_client_late() -> None:
    llama_index = pytest.importorskip("llama_index.llms.openai")
    assert callable(llama_index.OpenAI._get_client)


@pytest.mark.parametrize("name", sleeps.MODULES)
def test_waits_between_retries(name: str) -> None:
    module = pytest.importorskip(name)
    assert "time.sleep(" in inspect.getsource(module)
    sleeps.make_interruptible()
    assert module.time.monotonic() > 0


def test_a_client_that_waits_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(importlib.import_module("urllib3.util.retry"), "time")
    with pytest.raises(
        TypeError, match=r"urllib3 [\d.]+: it lacks urllib3.util.retry.time\. Known is urllib3 2.2"
    ):
        sleeps.make_interruptible()


def test_a_second_handle_on_a_tls_socket_is_a_plain_one() -> None:
    """As for the handshake with a provider inside the TLS of a proxy."""
    import socket

    ours, theirs = socket.socketpair()
    with (
        theirs,
        ssl.create_default_context().wrap_socket(
            ours, do_handshake_on_connect=False, server_hostname="x"
        ) as tls,
        socket.fromfd(tls.fileno(), tls.family, tls.type) as handle,
    ):
        assert type(handle) is socket.socket
