"""connect, disconnect, wait: what they return, raise and leave behind."""

from __future__ import annotations

import gc
import socket
import threading
import time
import weakref

import pytest

from arinova_agent_sync import (
    ArinovaAgent,
    AuthenticationError,
    ConnectionLost,
    ConnectTimeout,
    run,
)
from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.runtime import shutdown
from arinova_agent_sync.runtime.engine import Engine
from arinova_agent_sync.runtime.shutdown import Shutdown

from ..conftest import descriptors


@pytest.fixture
def silent_port():
    """A port that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def agent_at(port: int, **options: object) -> ArinovaAgent:
    return ArinovaAgent(server_url=f"ws://127.0.0.1:{port}", bot_token="ari_x", **options)  # type: ignore[arg-type]


def test_nothing_happens_before_connect(server, make_agent):
    agent = make_agent(server)
    assert agent.stats().threads == 0
    assert not agent.connected
    assert agent.wait() is True
    agent.disconnect()
    with pytest.raises(ConnectionLost, match="connect"):
        agent.send_telemetry("session_start", {})


def test_connect_returns_once_authenticated_and_again_at_once(server, make_agent):
    agent = make_agent(server)
    agent.connect(5)
    assert agent.connected
    assert agent.agent_name == "Agent"
    agent.connect(0.001)
    assert server.connection_count == 1


def test_connect_from_many_threads_makes_one_connection(server, make_agent):
    agent = make_agent(server)
    threads = [threading.Thread(target=agent.connect, args=(5,)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert server.connection_count == 1
    assert agent.stats().connections == 1


def test_an_idle_agent_has_two_threads(server, make_agent):
    agent = make_agent(server)
    agent.connect(5)
    names = {thread.name for thread in threading.enumerate() if thread.name.startswith("arinova-")}
    assert names - {"arinova-local-server"} == {"arinova-reader", "arinova-pinger"}
    assert agent.stats().threads == 2


def test_connect_times_out_and_goes_on_trying(silent_port):
    agent = agent_at(silent_port)
    with pytest.raises(ConnectTimeout, match=r"within 0\.05 s") as caught:
        agent.connect(0.05)
    assert isinstance(caught.value, TimeoutError)
    assert agent.stats().life == "running"
    agent.disconnect()
    assert agent.stats().life == "stopped"


@pytest.mark.parametrize("timeout", [-1, 0, float("nan"), "5", True])
def test_a_bad_timeout_is_refused(server, make_agent, timeout):
    agent = make_agent(server)
    with pytest.raises((TypeError, ValueError), match="timeout"):
        agent.connect(timeout)
    assert agent.stats().life == "new"


def test_disconnect_interrupts_a_connect_that_hangs(silent_port):
    agent = agent_at(silent_port)
    raised: list[BaseException] = []

    def connect() -> None:
        try:
            agent.connect()
        except ConnectionLost as error:
            raised.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    while agent.stats().link != "connecting":
        time.sleep(0.001)
    started = time.monotonic()
    agent.disconnect()
    thread.join(5)
    assert time.monotonic() - started < 5
    assert str(raised[0]) == "disconnect() called"


def test_disconnect_interrupts_the_wait_between_attempts():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    agent = agent_at(port, reconnect_interval=60.0)
    with pytest.raises(ConnectTimeout):
        agent.connect(0.1)
    started = time.monotonic()
    agent.disconnect()
    assert time.monotonic() - started < 10


def test_an_agent_connects_once_the_server_is_there(make_agent):
    server = LocalServer()
    server.start()
    url, token = server.url, server.bot_token
    server.stop()
    agent = ArinovaAgent(server_url=url, bot_token=token, reconnect_interval=0.01)
    with pytest.raises(ConnectTimeout):
        agent.connect(0.05)
    with server:
        agent.connect(5)
        agent.disconnect()


def test_disconnect_is_idempotent_and_connect_works_again(server, make_agent):
    agent = make_agent(server)
    agent.on_task(lambda task: "hello")
    for _ in range(3):
        agent.connect(5)
        assert server.conversation().say("hi").wait(5) == "completed"
        assert agent.stats().tasks_completed == 1
        agent.disconnect()
        agent.disconnect()
        assert agent.wait(1) is True
        assert not agent.connected


@pytest.mark.parametrize("connected_before", [False, True])
def test_disconnect_closes_what_the_client_opened(server, make_agent, connected_before):
    agent = make_agent(server)
    if connected_before:
        agent.connect(5)
        agent.disconnect()
    before = descriptors()
    assert agent.api.conversations.list().page.items == []
    assert descriptors() - before  # a connection is kept for the next call
    agent.disconnect()
    deadline = time.monotonic() + 5
    while descriptors() - before:  # the server's end follows
        assert time.monotonic() < deadline


def test_with_connects_and_disconnects(server):
    with ArinovaAgent(server_url=server.url, bot_token=server.bot_token) as agent:
        assert agent.connected
    assert agent.stats().life == "stopped"


def test_wait_tells_whether_the_agent_has_stopped(server, make_agent):
    agent = make_agent(server)
    agent.connect(5)
    assert agent.wait(0.01) is False
    timer = threading.Timer(0.05, agent.disconnect)
    timer.start()
    assert agent.wait(5) is True
    timer.join(5)


def test_disconnect_from_a_handler_returns_at_once_and_the_task_is_answered(server, make_agent):
    agent = make_agent(server)

    @agent.on_task
    def handle(task):
        agent.disconnect()
        return "goodbye"

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == ("completed", "goodbye")
    assert agent.wait(5) is True


def test_disconnect_from_a_callback_returns_at_once(server, make_agent):
    agent = make_agent(server)
    agent.on_connected(lambda: agent.disconnect())
    agent.connect(5)
    assert agent.wait(5) is True


def test_the_newer_agent_of_a_token_replaces_the_older(server, make_agent, caplog):
    older, newer = make_agent(server), make_agent(server)
    older.connect(5)
    newer.connect(5)
    assert older.stats().life == "stopped"
    assert newer.connected
    assert "newer one" in caplog.text
    assert server.bot_token not in caplog.text


@pytest.mark.slow
def test_an_agent_that_nobody_refers_to_stays_connected(server):
    # An application's factory may make an agent, connect it and return something else.
    agent = ArinovaAgent(server_url=server.url, bot_token=server.bot_token)
    agent.on_task(lambda task: "hello")
    agent.connect(5)
    del agent
    gc.collect()
    assert server.conversation().say("hi").wait(5) == "completed"
    (engine,) = shutdown._live.all()
    engine.stop(1.0)
    assert engine.wait(5)


def test_an_earlier_life_is_not_kept(server, make_agent):
    agent = make_agent(server)
    lives = []
    for _ in range(3):
        agent.connect(5)
        lives.append(weakref.ref(agent._engine))
        agent.disconnect()
    agent.connect(5)
    gc.collect()
    assert [life() for life in lives] == [None, None, None]


@pytest.mark.parametrize("step", [(Shutdown, "claim"), (Engine, "start")], ids=["claim", "start"])
def test_an_interrupted_connect_may_be_repeated(server, make_agent, monkeypatch, step):
    agent = make_agent(server)
    agent.on_task(lambda task: "fine")
    inside, go_on = threading.Event(), threading.Event()

    def interrupt(engine):
        inside.set()
        assert go_on.wait(5)
        raise KeyboardInterrupt

    beside: list[BaseException] = []

    def connect_beside():
        try:
            agent.connect(5)
        except ConnectionLost as error:
            beside.append(error)

    def let_go():
        assert inside.wait(5)
        thread = threading.Thread(target=connect_beside)
        thread.start()
        go_on.set()
        thread.join(5)

    helper = threading.Thread(target=let_go)
    with monkeypatch.context() as patch:
        patch.setattr(*step, interrupt)
        helper.start()
        with pytest.raises(KeyboardInterrupt):
            agent.connect(5)
    helper.join(10)
    agent.connect(5)
    assert server.conversation().say("hi").wait(5) == "completed"


@pytest.mark.parametrize("name", ["arinova-reader", "arinova-pinger"])
def test_a_thread_that_cannot_be_started_is_said_so(server, make_agent, monkeypatch, name):
    agent, start = make_agent(server), threading.Thread.start

    def refuse(thread):
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            agent.connect(5)
    assert agent.stats().life == "stopped"
    begin = time.monotonic()
    agent.disconnect()
    assert time.monotonic() - begin < 1
    agent.connect(5)


def test_an_unusable_proxy_of_the_environment_is_said_so(monkeypatch, caplog):
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "https://user:secret@127.0.0.1:1")
    agent = ArinovaAgent(server_url="http://chat.example.invalid", bot_token="ari_x")
    for move in (lambda: agent.connect(5), agent.run):
        with pytest.raises(ValueError, match="http_proxy must be") as caught:
            move()
        assert "secret" not in str(caught.value)
    assert agent.stats().life == "new"
    assert "bug" not in caplog.text


def test_run_refuses_what_cannot_work(server, make_agent):
    agent, twin = make_agent(server), make_agent(server)
    with pytest.raises(ValueError, match="at least one"):
        run()
    with pytest.raises(ValueError, match="same token"):
        run(agent, twin)
    with pytest.raises(TypeError, match="takes agents"):
        run(server)  # type: ignore[arg-type]


def test_run_outside_the_main_thread_ends_with_disconnect(server, make_agent):
    other = server.add_agent("Other")
    agents = [make_agent(server), make_agent(server, bot_token=other.token)]
    thread = threading.Thread(target=run, args=agents)
    thread.start()
    server.wait_for_agent(5)
    server.wait_for_agent(5, agent=other)
    for agent in agents:
        agent.disconnect()
    thread.join(5)
    assert not thread.is_alive()


def test_run_stops_all_and_raises_when_one_fails(server, make_agent):
    agents = [make_agent(server), make_agent(server, bot_token="ari_wrong")]
    with pytest.raises(AuthenticationError):
        run(*agents)
    assert [agent.stats().life for agent in agents] == ["stopped", "failed"]


def test_repr_and_html_show_the_state_and_no_token(server, make_agent):
    agent = make_agent(server)
    agent.connect(5)
    for text in (repr(agent), agent._repr_html_(), repr(agent._settings), repr(vars(agent))):
        assert server.bot_token not in text
    assert "online" in repr(agent)
    assert "<table>" in agent._repr_html_()


@pytest.mark.slow
def test_two_hundred_reconnects_leave_nothing(server, make_agent):
    agent = make_agent(server, reconnect_interval=0.001, _max_reconnect_delay=0.002)
    agent.connect(5)
    for number in range(2, 202):
        server.inject("drop")
        server.wait_for_agent(5, times=number)
    assert len([t for t in threading.enumerate() if t.name.startswith("arinova-")]) <= 3
    assert agent.stats().connections >= 200  # the last auth_ok may be on its way
