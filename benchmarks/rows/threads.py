"""Many handlers on one connection, and a handler beside a thread that computes."""

from __future__ import annotations

from functools import partial

from ..measure import Sample, measure
from ..row import Goal, Row
from .stream import SPEED

_SIZE = 20
_CHUNKS = 102_400


def _crowd(client: str, handlers: int, sending: bool) -> Sample:
    """Measure the rate; and how long a call takes in a run of its own, since two looks at a clock cost much."""
    crowd = partial(
        measure,
        client,
        chunk_size=_SIZE,
        tasks=handlers,
        window=handlers,
        workers=128,
        chunks=_CHUNKS // handlers,
    )
    sample = crowd()
    if sending:
        sample["send_p99"] = crowd(stamped=True)["send_p99"]
    return sample


def _at_once(handlers: int, rate: float, sending: bool) -> Row:
    variants = {
        client: partial(_crowd, client, handlers, sending) for client in ("sdk", "wsc", "websockets_sync")
    }
    variants[SPEED] = partial(_crowd, "sdk_speed", handlers, sending)
    goals = [Goal("chunks/s", "chunk_rate", "wsc", rate, at_least=True)]
    if sending:
        goals.append(Goal("send_chunk p99", "send_p99", "wsc", 1 / 500))
    title = f"{handlers} handlers at once on one connection"
    return Row(f"threads-{handlers}", title, variants, goals, compare=("chunk_rate", "wsc"))


def _hog() -> list[Row]:
    beside = partial(measure, chunk_size=_SIZE, both_cores=True, hog=True)
    paced = partial(beside, stamped=True, wait="spin", chunks=100, interval=1 / 50)
    return [
        Row(
            "hog-stream",
            "Beside a CPU-bound Python thread, two cores, as fast as it can",
            {"sdk": partial(beside, "sdk", chunks=_CHUNKS), "wsc": partial(beside, "wsc", chunks=400)},
            [Goal("chunks/s", "chunk_rate", "wsc", 300, at_least=True)],
        ),
        Row(
            "hog-pace",
            "Beside a CPU-bound Python thread, two cores, 50 chunks a second",
            {client: partial(paced, client) for client in ("sdk", "wsc")},
            [Goal("delivery p50", "delivery_p50", "wsc", 1.0)],
        ),
    ]


ROWS = [_at_once(8, 7, False), _at_once(32, 10, True), _at_once(128, 13, True), *_hog()]
