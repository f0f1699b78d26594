"""``--health``: what it answers, and its numbers as Prometheus reads them."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from arinova_agent_sync import ArinovaAgent, ConnectTimeout, ProcessExecutor, Stats
from arinova_agent_sync._internals import settings_of
from arinova_agent_sync.cli.health import Health
from arinova_agent_sync.cli.options import ListenAddress
from arinova_agent_sync.cli.options import address as parsed
from arinova_agent_sync.executors.protocol import ExecutorStats
from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.runtime.standby import Standby
from arinova_agent_sync.runtime.state import State

from .conftest import ECHO, PATIENCE, Command, Write

Start = Callable[..., Command]


def get(address: ListenAddress, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=PATIENCE)
    with closing(connection):
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def healthz(address: ListenAddress) -> tuple[int, dict[str, object]]:
    status, text = get(address, "/healthz")
    return status, json.loads(text)


def numbers(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Return metrics by name, and by the values of their labels."""
    return {
        sample.name: {
            tuple(each.labels.values()): each.value for each in family.samples if each.name == sample.name
        }
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def health() -> Iterator[Health]:
    with closing(Health(ListenAddress("127.0.0.1", 0))) as health:
        health.start()
        yield health


@pytest.fixture
def agent(server: LocalServer, make_agent: Callable[..., ArinovaAgent]) -> ArinovaAgent:
    agent = make_agent(server)
    agent.on_task(lambda task: "hi")
    return agent


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_process_that_loads_is_not_well_yet(health: Health) -> None:
    assert healthz(health.address) == (503, {"status": "starting", "agents": []})


def test_from_connecting_to_the_end(health: Health, server: LocalServer, agent: ArinovaAgent) -> None:
    health.add(agent)
    agent.connect(PATIENCE)
    connected = {"status": "connected", "agents": [{"agent": "Agent", "status": "connected"}]}
    assert healthz(health.address) == (200, connected)
    health.add(agent)  # connected again: still one
    agent.disconnect()
    assert healthz(health.address)[0] == 503
    assert healthz(health.address)[1]["status"] == "ended"


def test_it_tells_how_long_an_agent_tries(
    health: Health, agent: ArinovaAgent, make_agent: Callable[..., ArinovaAgent], free_port: int
) -> None:
    class Nowhere:
        url, bot_token = f"http://127.0.0.1:{free_port}", "ari_x"

    lost = make_agent(Nowhere, reconnect_interval=5.0)
    lost.on_task(lambda task: "hi")
    health.add(agent)
    health.add(lost)
    agent.connect(PATIENCE)
    with pytest.raises(ConnectTimeout):
        lost.connect(0.15)
    status, told = healthz(health.address)
    assert (status, told["status"]) == (503, "trying")
    assert isinstance(told["seconds"], float)
    assert 0.1 <= told["seconds"] < PATIENCE
    assert [each["status"] for each in told["agents"]] == ["connected", "trying"]  # type: ignore[attr-defined]
    lost.disconnect()
    assert healthz(health.address)[0] == 200  # the others go on


def test_one_that_stands_by_is_well(
    health: Health,
    server: LocalServer,
    make_agent: Callable[..., ArinovaAgent],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARINOVA_STANDBY_DIR", str(tmp_path))
    agent = make_agent(server, standby=True)
    agent.on_task(lambda task: "hi")
    health.add(agent)
    other = Standby(State(settings_of(agent)))  # as in another process
    other.open(server.url, server.bot_token)
    try:
        with pytest.raises(ConnectTimeout):
            agent.connect(0.1)
        assert healthz(health.address)[0] == 200
        assert healthz(health.address)[1]["status"] == "standby"
    finally:
        other.release()
    agent.connect(PATIENCE)
    assert healthz(health.address)[1]["status"] == "connected"


def test_every_number_is_told_under_its_name(
    health: Health, server: LocalServer, make_agent: Callable[..., ArinovaAgent]
) -> None:
    executor = ProcessExecutor(2)
    agent = make_agent(server, executor=executor)
    agent.on_task(len)
    agent.on_command("one", len, executor=ProcessExecutor(2))
    health.add(agent)
    agent.connect(PATIENCE)
    reply = server.conversation().say("hi")
    reply.wait(PATIENCE)
    stats = None
    while stats != agent.stats():  # it comes to rest
        stats = agent.stats()
        status, text = get(health.address, "/metrics")
    told = numbers(text)
    assert status == 200
    assert told["arinova_agent_info"] == {("1", "", "Agent"): 1}
    assert told["arinova_link"]["1", "online"] == 1
    assert sum(told["arinova_link"].values()) == sum(told["arinova_life"].values()) == 1
    for field in fields(Stats):
        if field.name not in ("life", "link", "executors"):
            suffix = "_total" if field.metadata["grows"] else ""
            assert told[f"arinova_{field.name}{suffix}"]["1",] == getattr(stats, field.name)
    for field in fields(ExecutorStats)[1:]:
        suffix = "_total" if field.metadata["grows"] else ""
        assert told[f"arinova_executor_{field.name}{suffix}"].keys() == {
            ("1", "ProcessExecutor(2)"),
            ("1", "ProcessExecutor(2) 2"),
        }
    assert "process_cpu_seconds_total" in told


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("POST", "/healthz", 405), ("POST", "/metrics", 405)]
)
def test_other_requests_are_refused(health: Health, method: str, path: str, status: int) -> None:
    assert get(health.address, path, method)[0] == status


