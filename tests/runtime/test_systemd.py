"""What systemd hears from run(): over a real socket, with a path and without one."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arinova_agent_sync import ArinovaAgent, AuthenticationError
from arinova_agent_sync._internals import engine_of
from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.runtime import engine as engine_module
from arinova_agent_sync.runtime.standby import Standby
from arinova_agent_sync.runtime.state import State
from arinova_agent_sync.runtime.systemd import Systemd

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs systemd's kind of sockets")

PATIENCE = 5.0  # seconds


class Manager:
    """The side of systemd."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(PATIENCE)

    def hears(self) -> list[str]:
        return self.socket.recv(4096).decode().split("\n")

    def hears_first(self) -> str:
        return self.hears()[0]

    def hears_nothing(self, seconds: float) -> bool:
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(4096)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)
        return False


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Manager]:
    name = f"arinova-{os.getpid()}-{tmp_path.name[-20:]}"
    path = str(tmp_path / "notify")
    manager = Manager(path if request.param == "path" else f"\0{name}")
    monkeypatch.setenv("NOTIFY_SOCKET", path if request.param == "path" else f"@{name}")
    yield manager
    manager.socket.close()


@pytest.fixture
def agent(server: LocalServer, make_agent: Callable[..., ArinovaAgent]) -> ArinovaAgent:
    agent = make_agent(server)
    agent.on_task(lambda task: "hi")
    return agent


def running(agent: ArinovaAgent) -> threading.Thread:
    thread = threading.Thread(target=agent.run)
    thread.start()
    return thread


def test_it_hears_of_the_start_and_the_end(manager: Manager, agent: ArinovaAgent) -> None:
    thread = running(agent)
    assert manager.hears() == ["READY=1", "STATUS=Agent online"]
    agent.disconnect()
    assert manager.hears() == ["STOPPING=1"]
    thread.join(PATIENCE)
    assert manager.hears_nothing(0.05)


def test_the_watchdog_hears_of_it_until_it_stops(
    manager: Manager, agent: ArinovaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    thread = running(agent)
    heard = [manager.hears_first() for _ in range(3)]
    assert heard == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    agent.disconnect()
    thread.join(PATIENCE)
    while (last := manager.hears_first()) == "WATCHDOG=1":
        pass
    assert last == "STOPPING=1"
    assert manager.hears_nothing(0.05)


@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_the_watchdog_of_another_process_is_left_alone(
    manager: Manager, agent: ArinovaAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    thread = running(agent)
    assert manager.hears_first() == "READY=1"
    assert manager.hears_nothing(0.1)
    agent.disconnect()
    thread.join(PATIENCE)


@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_a_stuck_agent_is_not_vouched_for(
    manager: Manager, agent: ArinovaAgent, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine_module, "_STUCK", 0.02)
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    thread = running(agent)
    assert manager.hears_first() == "READY=1"
    assert manager.hears_first() == "WATCHDOG=1"
    engine = engine_of(agent)
    assert engine is not None
    with engine.state.lock:  # a thread that never lets go of it
        manager.hears_nothing(0.03)  # one may be under way
        assert manager.hears_nothing(0.2)
    assert "stuck" in caplog.text
    assert manager.hears_first() == "WATCHDOG=1"
    agent.disconnect()
    thread.join(PATIENCE)


@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_an_agent_that_is_refused_is_never_ready(manager: Manager, server: LocalServer, make_agent) -> None:
    agent = make_agent(server, bot_token="ari_wrong")
    agent.on_task(lambda task: "hi")
    with pytest.raises(AuthenticationError):
        agent.run()
    assert manager.hears_first() == "STOPPING=1"


@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_one_that_stands_by_is_ready(
    manager: Manager, server: LocalServer, make_agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARINOVA_STANDBY_DIR", str(tmp_path))
    agent = make_agent(server, standby=True)
    agent.on_task(lambda task: "hi")
    other = Standby(State(agent._settings))  # as in another process
    other.open(server.url, server.bot_token)
    thread = running(agent)
    assert manager.hears() == ["READY=1", "STATUS=agent standby"]
    other.release()
    agent.disconnect()
    thread.join(PATIENCE)


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({"NOTIFY_SOCKET": "relative"}, "NOTIFY_SOCKET is no path of a socket: 'relative'"),
        ({"NOTIFY_SOCKET": "/no/such/socket"}, "systemd cannot be told STOPPING=1: NOTIFY_SOCKET: "),
        ({"WATCHDOG_USEC": "soon"}, "WATCHDOG_USEC is no time: 'soon'"),
        ({"WATCHDOG_USEC": "0"}, "WATCHDOG_USEC is no time: '0'"),
        ({}, ""),
    ],
)
def test_what_cannot_be_used_is_said_and_stops_nothing(
    environment: dict[str, str], problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    service = Systemd(environment)
    service.watch([])
    service.close()
    assert problem in caplog.text
    assert len(caplog.records) == bool(problem)
