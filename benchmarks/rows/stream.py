"""One handler that streams as fast as it can: what a chunk costs."""

from __future__ import annotations

from functools import partial

from ..measure import measure
from ..row import Goal, Row

PAUSE = 0.02  # seconds between the last chunk and the end of the task

SPEED = "sdk, with [speed]"
_BATCH = "raw, 64 frames a call"
_CHUNKS = {6: 102_400, 200: 51_200, 4096: 10_240}  # multiples of 64, for the raw client


def _row(size: int, goals: list[Goal]) -> Row:
    tight = partial(measure, chunk_size=size, chunks=_CHUNKS[size])
    variants = {
        "sdk": partial(tight, "sdk", pause=PAUSE),
        SPEED: partial(tight, "sdk_speed", pause=PAUSE),
        "wsc": partial(tight, "wsc", pause=PAUSE),
        "raw": partial(tight, "raw", pause=PAUSE),
        _BATCH: partial(tight, "raw", pause=PAUSE, together=64, chunks=_CHUNKS[size] * 5, busiest=1.0),
        "websockets.sync": partial(tight, "websockets_sync", pause=PAUSE),
        "seed": partial(tight, "seed"),
        "seed, async handler": partial(tight, "seed", asynchronous=True),
    }
    headroom = Goal("frames/s that the sink can take", "chunk_rate", "sdk", 2.0, at_least=True, of=_BATCH)
    title = f"One handler, {size} B chunks as fast as it can"
    return Row(f"stream-{size}", title, variants, [*goals, headroom], compare=("chunk_cpu", "wsc"))


ROWS = [
    _row(6, [
        Goal("CPU a chunk", "chunk_cpu", "wsc", 0.12),
        Goal("CPU a chunk, with [speed]", "chunk_cpu", "wsc", 0.12, of=SPEED),
        Goal("CPU a chunk", "chunk_cpu", "raw", 0.75),
        Goal("chunks/s", "chunk_rate", "seed", 12, at_least=True),
        Goal("chunks/s", "chunk_rate", "seed, async handler", 18, at_least=True),
    ]),
    _row(200, [
        Goal("CPU a chunk", "chunk_cpu", "wsc", 0.20),
        Goal("CPU a chunk, with [speed]", "chunk_cpu", "wsc", 0.20, of=SPEED),
    ]),
    _row(4096, [
        Goal("CPU a chunk", "chunk_cpu", "wsc", 0.65),
        Goal("CPU a chunk, with [speed]", "chunk_cpu", "wsc", 0.36, of=SPEED),
    ]),
]  # fmt: skip
