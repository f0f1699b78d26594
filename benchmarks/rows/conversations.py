"""Many conversations at once: tasks of each in their order, and none of them left behind."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..measure import measure
from ..row import Goal, Row

_TASKS = 10_000
_CONVERSATIONS = 1_000
# As the seed's user would have to write it: a lock a conversation, and so many workers in all.
_IN_ORDER = "seed, in order"

# Variant: the client and its orders. Who does not promise an order is not held to it.
_CLIENTS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "sdk": ("sdk", {"ordered": True, "queued": 2 * _TASKS}),
    _IN_ORDER: ("seed", {"ordered": True, "in_order": True}),
    "seed, async handler": ("seed", {"asynchronous": True}),
    "seed": ("seed", {}),
    "wsc": ("wsc", {}),
    "floor": ("floor", {}),
}


def _row(
    name: str, pause: float, workers: int, goals: list[Goal], *, memory: float, without: str = ""
) -> Row:
    many = partial(
        measure, chunk_size=20, tasks=_TASKS, window=_TASKS, conversations=_CONVERSATIONS, chunks=1,
        pause=pause, workers=workers,
    )  # fmt: skip
    variants = {
        variant: partial(many, client, **orders)
        for variant, (client, orders) in _CLIENTS.items()
        if variant != without
    }
    goals = [
        *goals,
        Goal("tasks that one conversation was ahead", "ahead", _IN_ORDER, 2, unit=""),
        Goal("threads beside the main one, at the most", "threads", _IN_ORDER, workers + 3, unit=""),
        Goal("memory at the most", "memory_peak", _IN_ORDER, memory, unit="MiB", scale=1 / 1024),
    ]
    title = f"10,000 tasks at once in 1,000 conversations, handlers of {'1 s' if pause == 1 else '1 ms'}"
    return Row(name, title, variants, goals, compare=("task_rate", _IN_ORDER))


ROWS = [
    _row(
        "conversations-1ms",
        0.001,
        64,
        [
            Goal("tasks/s", "task_rate", _IN_ORDER, 1.5, at_least=True),
            Goal("CPU a task", "task_cpu", _IN_ORDER, 1.0),
        ],
        memory=64,
    ),
    _row(
        "conversations-1s",
        1.0,
        500,
        [
            Goal("tasks/s of the 500 that could be", "task_rate", _IN_ORDER, 475, unit="/s", at_least=True),
            Goal("CPU a task", "task_cpu", _IN_ORDER, 1.0),
        ],
        memory=96,
        without="seed",  # one handler at a time: hours
    ),
]
