"""Handlers in processes beside the same ones on threads; the embedded server is part of every figure."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial

from ..environments import HERE, ROOT
from ..measure import Failure, Sample
from ..row import Goal, Row

_LIMIT = 120.0  # seconds


def _scene(place: str, scene: str) -> Sample:
    command = [sys.executable, str(HERE / "clients" / "executor_scene.py"), place, scene]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_LIMIT)
    if done.returncode:
        raise Failure(done.stderr.strip().splitlines()[-1])
    sample: Sample = json.loads(done.stdout)
    return sample


def _row(
    scene: str, title: str, goals: list[Goal], places: tuple[str, ...] = ("threads", "processes")
) -> Row:
    variants = {place: partial(_scene, place, scene) for place in places}
    return Row(f"executors-{scene}", title, variants, goals)


ROWS = [
    _row(
        "first",
        "A message and its answer, the handler in another process",
        [Goal("p50", "p50", "threads", 2.0, of="processes")],
        ("threads", "processes", "futures"),
    ),
    _row(
        "flat",
        "Pieces as fast as they come, the handler in another process",
        [
            Goal("wall a chunk", "chunk_wall", "threads", 5.0, of="processes"),
            Goal("gateway's CPU a chunk", "chunk_cpu", "threads", 0.5, of="processes"),
        ],
    ),
    _row(
        "beside",
        "A light task beside four handlers that compute, those in other processes",
        [Goal("p50", "p50", "threads", 0.05, of="processes")],
    ),
]
