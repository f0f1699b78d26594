"""Which tests concern a line: those that run it, or its file if none does, the quickest first."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

_SUITES = ("tests/protocol", "tests/runtime", "tests/agent", "tests/testing")
# What the traces do not see: a tracer of a test's own, and programs that tests start.
_BESIDE = {
    "runtime/writer.py": ["tests/runtime/test_interrupted_writes.py"],
    "runtime/foreground.py": ["tests/agent/test_process.py"],
    "runtime/program_end.py": ["tests/agent/test_process.py"],
    "runtime/lives.py": ["tests/agent/test_stop_programs.py", "tests/agent/test_process.py"],
    "runtime/shutdown.py": ["tests/agent/test_stop_programs.py", "tests/agent/test_process.py"],
}
_BESIDE_SECONDS = 10.0  # for each of these
_MOST = 500  # tests


class TestsOf:
    """The tests by the lines that they run.

    Args:
        directory: where the traces are; they are made if there are none.
        budget: seconds of tests for a line.
    """

    def __init__(self, directory: Path, budget: float) -> None:
        self._budget = budget
        if not list(directory.glob("*.json")):
            _trace(directory)
        self._lines: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        self._files: defaultdict[str, set[str]] = defaultdict(set)
        self._seconds: dict[str, float] = {}
        failed: set[str] = set()
        for found in map(json.loads, (path.read_text() for path in directory.glob("*.json"))):
            self._seconds.update(found["seconds"])
            failed.update(found["failed"])
            for file, lines in found["lines"].items():
                for line, tests in lines.items():
                    self._lines[file, int(line)].update(tests)
                    self._files[file].update(tests)
        self._failed = failed  # they would notice any mutant

    def line(self, file: str, line: int) -> list[str]:
        """Return the tests of a line of a file, the quickest of its own module first, then the others."""
        room, _, name = file.removesuffix(".py").partition("/")
        own = f"tests/{room}/test_{name}.py"
        tests = self._lines[file, line] - self._failed or self._files[file] - self._failed
        order = sorted(tests, key=lambda test: (not test.startswith(own), self._seconds.get(test, 0.0)))
        chosen: list[str] = []
        seconds = 0.0
        for test in order[:_MOST]:
            seconds += self._seconds.get(test, 0.0)
            if chosen and seconds > self._budget:
                break
            chosen.append(test)
        return chosen + _BESIDE.get(file, [])

    def seconds(self, tests: list[str]) -> float:
        """Return how long tests take."""
        return sum(self._seconds.get(test, _BESIDE_SECONDS) for test in tests)


def _trace(directory: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-n", "2", "-p", "tests.mutation.tracing"]
    command += [f"--trace-into={directory}", "--timeout=120", "-W", "ignore", *_SUITES]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=False)
