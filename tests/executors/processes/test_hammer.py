"""A little of the hammer; all of it: ``python -m tests.executors.processes.hammer``."""

from __future__ import annotations

import pytest

from .hammer import run


@pytest.mark.slow
def test_random_cancels():
    hammer = run(300)
    assert hammer.wrong == []
    assert (hammer.outcomes["killed"], hammer.outcomes["died"]) == (0, 0)
    assert hammer.outcomes["cancelled"]


@pytest.mark.slow
def test_random_deaths():
    hammer = run(20, deaths=True)
    assert hammer.wrong == []
