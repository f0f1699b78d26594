"""One measurement: a sink and a client, each its own fresh process, on a core of its own."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import quantiles
from typing import IO, Any, NamedTuple

from .environments import CLIENTS, HERE, ROOT, certificate, content, corpus, python, sink

Sample = dict[str, float]

CLIENT_CORE = 0
SINK_CORE = 1
BUSIEST_SINK = 0.8  # of its time: past it the sink may have been what was measured
_QUIET = 0.12  # of a core: more than that from other programs, and a run is repeated
_TRIES = 3
_LONG = 20.0  # seconds; a run of that length is not repeated


class Failure(Exception):
    """A run that did not end as it should: what arrived was wrong, or nothing arrived."""


def measure(
    client: str,
    *,
    version: str = "",
    wait: str = "nap",
    tls: bool = False,
    chunk_size: int = 0,
    content_size: int = 0,
    window: int = 1,
    conversations: int = 0,
    ordered: bool = False,
    every: float = 0.0,
    ack_every: int = 0,
    repeat: int = 0,
    gap: float = 0.0,
    both_cores: bool = False,
    stamped: bool = False,
    limit: float = 120.0,
    busiest: float = BUSIEST_SINK,
    **scenario: Any,
) -> Sample:
    """Run one client against a sink that checks everything, and return what both of them saw.

    Args:
        client: a key of CLIENTS.
        version: of Python; empty for the one that runs this.
        wait: how the sink waits: "nap" costs a sender nothing, "spin" is quick, "block" is a plain peer.
        chunk_size, content_size: characters of every chunk, of every task's content.
        window: tasks under way at a time.
        conversations: that the tasks belong to in turn, by default each to one of its own; then the sink also
            sees how evenly they are served, and how many threads the client has at the most.
        ordered: whether a task that begins before the one before it in its conversation has ended is a failure.
        every: seconds in which each agent gets a task; the agents' tasks are spread evenly over them.
        ack_every: the sink answers every so many chunks with a frame.
        repeat: how often the first task's frame is sent again before the last task.
        gap: seconds between the end of a task and the next one.
        stamped: also take the time of each send, and so the delivery.
        limit: seconds.
        busiest: share of its time that the sink may need; past it the run says nothing about the client.
        scenario: the client's orders, see clients/scenario.py.

    Raises Failure.
    """
    orders: dict[str, Any] = {"cores": [CLIENT_CORE, SINK_CORE] if both_cores else [CLIENT_CORE], **scenario}
    flags: dict[str, Any] = {
        "core": SINK_CORE, "wait": wait, "tasks": orders.get("tasks", 1), "chunks": orders.get("chunks", 0),
        "window": window, "ack-every": ack_every, "repeat": repeat, "gap": gap, "timeout": limit,
        "connections": orders.get("agents", 1), "every": every, "conversations": conversations,
        "ordered": int(ordered),
    }  # fmt: skip
    if chunk_size:
        orders["corpus"] = flags["corpus"] = corpus(chunk_size)
    if content_size:
        flags["content"] = content(content_size)
    if orders.get("digest"):
        flags["expected"] = _digest(content_size)
    if tls:
        orders["certificate"], _ = flags["certificate"], flags["key"] = certificate()
    with tempfile.TemporaryDirectory() as folder:
        if stamped:
            orders["times"], flags["log"] = f"{folder}/times", f"{folder}/arrivals"
        sample = _calm(lambda: _run(client, version, orders, flags, limit))
        if stamped:
            sample |= _latencies(orders["times"], flags["log"])
    sample["task_rate"] = flags["tasks"] / sample["wall"]
    sample["task_cpu"] = sample["cpu"] / flags["tasks"]
    if repeat:
        sample["frame_cpu"] = sample["cpu"] / repeat
    if sample["frames"]:
        sample["chunk_cpu"] = sample["stream_cpu"] / sample["frames"]
        sample["chunk_rate"] = sample["frames"] / sample["stream_wall"]
    if sample["busy"] > busiest:
        raise Failure(f"the sink was busy {sample['busy']:.0%} of the time")
    return sample


def _run(client: str, version: str, orders: dict[str, Any], flags: Mapping[str, Any], limit: float) -> Sample:
    with serving(flags) as (server, port):
        scheme = "wss" if orders.get("certificate") else "ws"
        with running(client, version, {**orders, "url": f"{scheme}://127.0.0.1:{port}"}) as started:
            sample = read_line(server, started, limit + 30)
            if orders.get("times") or orders.get("ticker"):
                sample |= read_line(started.process, started, 30)
    return sample


@contextlib.contextmanager
def serving(flags: Mapping[str, Any]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a sink; yield it with its port."""
    command = [sink(), *(f"--{name}={value}" for name, value in flags.items() if value)]
    server = subprocess.Popen([*command, f"--tasks={flags['tasks']}"], stdout=subprocess.PIPE, text=True)
    with _ended(server):
        yield server, int(_stdout(server).readline())


