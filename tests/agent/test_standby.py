"""Several processes with one token: one is connected, and the next one takes its place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arinova_agent_sync import ArinovaAgent, ConnectTimeout
from arinova_agent_sync.local import LocalServer

from ..conftest import PackageLog
from .conftest import Script

NEXT_WITHIN = 2.0  # seconds after a kill -9
AT_ONCE = 1.0  # seconds, with the start of threads on a busy machine
PATIENCE = 10.0  # seconds

STANDING_BY = """
    agent = ArinovaAgent(standby=True, shutdown_timeout=5.0, reconnect_interval=0.05)

    @agent.on_task
    def handle(task):
        return str(os.getpid())

    say("ready")
    agent.run()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "locks"
    path.mkdir()
    monkeypatch.setenv("ARINOVA_STANDBY_DIR", str(path))
    return path


def who_answers(server: LocalServer, within: float = PATIENCE) -> int:
    """Return the process that answers, which must do so in time."""
    deadline = time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        reply = server.conversation().say("who?", wait_for_agent=left)
        if reply.wait(left) == "completed":  # one that ended could not say so
            return int(reply.text)
    pytest.fail(f"nobody answered within {within:g} s")


def next_after(server: LocalServer, process: int, number: signal.Signals = signal.SIGKILL) -> int:
    """End the process that is connected; return the one that takes its place, which must be soon."""
    begin = time.monotonic()
    os.kill(process, number)
    while (taken := who_answers(server, NEXT_WITHIN)) == process:
        pass
    assert time.monotonic() - begin < NEXT_WITHIN
    return taken


@pytest.mark.slow
def test_of_four_processes_one_is_connected_until_none_is_left(
    server: LocalServer, script: Callable[..., Script]
) -> None:
    programs = [script(STANDING_BY) for _ in range(4)]
    begun = [program.process.stderr.readline() for program in programs]
    assert sorted(line[:11] for line in begun) == ["connected a", *["standing by"] * 3]
    pids = {program.process.pid for program in programs}
    serving = who_answers(server)
    pids.remove(serving)
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        serving = next_after(server, serving, number)
        pids.remove(serving)
    os.kill(serving, signal.SIGTERM)
    later = [program.end()[2].splitlines() for program in programs]
    assert sum(lines.count("connected as Agent") for lines in later) == 3


@pytest.mark.slow
def test_one_that_waits_leaves_at_ctrl_c(server: LocalServer, script: Callable[..., Script]) -> None:
    first = script(STANDING_BY)
    serving = who_answers(server)
    assert serving == first.process.pid
    second = script(STANDING_BY)
    assert second.line() == "ready"
    assert second.process.stderr is not None
    assert "standing by" in second.process.stderr.readline()
    begin = time.monotonic()
    second.signal(signal.SIGINT)
    code, _, errors = second.end()
    assert (code, errors) == (0, "stopping; Ctrl-C again to leave now\n")
    assert time.monotonic() - begin < AT_ONCE
    assert who_answers(server) == serving


@pytest.mark.slow
def test_the_next_one_takes_over_from_a_process_whose_children_live_on(
    server: LocalServer, script: Callable[..., Script]
) -> None:
    first = script(
        """
        agent = ArinovaAgent(standby=True)
        agent.on_task(lambda task: str(os.getpid()))
        agent.connect(10)
        child = os.fork()
        if child == 0:
            sys.stdin.close()
            time.sleep(60)
            os._exit(0)
        say(child)
        agent.wait()
        """
    )
    child = int(first.line())
    try:
        second = script(STANDING_BY)
        assert second.line() == "ready"
        assert next_after(server, first.process.pid) == second.process.pid
    finally:
        os.kill(child, signal.SIGKILL)


