"""Handlers at a language model's pace: a chunk goes out at once, from the thread that made it."""

from __future__ import annotations

from functools import partial

from ..measure import Sample, measure
from ..row import Goal, Row

_SIZE = 20


def _paced(client: str, tasks: int, chunks: int, a_second: int) -> Sample:
    sample = measure(
        client, wait="spin", chunk_size=_SIZE, tasks=tasks, window=tasks, workers=128, chunks=chunks,
        interval=1 / a_second, stamped=True,
    )  # fmt: skip
    sample["handoffs"] = sample["switches"] / sample["frames"]
    return sample


def _row(name: str, title: str, tasks: int, chunks: int, a_second: int) -> Row:
    clients = ("sdk", "wsc", "websockets_sync", "pace_floor")
    variants = {client: partial(_paced, client, tasks, chunks, a_second) for client in clients}
    goals = [
        Goal("CPU a chunk", "chunk_cpu", "wsc", 0.70),
        Goal("CPU a chunk", "chunk_cpu", "pace_floor", 1.2),
        Goal("delivery p50", "delivery_p50", "pace_floor", 1.2),
        Goal("delivery p50", "delivery_p50", "wsc", 0.65),
        Goal("hand-offs a chunk", "handoffs", "wsc", 0.05, unit=""),
    ]
    return Row(name, title, variants, goals, compare=("delivery_p50", "wsc"))


ROWS = [
    _row("pace-1", "A model's pace: 100 chunks a second", 1, 300, 100),
    _row("pace-128", "A model's pace: 128 handlers, 50 chunks a second each", 128, 100, 50),
]
