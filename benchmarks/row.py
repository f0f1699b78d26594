"""A row: variants that are measured side by side, and goals for what comes out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any

from .environments import Unavailable
from .measure import Failure, Sample

Round = dict[str, dict[str, Any]]  # variant: its sample, or {"error": why there is none}

ROUNDS = 7
QUICK_ROUNDS = 2


@dataclass(frozen=True)
class Goal:
    """One figure of a row, and what it has to be.

    With the unit "x" the figure is the ratio to the peer, taken inside a round; with any other it is the value
    itself, beside the peer's.
    """

    figure: str
    metric: str
    peer: str
    limit: float
    unit: str = "x"
    scale: float = 1.0  # from the sample's unit to the one shown
    at_least: bool = False  # the limit is the least, not the most
    total: bool = False  # the sum over the rounds counts, not the median
    of: str = "sdk"

    def met_by(self, figure: float) -> bool:
        """Tell whether the figure is good enough."""
        return figure >= self.limit if self.at_least else figure <= self.limit

    def figures(self, rounds: Sequence[Round]) -> list[float]:
        """Return the figure of every round in which both sides have one."""
        pairs = [(r.get(self.of, {}).get(self.metric), r.get(self.peer, {}).get(self.metric)) for r in rounds]
        known = [(mine, peer) for mine, peer in pairs if mine is not None and peer is not None]
        if self.unit == "x":
            return [mine / peer for mine, peer in known if peer]
        return [mine * self.scale for mine, _ in known]

    def middle(self, figures: Sequence[float]) -> float:
        """Return what stands for all rounds."""
        return sum(figures) if self.total else median(figures)


@dataclass(frozen=True)
class Row:
    """Variants that are measured in turn, each in every round."""

    name: str
    title: str
    variants: Mapping[str, Callable[[], Sample]]
    goals: Sequence[Goal]
    compare: tuple[str, str] | None = None  # metric and reference of the table of all variants
    at_once: bool = False  # nothing but waiting: all variants and rounds run beside each other

    def run(self, rounds: int, *, warm_up: bool = True) -> list[Round]:
        """Measure: A B C, then B C A and so on, after one round that does not count."""
        names = list(self.variants)
        if self.at_once:
            print(f"{self.name}: {rounds} rounds at once", file=sys.stderr, flush=True)
            with ThreadPoolExecutor(rounds * len(names)) as pool:
                futures = [{name: pool.submit(self._sample, name) for name in names} for _ in range(rounds)]
                return [{name: future.result() for name, future in one.items()} for one in futures]
        results = []
        for number in range(0 if warm_up else 1, rounds + 1):
            print(f"{self.name}: round {number} of {rounds}", file=sys.stderr, flush=True)
            turn = number % len(names)
            result = {name: self._sample(name) for name in names[turn:] + names[:turn]}
            if number:
                results.append(result)
        return results

    def _sample(self, name: str) -> dict[str, Any]:
        try:
            return self.variants[name]()
        except (Failure, Unavailable) as error:
            print(f"{self.name}: {name}: {error}", file=sys.stderr, flush=True)
            return {"error": str(error)}
