"""Long runs: whether memory stays flat."""

from __future__ import annotations

from functools import partial

from ..measure import Sample, measure
from ..row import Goal, Row


def _million(client: str) -> Sample:
    sample = measure(client, chunk_size=6, chunks=1_000_000, limit=300)
    sample["growth"] = sample["memory_peak"] - sample["memory_start"]
    return sample


def _tasks(client: str) -> Sample:
    sample = measure(client, chunk_size=20, tasks=100_000, window=32, chunks=1, limit=300)
    sample["growth"] = sample["memory_end"] - sample["memory_early"]
    return sample


ROWS = [
    Row(
        "chunks-1000000",
        "1,000,000 chunks in one task",
        {client: partial(_million, client) for client in ("sdk", "seed")},
        [Goal("memory gained, the text of the answer included", "growth", "seed", 0.05)],
    ),
    Row(
        "tasks-100000",
        "100,000 tasks",
        {client: partial(_tasks, client) for client in ("sdk", "seed")},
        [Goal("memory gained after the first 10,000", "growth", "seed", 4, unit="MiB", scale=1 / 1024)],
    ),
]
