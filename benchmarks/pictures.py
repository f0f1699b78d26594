"""The tables of all variants in RESULTS.md as pictures: ``python -m benchmarks.pictures`` draws them anew."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"

_TABLE = re.compile(
    r"^\*\*(?P<title>.+)\*\* \((?P<metric>.+)\)\n\n\| variant \| x (?P<peer>.+) \|\n.*\n(?P<rows>(?:\|.*\n)+)",
    re.M,
)
_ROW = re.compile(r"^\| (?P<name>.+) \| (?P<ratio>[\d.,e+-]+) ± (?P<spread>[\d.,e+-]+) \|$", re.M)
_OURS, _PEERS = "#1f6feb", "#b1bac4"
_BAR = 0.28  # inches


@dataclass(frozen=True)
class Comparison:
    """One table: what each variant costs or reaches, as a multiple of a peer's."""

    title: str
    metric: str
    peer: str
    bars: Sequence[tuple[str, float, float]]  # variant, ratio, half the interquartile range

    @property
    def better(self) -> str:
        """Which way is good."""
        return "more is better" if self.metric.endswith("rate") else "less is better"


def comparisons(page: str) -> list[Comparison]:
    """Return the tables of a page of results."""
    return [
        Comparison(
            table["title"],
            table["metric"],
            table["peer"],
            [
                (row["name"], _value(row["ratio"]), _value(row["spread"]))
                for row in _ROW.finditer(table["rows"])
            ],
        )
        for table in _TABLE.finditer(page)
    ]


def draw(page: str, folder: Path = PICTURES) -> list[Path]:
    """Draw each table of a page into a folder, as SVG; return the files."""
    import matplotlib as mpl  # here: the benchmarks themselves do without

    mpl.use("svg")
    # The same numbers give the same file, and its text stays text.
    mpl.rcParams.update({"svg.hashsalt": "benchmarks", "svg.fonttype": "none", "font.family": "sans-serif"})
    folder.mkdir(exist_ok=True)
    return [_draw(comparison, folder) for comparison in comparisons(page)]


def _draw(comparison: Comparison, folder: Path) -> Path:
    from matplotlib import pyplot

    names, ratios, spreads = zip(*comparison.bars, strict=True)
    figure, axes = pyplot.subplots(figsize=(8, 0.9 + _BAR * len(names)), layout="constrained")
    colours = [_OURS if name.startswith("sdk") else _PEERS for name in names]
    bars = axes.barh(names, ratios, xerr=spreads, color=colours, ecolor="#57606a", height=0.7)
    axes.bar_label(bars, [f" {ratio:,.3g} x" for ratio in ratios])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(f"{comparison.title}: {comparison.metric}", loc="left", fontsize=11)
    axes.set_xlabel(f"x {comparison.peer}; {comparison.better}", fontsize=9)
    path = folder / f"{re.sub(r'[^a-z0-9]+', '-', comparison.title.lower()).strip('-')}.svg"
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path


def _value(text: str) -> float:
    return float(text.replace(",", ""))


def main() -> None:
    """Draw the page that is there."""
    for path in draw((HERE / "RESULTS.md").read_text(encoding="utf-8")):
        print(path.relative_to(HERE))


if __name__ == "__main__":
    main()
