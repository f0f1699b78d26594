"""From a task's arrival to what its handler does."""

from __future__ import annotations

from functools import partial

from ..measure import measure
from ..row import Goal, Row

_CLIENTS = ("sdk", "seed", "wsc")
_WITH_FLOOR = (*_CLIENTS, "floor")

_each = partial(measure, wait="spin", chunk_size=20, tasks=2_000, chunks=1)
_blocked = partial(measure, wait="spin", tasks=64, window=64, before=0.1)
_spaced = partial(measure, wait="spin", chunk_size=20, chunks=10, interval=0.05)

ROWS = [
    Row(
        "dispatch",
        "Task in, first chunk out; one task after the other",
        {client: partial(_each, client) for client in _WITH_FLOOR},
        [
            Goal("p50", "first_p50", "seed", 0.45),
            Goal("p50", "first_p50", "floor", 1.5),
            Goal("p99", "first_p99", "seed", 0.6),
        ],
        compare=("first_p50", "seed"),
    ),
    Row(
        "task-cpu",
        "A task, one chunk and its end; one task after the other",
        {client: partial(_each, client) for client in _WITH_FLOOR},
        [Goal("CPU a task", "task_cpu", "seed", 0.5)],
        compare=("task_cpu", "seed"),
    ),
    Row(
        "burst",
        "2,000 tasks in one burst",
        {client: partial(_each, client, window=2_000) for client in _WITH_FLOOR},
        [Goal("tasks/s", "task_rate", "seed", 1.5, at_least=True)],
        compare=("task_rate", "seed"),
    ),
    Row(
        "blocked",
        "64 tasks at once whose handlers block for 0.1 s",
        {client: partial(_blocked, client) for client in _CLIENTS},
        [Goal("all done after", "wall", "seed", 0.125, unit="s")],
        compare=("wall", "seed"),
    ),
    Row(
        "first-chunk",
        "A blocking handler, 10 chunks 50 ms apart",
        {client: partial(_spaced, client) for client in _CLIENTS},
        [Goal("first chunk at the peer after", "first_p50", "seed", 3, unit="ms", scale=1e3)],
        compare=("first_p50", "seed"),
    ),
]