class TestAnAgentThatStandsBy:
    @pytest.fixture
    def holder(self, server: LocalServer, script: Callable[..., Script]) -> Script:
        program = script(STANDING_BY)
        server.wait_for_agent(PATIENCE)
        return program

    @pytest.fixture
    def agent(self, server: LocalServer, make_agent: Callable[..., ArinovaAgent]) -> ArinovaAgent:
        agent = make_agent(server, standby=True)
        agent.on_task(lambda task: str(os.getpid()))
        return agent

    @pytest.mark.slow
    def test_connect_waits_and_says_for_what(self, holder: Script, agent: ArinovaAgent) -> None:
        with pytest.raises(ConnectTimeout, match="another process of this machine is connected"):
            agent.connect(timeout=0.1)
        assert agent.stats().link == "standby"
        assert not agent.connected
        assert repr(agent).endswith("running, standby)")
        holder.process.kill()
        agent.connect(timeout=NEXT_WITHIN)
        assert agent.stats().link == "online"

    @pytest.mark.slow
    def test_disconnect_ends_the_wait_at_once(self, holder: Script, agent: ArinovaAgent) -> None:
        with pytest.raises(ConnectTimeout):
            agent.connect(timeout=0.1)
        begin = time.monotonic()
        agent.disconnect()
        assert time.monotonic() - begin < AT_ONCE
        assert agent.stats().life == "stopped"


def test_an_agent_connects_again_without_standing_by(
    server: LocalServer, make_agent: Callable[..., ArinovaAgent], package_log: PackageLog
) -> None:
    agent = make_agent(server, standby=True)
    agent.on_task(lambda task: "hi")
    for _ in range(3):
        agent.connect(PATIENCE)
        agent.disconnect()
    newer = make_agent(server, standby=True)
    newer.on_task(lambda task: "newer")
    agent.connect(PATIENCE)
    newer.connect(PATIENCE)  # takes the place of the older agent of this process
    assert (agent.stats().life, newer.stats().link) == ("stopped", "online")
    assert not any("standing by" in line for line in package_log._lines)


def test_a_lock_file_that_cannot_be_made_is_an_error_of_connect(
    server: LocalServer,
    make_agent: Callable[..., ArinovaAgent],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent = make_agent(server, standby=True)
    agent.on_task(lambda task: "hi")
    monkeypatch.setenv("ARINOVA_STANDBY_DIR", str(folder / "missing"))
    with pytest.raises(OSError, match="lock file") as caught:
        agent.connect(PATIENCE)
    assert str(caught.value.filename).startswith(str(folder / "missing"))
    assert agent.stats().life == "stopped"
    monkeypatch.setenv("ARINOVA_STANDBY_DIR", str(folder))
    agent.connect(PATIENCE)


@pytest.fixture
def gunicorn(server: LocalServer, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    (tmp_path / "site_of_test.py").write_text(
        """
import os, threading
from arinova_agent_sync import ArinovaAgent

agent = ArinovaAgent(standby=True, reconnect_interval=0.05)
agent.on_task(lambda task: str(os.getpid()))

def app(environ, start_response):
    start_response("200 OK", [])
    return [b""]
"""
    )
    (tmp_path / "gunicorn.conf.py").write_text(
        """
import threading

def post_worker_init(worker):
    from site_of_test import agent
    threading.Thread(target=agent.run, name="agent", daemon=True).start()
"""
    )

    def start(*options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "gunicorn", "site_of_test:app", "--workers", "4", *options]
        environment = {
            **os.environ,
            "ARINOVA_SERVER_URL": server.url,
            "ARINOVA_BOT_TOKEN": server.bot_token,
            "PYTHONPATH": os.getcwd(),
        }
        bound = ["--bind", f"unix:{tmp_path / 'socket'}", "--log-level", "error"]
        process = subprocess.Popen(
            [*command, *bound], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        assert process.wait(PATIENCE) == 0


@pytest.mark.slow
@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["", "preload"])
def test_of_four_workers_of_gunicorn_one_is_connected(
    server: LocalServer, gunicorn: Callable[..., subprocess.Popen[bytes]], preload: list[str]
) -> None:
    gunicorn(*preload)
    first = who_answers(server)
    second = next_after(server, first)
    third = next_after(server, second)
    assert len({first, second, third}) == 3
