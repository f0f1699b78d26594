"""Receiving: task frames read and parsed. Their task ran already, so that nothing but receiving is measured."""

from __future__ import annotations

from functools import partial

from ..measure import Sample, measure
from ..row import Goal, Row

_FRAMES = {1: 4_000, 64: 60, 1024: 10}  # KiB: frames


def _receive(client: str, kibibytes: int, ticker: bool = False) -> Sample:
    return measure(
        client, wait="block", content_size=kibibytes * 1024, tasks=2, repeat=_FRAMES[kibibytes], digest=True,
        ticker=ticker, both_cores=ticker, busiest=0.95,  # a sink that is behind makes no receiver cheaper
    )  # fmt: skip


def _row(kibibytes: int, ratio: float) -> Row:
    variants = {client: partial(_receive, client, kibibytes) for client in ("sdk", "wsc", "websockets_sync")}
    goal = Goal("CPU a frame", "frame_cpu", "wsc", ratio)
    return Row(
        f"inbound-{kibibytes}", f"Receiving {kibibytes} KiB", variants, [goal], compare=("frame_cpu", "wsc")
    )


ROWS = [
    _row(1, 0.04),
    _row(64, 0.012),
    _row(1024, 0.02),
    Row(
        "inbound-gil",
        "Receiving 1024 KiB beside a thread that wakes up each millisecond",
        {client: partial(_receive, client, 1024, True) for client in ("sdk", "wsc")},
        [Goal("latest wake-up", "lateness", "wsc", 10, unit="ms", scale=1e3)],
    ),
]
