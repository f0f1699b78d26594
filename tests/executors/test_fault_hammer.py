"""A little of the fault hammer; all of it: ``make faults``."""

from __future__ import annotations

import pytest

from .fault_hammer import FaultHammer


@pytest.mark.slow
def test_a_few_faults(tmp_path):
    hammer = FaultHammer("processes", 1, tmp_path, freezes=0.1)
    hammer.run(6)
    assert hammer.wrong == []
    assert hammer.outcomes["whole"]
