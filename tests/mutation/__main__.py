"""Try mutants of protocol/ and runtime/: ``python -m tests.mutation --count 400 --seed 1``.

A run goes on where the one before it with the same seed and count was: ``--seconds`` ends it early.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

from .copies import ROOT, Copy, copies
from .operators import Mutant, mutants
from .tests_of import TestsOf
from .tracing import PACKAGE, ROOMS

_START = 15.0  # seconds that pytest and its imports may take on a busy machine
_SLOWER = 3.0  # times that tests may take longer than they did
_WANTED = 0.95
_ALIVE = ("survived", "no test")

Named = tuple[str, Mutant]


def main() -> int:
    """Return 0 if enough of the mutants were noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=400, help="how many are drawn of all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no other after so long")
    parser.add_argument("--again", action="store_true", help="try those that survived once more")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--budget", type=float, default=25.0, help="seconds of tests for each mutant")
    parser.add_argument("--only", default="", help="files whose names begin so, such as runtime/writer")
    parser.add_argument("--directory", type=Path, default=ROOT / "build" / "mutation", help="what is kept")
    given = parser.parse_args()
    sources = {
        f"{room}/{path.name}": path.read_text()
        for room in ROOMS
        for path in sorted((PACKAGE / room).glob("*.py"))
    }
    everything = [
        (file, mutant)
        for file, source in sources.items()
        if file.startswith(given.only)
        for mutant in mutants(source)
    ]
    drawn = Random(given.seed).sample(everything, min(given.count, len(everything)))
    results = _Results(given.directory / f"{given.only.replace('/', '-')}{given.seed}-{given.count}.json")
    tests = TestsOf(given.directory / "traces", given.budget)
    wanted = (None, *_ALIVE) if given.again else (None,)
    left = [(file, mutant) for file, mutant in drawn if results.of(file, mutant) in wanted]
    deadline = time.monotonic() + given.seconds
    with copies(given.jobs) as made:
        threads = [
            threading.Thread(target=_work, args=(copy, left, sources, tests, results, deadline))
            for copy in made
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return results.report(drawn, sources, len(everything))


def _work(
    copy: Copy,
    left: list[Named],
    sources: dict[str, str],
    tests: TestsOf,
    results: _Results,
    deadline: float,
) -> None:
    while left and time.monotonic() < deadline:
        try:
            file, mutant = left.pop()
        except IndexError:  # the other was quicker
            return
        chosen = tests.line(file, mutant.line)
        if not chosen:
            results.keep(file, mutant, "no test")
            continue
        seconds = _START + _SLOWER * tests.seconds(chosen)
        results.keep(file, mutant, copy.try_out(file, mutant.applied(sources[file]), chosen, seconds))


class _Results:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def of(self, file: str, mutant: Mutant) -> str | None:
        return self._found.get(_name(file, mutant))

    def keep(self, file: str, mutant: Mutant, outcome: str) -> None:
        with self._lock:
            self._found[_name(file, mutant)] = outcome
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self._found))
            print(f"{outcome:10} {file}:{mutant.line} {mutant.operator}", flush=True)

    def report(self, drawn: list[Named], sources: dict[str, str], of: int) -> int:
        tried = [(file, mutant) for file, mutant in drawn if self.of(file, mutant) is not None]
        alive = [(file, mutant) for file, mutant in tried if self.of(file, mutant) in _ALIVE]
        for file, mutant in sorted(alive):
            before, after = sources[file], mutant.applied(sources[file])
            was, becomes = before.splitlines()[mutant.line - 1], after.splitlines()[mutant.line - 1]
            print(f"\n{file}:{mutant.line} {mutant.operator}, {self.of(file, mutant)}\n- {was}\n+ {becomes}")
        counts = Counter(self.of(file, mutant) for file, mutant in tried)
        share = (len(tried) - len(alive)) / len(tried) if tried else 1.0
        print(
            f"\nmutants {len(tried)} of {of}, killed {counts['killed'] + counts['timed out']}, "
            f"of these by time {counts['timed out']}, survived {counts['survived']}, "
            f"of lines that no test runs {counts['no test']}: {share:.1%}"
        )
        return int(share < _WANTED)


def _name(file: str, mutant: Mutant) -> str:
    return f"{file}:{mutant.begin}-{mutant.end} {mutant.text}"


if __name__ == "__main__":
    sys.exit(main())