class Client(NamedTuple):
    """A client's process, and the file that takes its complaints."""

    process: subprocess.Popen[str]
    complaints: IO[str]


@contextlib.contextmanager
def running(client: str, version: str, orders: Mapping[str, Any]) -> Iterator[Client]:
    """Run a client in its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    if CLIENTS[client] in ("sdk", "speed"):
        environment["PYTHONPATH"] = str(ROOT)
    command = [python(CLIENTS[client], version), str(HERE / "clients" / f"{client}.py"), repr(orders)]
    with tempfile.TemporaryFile("w+") as complaints:
        output = subprocess.PIPE
        process = subprocess.Popen(command, stdout=output, stderr=complaints, text=True, env=environment)
        with _ended(process):
            yield Client(process, complaints)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def read_line(source: subprocess.Popen[str], client: Client, limit: float) -> Sample:
    """Return the JSON object that a process prints, unless it tells of an error or the client ends first."""
    deadline = time.monotonic() + limit
    output = _stdout(source)
    while not select.select([output], [], [], 0.2)[0]:
        if client.process.poll() is not None and not select.select([output], [], [], 0.5)[0]:
            client.complaints.seek(0)
            raise Failure(f"the client left: {client.complaints.read().strip()[-600:]}")
        if time.monotonic() > deadline:
            raise Failure(f"nothing was reported within {limit:g} s")
    line = output.readline()
    if not line:
        raise Failure("a process ended without a report")
    report = json.loads(line)
    if "error" in report:
        raise Failure(report["error"])
    return report


def _stdout(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def _digest(size: int) -> str:
    text = Path(content(size)).read_bytes()
    return f"{len(text)}:{zlib.crc32(text)}"


def _latencies(times: str, log: str) -> Sample:
    arrivals, stamps = _integers(log), _integers(times)
    starts, ends = stamps[: len(arrivals)], stamps[len(arrivals) :]
    delivery = quantiles((b - a for a, b in zip(starts, arrivals, strict=True)), n=100)
    sending = quantiles((b - a for a, b in zip(starts, ends, strict=True)), n=100)
    return {
        "delivery_p50": delivery[49] / 1e9,
        "delivery_p99": delivery[98] / 1e9,
        "send_p50": sending[49] / 1e9,
        "send_p99": sending[98] / 1e9,
    }


def _integers(path: str) -> array[int]:
    numbers = array("q")
    numbers.frombytes(Path(path).read_bytes())
    return numbers


def _calm(run: Callable[[], Sample]) -> Sample:
    """Run when the machine is quiet; again if others used it meanwhile. Keep the least disturbed run."""
    best: Sample = {}
    for _ in range(_TRIES):
        _wait_until_quiet()
        begun, busy, own = time.monotonic(), _machine_cpu(), _children_cpu()
        sample = run()
        others = (_machine_cpu() - busy) - (_children_cpu() - own)
        took = time.monotonic() - begun
        sample["disturbed"] = max(0.0, others / took)
        if not best or sample["disturbed"] < best["disturbed"]:
            best = sample
        if best["disturbed"] <= _QUIET or took > _LONG:
            break
    return best


def _wait_until_quiet(longest: float = 5.0) -> None:
    deadline = time.monotonic() + longest
    while time.monotonic() < deadline:
        before = _machine_cpu()
        time.sleep(0.2)
        if _machine_cpu() - before <= _QUIET * 0.2 + 0.01:
            return


def _machine_cpu() -> float:
    total = Path("/proc/stat").read_text().split("\n")[0]
    user, nice, system, _, _, irq, softirq = map(int, total.split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system
