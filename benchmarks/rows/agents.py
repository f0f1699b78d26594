"""Many agents in one process that all have something to do."""

from __future__ import annotations

from functools import partial

from ..measure import Sample, measure
from ..row import Goal, Row

_AGENTS = 200
_SECONDS = 10


def _paced(client: str) -> Sample:
    """Give each agent a task a second, all in its one conversation."""
    tasks = _AGENTS * _SECONDS
    return measure(
        client, wait="spin", chunk_size=20, chunks=1, tasks=tasks, window=tasks, agents=_AGENTS, every=1.0,
        conversations=_AGENTS, ordered=client == "sdk",
    )  # fmt: skip


ROWS = [
    Row(
        "agents-200",
        "200 agents in one process, a task a second each",
        {client: partial(_paced, client) for client in ("sdk", "seed")},
        [
            Goal("CPU a task", "task_cpu", "seed", 1.0),
            Goal("first chunk p50", "first_p50", "seed", 1.0),
            Goal("first chunk p99", "first_p99", "seed", 1.0),
            Goal("threads beside the main one, at the most", "threads", "seed", 3 * _AGENTS, unit=""),
            Goal("memory at the most", "memory_peak", "seed", 64, unit="MiB", scale=1 / 1024),
        ],
        compare=("task_cpu", "seed"),
    ),
]
