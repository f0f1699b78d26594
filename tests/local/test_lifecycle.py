"""Starting and stopping: quick, whole, and leaving nothing behind (which the shared fixture watches)."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import websocket
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from arinova_agent_sync.extras import install_command
from arinova_agent_sync.local import LocalServer

from .conftest import Connect
from .raw_agent import RawAgent


def test_it_starts_and_stops_quickly_and_often() -> None:
    began = time.monotonic()
    for _ in range(10):
        with LocalServer() as server:
            assert server.running
            assert server.port > 0
        assert not server.running
    assert time.monotonic() - began < 5.0


def test_start_and_stop_may_be_repeated() -> None:
    server = LocalServer()
    server.stop()
    assert server.start() is server.start() is server
    server.stop()
    server.stop()


def test_a_restart_keeps_port_accounts_and_rows(connect: Connect) -> None:
    with LocalServer() as server:
        place, url = server.conversation(), server.url
        connect(to=server)
        reply = place.say("hi")
        server.stop()
        assert (reply.wait(), reply.error) == ("error", "Stream interrupted by server restart")
        server.start()
        assert server.url == url
        assert not server.agent_connected
        agent = connect(to=server)
        place.say("again")
        assert [item["content"] for item in agent.task()["history"]] == ["hi", reply.error, "again"]


def test_stopping_in_mid_stream_drops_every_connection(connect: Connect) -> None:
    server = LocalServer().start()
    waiting, agent = connect(to=server, auth=False), connect(to=server)
    idle = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    reply = server.conversation().say("hi")
    agent.chunk(agent.task(), "half")
    reply.wait_for_text("half")
    server.inject("half-open")
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 5
    assert agent.ending()[1] is waiting.ending()[1] is None
    assert server.connection_count == 0
    idle.close()


def test_stopping_wakes_everyone_who_waits(server: LocalServer, agent: RawAgent) -> None:
    reply = server.conversation().say("hi")
    with ThreadPoolExecutor(4) as pool:
        frame = pool.submit(server.wait_for_frame, "never", 30)
        other = pool.submit(server.wait_for_agent, 30, times=2)
        end = pool.submit(reply.wait)
        server.stop()
        with pytest.raises(RuntimeError, match="the server is not running: no frame never"):
            frame.result(5)
        with pytest.raises(RuntimeError, match="the server is not running"):
            other.result(5)
        assert end.result(5) == "error"


def test_waiting_for_a_server_that_does_not_run_fails_at_once() -> None:
    server = LocalServer()
    with pytest.raises(RuntimeError, match="not running"):
        server.wait_for_agent()
    with pytest.raises(RuntimeError, match="not running"):
        server.inject("drop")


def test_a_taken_port_is_said_at_once(server: LocalServer) -> None:
    with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
        LocalServer(port=server.port).start()


def test_several_servers_run_side_by_side(server: LocalServer, agent: RawAgent, connect: Connect) -> None:
    with LocalServer() as other:
        second = connect(to=other)
        server.conversation().say("one")
        other.conversation().say("two")
        assert (agent.task()["content"], second.task()["content"]) == ("one", "two")


def test_it_listens_on_ipv6_too() -> None:
    try:
        server = LocalServer(host="::1").start()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        assert server.url == f"http://[::1]:{server.port}"


def test_it_says_nothing_and_takes_no_signals(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], connect: Connect
) -> None:
    filters = list(logging.getLogger("uvicorn.error").filters)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with caplog.at_level(logging.INFO), LocalServer() as server:
        agent = connect(to=server)
        broken = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        broken.sendall(b"this is no HTTP\r\n\r\n")
        assert broken.recv(100).startswith(b"HTTP/1.1 400")
        broken.close()
        server.inject("drop")
        agent.ending()
        assert {number: signal.getsignal(number) for number in before} == before
    assert {record.name for record in caplog.records} <= {"arinova_agent_sync.local"}
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("uvicorn.error").filters == filters


def test_the_event_loop_lives_in_one_thread_only(server: LocalServer) -> None:
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    assert [thread.name for thread in threading.enumerate() if "arinova" in thread.name] == [
        "arinova-local-server"
    ]


def test_routes_may_be_added() -> None:
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())
        await websocket.receive()

    routes = [
        Route("/hello", lambda request: PlainTextResponse("hello")),
        WebSocketRoute("/ws", echo),
    ]
    with LocalServer(routes=routes) as server:
        with urllib.request.urlopen(server.url + "/hello", timeout=5) as response:
            assert response.read() == b"hello"
        with pytest.raises(urllib.error.HTTPError, match="404") as missing:
            urllib.request.urlopen(server.url + "/missing", timeout=5)
        missing.value.close()
        client = websocket.create_connection(server.url.replace("http", "ws", 1) + "/ws", timeout=5)
        client.send("over ASGI")
        assert client.recv() == "over ASGI"
    client.shutdown()


def test_its_repr_has_no_token(server: LocalServer, agent: RawAgent) -> None:
    assert repr(server) == f"<LocalServer {server.url}, 1 agents, 1 connections>"
    assert server.bot_token not in repr(server.agent)


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "websockets"])
def test_without_the_extra_the_import_says_what_to_install(missing: str) -> None:
    program = f"""
import sys
sys.modules[{missing!r}] = None
try:
    import arinova_agent_sync.local
except ImportError as error:
    assert {install_command("playground")!r} in str(error), error
else:
    sys.exit("imported")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