def test_whoever_only_wants_the_status_asks_with_head(health: Health) -> None:
    assert get(health.address, "/healthz", "HEAD") == (503, "")


def test_a_client_that_says_nothing_holds_up_nobody(health: Health) -> None:
    with socket.create_connection(health.address):
        assert healthz(health.address)[0] == 503


@pytest.mark.slow
@pytest.mark.parametrize("reload", [[], ["--reload"]], ids=["", "reload"])
def test_run_answers_until_its_end(
    command: Start, server: LocalServer, write: Write, free_port: int, reload: list[str]
) -> None:
    path = write(ECHO)
    options = "--server-url", server.url, "--bot-token", server.bot_token, "--health", free_port
    running = command("run", "my_agent.py", *options, *reload)
    running.err.expect(f"health: http://127.0.0.1:{free_port}/healthz and /metrics")
    running.err.expect("connected as")
    address = ListenAddress("127.0.0.1", free_port)
    assert healthz(address) == (
        200,
        {"status": "connected", "agents": [{"agent": "Agent", "status": "connected"}]},
    )
    assert numbers(get(address, "/metrics")[1])["arinova_connections_total"] == {("1",): 1}
    if reload:
        path.write_text(path.read_text() + "\n")
        running.err.expect("starting anew")
        running.err.expect("connected as")
        assert healthz(address)[0] == 200
    running.interrupt()
    assert running.exit_code() == 0


@pytest.mark.parametrize("reload", [[], ["--reload"]], ids=["", "reload"])
def test_a_port_in_use_ends_run(command: Start, write: Write, reload: list[str]) -> None:
    write("raise SystemExit('it was loaded')")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        running = command("run", "my_agent.py", "--health", port, *reload)
        assert running.exit_code() == 2
    assert f"Invalid value for '--health': cannot listen on 127.0.0.1:{port}: Address already in use" in (
        running.err.text
    )


@pytest.mark.parametrize(
    ("given", "heard"),
    [
        ("0.0.0.0:8080", "0.0.0.0:8080"),
        ("8080", "127.0.0.1:8080"),
        ("[::1]:80", "[::1]:80"),
        ("::1:80", "[::1]:80"),
    ],
)
def test_where_to_listen(given: str, heard: str) -> None:
    assert str(parsed(given)) == heard
