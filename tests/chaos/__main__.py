"""Run chaos; print a line for each run, and one for all: ``python -m tests.chaos --faults 500 --seed 1 --tls``."""

from __future__ import annotations

import argparse
import sys
from itertools import product

from .chaos import Report, run, together
from .fault_proxy import WEIGHTS
from .process import Options
from .truth import MOODS


def main() -> int:
    """Return 0 if nothing was lost in silence, doubled, hung or left behind in any of the runs."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--faults", type=int, default=500, help="in each run")
    parser.add_argument(
        "--seed", type=int, default=[1], nargs="+", help="one run, or four with --all, for each"
    )
    parser.add_argument(
        "--mood", choices=MOODS, default="outlive", help="what the end of a connection does to tasks"
    )
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--all", action="store_true", help="both moods of March 2026, plain and TLS")
    parser.add_argument("--agents", type=int, default=24)
    parser.add_argument("--rate", type=float, default=8.0, help="tasks a second for each agent")
    parser.add_argument(
        "--only", choices=WEIGHTS, nargs="+", default=(), metavar="FAULT", help="of: " + ", ".join(WEIGHTS)
    )
    parser.add_argument(
        "--no-black-out", action="store_true", help="leave the network whole during the last disconnect()"
    )
    parser.add_argument(
        "--explain", type=int, default=0, help="show so many losses of each kind, to standard error"
    )
    given = parser.parse_args()
    ways = product(MOODS[:2], (False, True)) if given.all else [(given.mood, given.tls)]
    reports: list[Report] = []
    for seed, (mood, tls) in product(given.seed, list(ways)):
        report = run(
            Options(
                given.faults, seed, mood, tls, given.agents, given.rate, given.only, not given.no_black_out
            )
        )
        print(f"seed {seed}, {mood}, {'TLS' if tls else 'plain'}: {report.line}", flush=True)
        reports.append(report)
        for kind in sorted({loss.kind for loss in report.losses}):
            for loss in [loss for loss in report.losses if loss.kind == kind][: given.explain]:
                print(report.explain(loss), file=sys.stderr)
        report.log.clear()
        report.events.clear()
    if len(reports) > 1:
        print(f"all {len(reports)} runs: {together(reports)}")
    return int(any(report.failed for report in reports))


if __name__ == "__main__":
    sys.exit(main())
