"""`python -m benchmarks`: measure, keep the raw numbers, write the table."""

from __future__ import annotations

import argparse
import fnmatch
import sys

from . import pictures, table
from .environments import CACHE, HERE, RESULTS, Unavailable, sink
from .row import QUICK_ROUNDS, ROUNDS
from .rows import ROWS

_PAGE = HERE / "RESULTS.md"


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="these rows; wildcards allowed")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds that count (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="few rounds, kept apart in .cache/quick.*")
    parser.add_argument(
        "--render", action="store_true", help="write the table from the numbers of earlier runs"
    )
    parser.add_argument("--list", action="store_true", help="name the rows")
    given = parser.parse_args()

    wanted = given.only or ["*"]
    rows = [row for row in ROWS if any(fnmatch.fnmatch(row.name, name) for name in wanted)]
    if not rows:
        parser.error(f"no row is called {' or '.join(given.only)}; --list names them all")
    if given.list:
        print("\n".join(f"{row.name:16} {row.title}" for row in rows))
        return 0
    numbers, page = (CACHE / "quick.json", CACHE / "quick.md") if given.quick else (RESULTS, _PAGE)
    results = table.load(numbers)
    if not given.render:
        try:
            sink()
        except Unavailable as error:
            print(error, file=sys.stderr)
            return 1
        for row in rows:
            rounds = row.run(QUICK_ROUNDS if given.quick else given.rounds, warm_up=not given.quick)
            table.keep(results, row, rounds, numbers)
            page.write_text(table.render(results, ROWS))
    page.write_text(table.render(results, ROWS))
    pictures.draw(page.read_text(), page.with_name("pictures"))
    print(table.render(results, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
