"""The same over TLS, and whether a connection survives a reader and four writers."""

from __future__ import annotations

import sys
from functools import partial

from ..measure import Failure, Sample, measure
from ..row import ROUNDS, Goal, Row
from .stream import PAUSE, SPEED

_VERSIONS = ("3.10", "3.11", "3.12", "3.13")
_CONNECTIONS = {"sdk": -(-100 // (ROUNDS * len(_VERSIONS))), "wsc": 1}  # a version and round
_encrypted = partial(measure, tls=True)
_crowded = partial(_encrypted, chunk_size=20)


def _duplex(client: str, timeout: float | None) -> Sample:
    """Count the connections that broke while four threads write and the peer answers every second chunk."""
    connection = partial(
        _crowded, chunks=10_000, tasks=4, window=4, ack_every=2, both_cores=True, wait="block", limit=30
    )
    sample = {"failures": 0.0, "connections": 0.0}
    for version in _VERSIONS:
        for _ in range(_CONNECTIONS[client]):
            sample["connections"] += 1
            try:
                connection(client, version=version, timeout=timeout)
            except Failure as error:
                sample["failures"] += 1
                sample[f"failed on {version}"] = sample.get(f"failed on {version}", 0) + 1
                print(f"tls-duplex: {client} on {version}: {error}", file=sys.stderr)
    return sample


_tight = partial(_encrypted, chunk_size=6, chunks=102_400, pause=PAUSE)
_crowd = partial(_crowded, tasks=32, window=32, chunks=3_200)

ROWS = [
    Row(
        "tls-stream",
        "TLS: one handler, 6 B chunks as fast as it can",
        {SPEED: partial(_tight, "sdk_speed")}
        | {client: partial(_tight, client) for client in ("sdk", "wsc", "websockets_sync")},
        [
            Goal("CPU a chunk", "chunk_cpu", "wsc", 0.10),
            Goal("CPU a chunk, with [speed]", "chunk_cpu", "wsc", 0.10, of=SPEED),
        ],
        compare=("chunk_cpu", "wsc"),
    ),
    Row(
        "tls-threads",
        "TLS: 32 handlers at once",
        {SPEED: partial(_crowd, "sdk_speed")}
        | {client: partial(_crowd, client) for client in ("sdk", "wsc", "websockets_sync")},
        [Goal("chunks/s", "chunk_rate", "wsc", 10, at_least=True)],
        compare=("chunk_rate", "wsc"),
    ),
    Row(
        "tls-duplex",
        "TLS: a reader and 4 writers, Python 3.10 to 3.13",
        {"sdk": partial(_duplex, "sdk", None), "wsc": partial(_duplex, "wsc", 30.0)},
        [
            Goal("connections that failed", "failures", "wsc", 0, unit="", total=True),
            Goal("connections tried", "connections", "wsc", 100, unit="", total=True, at_least=True),
        ],
    ),
]
