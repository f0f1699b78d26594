"""Handlers in processes and in Celery's workers beside the same ones on threads.

The embedded server is part of every figure, in the process that holds the connection; Redis and workers are others.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial

from ..environments import HERE, ROOT, Unavailable
from ..measure import Failure, Sample
from ..row import Goal, Row

_LIMIT = 120.0  # seconds
_MS = 1_000.0  # milliseconds of a second


def _scene(place: str, scene: str) -> Sample:
    if place == "celery" and shutil.which("redis-server") is None:
        raise Unavailable("there is no redis-server: apt-get install redis-server")
    command = [sys.executable, str(HERE / "clients" / "executor_scene.py"), place, scene]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_LIMIT)
    if done.returncode:
        raise Failure(done.stderr.strip().splitlines()[-1])
    sample: Sample = json.loads(done.stdout)
    return sample


def _row(scene: str, title: str, places: Sequence[str], goals: Sequence[Goal]) -> Row:
    variants = {place: partial(_scene, place, scene) for place in places}
    return Row(f"executors-{scene}", title, variants, goals)


def _beside(figure: str, metric: str, place: str, limit: float, peer: str = "threads") -> Goal:
    return Goal(f"{figure}, {place}", metric, peer, limit, of=place)


def _alone(figure: str, metric: str, place: str, limit: float, unit: str = "ms", scale: float = _MS) -> Goal:
    return Goal(f"{figure}, {place}", metric, place, limit, unit, scale, of=place)


ROWS = [
    _row(
        "first",
        "A message and its answer, the handler in another process",
        ("threads", "processes", "celery", "futures"),
        [_beside("p50", "p50", "processes", 2.0), _alone("p50", "p50", "celery", 15.0)],
    ),
    _row(
        "piece",
        "A task handed over and the first piece of its answer, no agent around",
        ("threads", "processes", "futures"),
        [_beside("p50", "p50", "processes", 12.0), _beside("p50", "p50", "processes", 1.0, "futures")],
    ),
    _row(
        "flat",
        "Pieces as fast as they come, the handler in another process",
        ("threads", "processes", "celery"),
        [
            _beside("wall a chunk", "chunk_wall", "processes", 5.0),
            _beside("wall a chunk", "chunk_wall", "celery", 6.0),
            _beside("gateway's CPU a chunk", "chunk_cpu", "processes", 0.5),
            _beside("gateway's CPU a chunk", "chunk_cpu", "celery", 0.5),
        ],
    ),
    _row(
        "beside",
        "A light task beside four handlers that compute, those in other processes",
        ("threads", "processes"),
        [_beside("p50", "p50", "processes", 0.05)],
    ),
    _row(
        "speed",
        "Two handlers that compute, beside two bare Python processes that do",
        ("threads", "processes", "bare"),
        [_beside("wall", "wall", "processes", 1 / 0.85, "bare")],
    ),
    _row(
        "cancel",
        "From stop to the finally of a handler that sleeps",
        ("processes", "celery"),
        [_alone("p50", "p50", "processes", 2.0), _alone("p50", "p50", "celery", 10.0)],
    ),
    _row(
        "stuck",
        "From stop to the end of a process that sits in C, kill_after=1",
        ("processes", "celery"),
        [
            _alone("killed after", "wall", "processes", 1_500.0),
            _alone("killed after", "wall", "celery", 1_500.0),
        ],
    ),
    _row(
        "killed",
        "From kill -9 on a handler's process to the answer that says so",
        ("processes", "celery"),
        [_alone("the slowest", "most", "processes", 100.0), _alone("p50", "p50", "celery", 200.0)],
    ),
    _row(
        "idle",
        "Idle for 10 s: four processes; Celery's worker and Redis",
        ("processes", "celery"),
        [
            _alone("of a core", "share", "processes", 0.05, "%", 100.0),
            _alone("of a core", "share", "celery", 1.0, "%", 100.0),
        ],
    ),
]
