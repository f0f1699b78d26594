"""Wherever a handler runs, the same comes of it."""

from __future__ import annotations

from arinova_agent_sync import ProcessExecutor

from .conftest import play_all
from .shapes import SHAPES

EXPECTED = {name: shape.came for name, shape in SHAPES.items()}


def test_threads(august, shaped_agent):
    agent = shaped_agent(august)
    agent.connect(5)
    assert play_all(august, agent) == EXPECTED


def test_processes(august, shaped_agent):
    agent = shaped_agent(august, executor=ProcessExecutor(2))
    agent.connect(10)
    assert play_all(august, agent) == EXPECTED
    (numbers,) = agent.stats().executors
    assert (numbers.killed, numbers.lost, numbers.restarted) == (0, 0, 0)
