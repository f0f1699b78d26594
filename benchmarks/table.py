"""Results: kept as JSON, shown as Markdown."""

from __future__ import annotations

import json
import os
import platform
import ssl
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from .environments import CLIENTS, RESULTS, Unavailable, packages_of
from .measure import BUSIEST_SINK
from .row import ROUNDS, Goal, Round, Row


def load(path: Path = RESULTS) -> dict[str, Any]:
    """Return what was measured so far."""
    return json.loads(path.read_text()) if path.exists() else {"rows": {}}


def keep(results: dict[str, Any], row: Row, rounds: Sequence[Round], path: Path = RESULTS) -> None:
    """Add a row's rounds to the results, and write them."""
    results["machine"] = _machine()
    results["rows"][row.name] = {"when": time.strftime("%Y-%m-%d %H:%M", time.gmtime()), "rounds": rounds}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results, indent=1))


def render(results: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """Return the page."""
    measured = [(row, results["rows"][row.name]["rounds"]) for row in rows if row.name in results["rows"]]
    lines = [
        "# Benchmarks",
        "",
        "Made by `python -m benchmarks`; README.md beside this file says what each row measures. Every figure",
        "stands beside a peer measured in the same run, in turn with it; a ratio is taken inside a round, and the",
        "median of the rounds is shown with half its interquartile range. Read the ratios: the times behind them",
        "are this machine's.",
        "",
        *(f"* {line}" for line in results.get("machine", [])),
        *(f"* {line}" for line in _conditions(rounds for _, rounds in measured)),
        "",
        "## Goals",
        "",
        "| what | figure | beside | goal | measured | own | peer's | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row, rounds in measured:
        lines += filter(None, (_goal_line(row, goal, rounds) for goal in row.goals))
    lines += ["", "## All variants", "", "Medians of the ratios inside a round.", ""]
    for row, rounds in measured:
        lines += _comparison(row, rounds)
    return "\n".join(lines).rstrip() + "\n"


def _goal_line(row: Row, goal: Goal, rounds: Sequence[Round]) -> str | None:
    errors = [error for one in rounds if (error := one.get(goal.of, {}).get("error"))]
    figures = goal.figures(rounds)
    bound = f"{'≥' if goal.at_least else '≤'} {_number(goal.limit)} {goal.unit}".rstrip()
    start = f"| {row.title} | {goal.figure} | {goal.peer} | {bound} |"
    if errors:
        reason = errors[0].splitlines()[-1][:90]
        return f"{start} {len(errors)} of {len(rounds)} rounds failed: {reason} | | | **fail** |"
    if not figures:
        return None  # no peer, no figure
    figure = goal.middle(figures)
    spread = "" if goal.total else f" ± {_number(_spread(figures))}"
    few = "" if len(figures) >= ROUNDS else f" ({len(figures)} rounds)"
    own, peers = (_absolute(goal, rounds, name) for name in (goal.of, goal.peer))
    verdict = "pass" if goal.met_by(figure) else "**fail**"
    measured = f"{_number(figure)}{spread} {goal.unit}".rstrip() + few
    return f"{start} {measured} | {own} | {peers} | {verdict} |"


def _absolute(goal: Goal, rounds: Sequence[Round], variant: str) -> str:
    values = _values(rounds, variant, goal.metric)
    value = goal.middle(values)
    if goal.unit != "x":
        return f"{_number(value * goal.scale)} {goal.unit}".rstrip()
    if goal.metric in ("memory", "growth"):
        return f"{value / 1024:.1f} MiB"
    if goal.metric.endswith("rate"):
        return f"{value:,.0f}/s"
    return _seconds(value)


def _comparison(row: Row, rounds: Sequence[Round]) -> list[str]:
    if row.compare is None:
        return []
    metric, reference = row.compare
    lines = [f"**{row.title}** ({metric.replace('_', ' ')})", "", f"| variant | x {reference} |", "|---|---|"]
    for name in row.variants:
        ratios = Goal("", metric, reference, 0, of=name).figures(rounds)
        if ratios:
            lines.append(f"| {name} | {_number(median(ratios))} ± {_number(_spread(ratios))} |")
    return [*lines, ""]


def _conditions(measured: Any) -> list[str]:
    samples = [sample for rounds in measured for one in rounds for sample in one.values()]
    busy = [sample["busy"] for sample in samples if "busy" in sample]
    disturbed = [sample["disturbed"] for sample in samples if "disturbed" in sample]
    if not busy:
        return []
    return [
        f"the sink checks the text and the order of every frame; it was busy {median(busy):.0%} of the time in the "
        f"median run (above {BUSIEST_SINK:.0%} a run counts as failed, but for the one that measures the sink)",
        f"other programs used {median(disturbed):.0%} of a core in the median run, {max(disturbed):.0%} at most",
    ]


def _machine() -> list[str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    described = [
        f"{os.cpu_count()} x {model}, {platform.system()} {platform.release()}, "
        f"{platform.python_implementation()} {platform.python_version()}, {ssl.OPENSSL_VERSION}",
    ]
    for environment in dict.fromkeys(CLIENTS.values()):
        try:
            if packages := packages_of(environment):
                described.append(f"environment `{environment}`: {packages}")
        except Unavailable as error:
            print(error, file=sys.stderr)
    return described


def _values(rounds: Sequence[Round], variant: str, metric: str) -> list[float]:
    return [one[variant][metric] for one in rounds if metric in one.get(variant, {})]


def _spread(figures: Sequence[float]) -> float:
    if len(figures) < 2:
        return 0.0
    low, _, high = quantiles(figures, n=4, method="inclusive")
    return (high - low) / 2


def _number(value: float) -> str:
    if value == 0 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _seconds(value: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"
