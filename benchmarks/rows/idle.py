"""Agents that wait for tasks: what they cost."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from ..measure import CLIENT_CORE, SINK_CORE, Sample, read_line, running, serving
from ..row import Goal, Row

_SETTLE = 5.0
_MINUTE = 60.0


def _idle(client: str, agents: int) -> Sample:
    """Watch one process for a minute."""
    flags = {"core": SINK_CORE, "wait": "block", "tasks": 0, "connections": agents}
    with serving(flags) as (server, port):
        orders = {"url": f"ws://127.0.0.1:{port}", "cores": [CLIENT_CORE], "agents": agents}
        with running(client, "", orders) as started:
            read_line(server, started, 120)
            time.sleep(_SETTLE)
            before = _state(started.process.pid)
            time.sleep(_MINUTE)
            after = _state(started.process.pid)
    return {
        "cpu": after["cpu"] - before["cpu"],
        "agent_cpu": (after["cpu"] - before["cpu"]) / agents,
        "switches": after["switches"] - before["switches"],
        "threads": after["threads"] - 1,  # beside the main thread
        "memory": after["memory"],
    }


def _state(pid: int) -> Sample:
    state: Sample = {"cpu": time.clock_gettime((~pid << 3) | 2), "switches": 0, "threads": 0, "memory": 0}
    for path in Path(f"/proc/{pid}/task").glob("*/status"):
        fields = dict(line.split(":", 1) for line in path.read_text().splitlines())
        state["threads"] += 1
        state["switches"] += int(fields["voluntary_ctxt_switches"])
        state["switches"] += int(fields["nonvoluntary_ctxt_switches"])
        state["memory"] = int(fields["VmRSS"].split()[0])
    return state


ROWS = [
    Row(
        "idle",
        "An idle agent, for a minute",
        {client: partial(_idle, client, 1) for client in ("sdk", "seed")},
        [
            Goal("CPU", "cpu", "seed", 1.0, unit="ms", scale=1e3),
            Goal("context switches", "switches", "seed", 8, unit=""),
            Goal("threads beside the main one", "threads", "seed", 2, unit=""),
            Goal("memory", "memory", "seed", 0.9),
        ],
        at_once=True,
    ),
    Row(
        "idle-200",
        "200 idle agents in one process, for a minute",
        {client: partial(_idle, client, 200) for client in ("sdk", "seed")},
        [
            Goal("threads beside the main one", "threads", "seed", 400, unit=""),
            Goal("CPU an agent", "agent_cpu", "seed", 1.0, unit="ms", scale=1e3),
        ],
        at_once=True,
    ),
]
