"""The pictures of the benchmarks show what the page of results says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.pictures import PICTURES, Comparison, comparisons

ROOT = Path(__file__).parents[1]

PAGE = """## All variants

**2,000 tasks in one burst** (task rate)

| variant | x seed |
|---|---|
| sdk | 0.947 ± 0.0256 |
| seed | 1 ± 0 |

**Import, in a fresh process** (cpu)

| variant | x websocket |
|---|---|
| sdk | 1,234 ± 2.4e-05 |
"""


def test_tables_are_read() -> None:
    burst, imports = comparisons(PAGE)
    assert burst == Comparison(
        "2,000 tasks in one burst", "task rate", "seed", [("sdk", 0.947, 0.0256), ("seed", 1.0, 0.0)]
    )
    assert imports.bars == [("sdk", 1234.0, 2.4e-05)]
    assert (burst.better, imports.better) == ("more is better", "less is better")


@pytest.mark.parametrize("table", comparisons((ROOT / "benchmarks" / "RESULTS.md").read_text("utf-8")))
def test_every_table_of_the_results_has_a_picture_that_says_the_same(table: Comparison) -> None:
    (picture,) = [
        path for path in PICTURES.glob("*.svg") if f">{table.title}: {table.metric}<" in path.read_text()
    ]
    drawn = picture.read_text()
    assert [name for name, ratio, _ in table.bars if f" {ratio:,.3g} x<" not in drawn] == []
