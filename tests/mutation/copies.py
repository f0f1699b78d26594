"""Copies of the checkout, in which mutants are tried one after another."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[2]
_COPIED = ("arinova_agent_sync", "tests", "pyproject.toml", "setup.cfg", "README.md", "examples")
# Loading all the plugins that there are takes longer than most tests.
_PLUGINS = ("-p", "pytest_timeout", "-p", "arinova_agent_sync.pytest_plugin")
_ENVIRONMENT = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
_FIRST = 8  # tests that are run alone: most mutants die there, and finding hundreds takes seconds

Outcome = Literal["killed", "timed out", "survived"]


class Copy:
    """One copy.

    Args:
        directory: where it is; empty yet.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", ".venv*")
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, directory / name, ignore=ignored)
            elif source.exists():
                shutil.copy(source, directory / name)

    def try_out(self, file: str, source: str, tests: Sequence[str], seconds: float) -> Outcome:
        """Run tests with another source of a file in the package, and put its own back.

        Args:
            file: such as "runtime/writer.py".
            source: what stands in it meanwhile.
            tests: which to run, until the first fails.
            seconds: after which nothing is awaited any more.
        """
        path = self._directory / "arinova_agent_sync" / file
        before = path.read_text()
        path.write_text(source)
        try:
            outcome = self._run(tests[:_FIRST], seconds)
            if outcome == "survived" and tests[_FIRST:]:
                outcome = self._run(tests[_FIRST:], seconds)
            return outcome
        finally:
            path.write_text(before)

    def _run(self, tests: Sequence[str], seconds: float) -> Outcome:
        listed = self._directory / "chosen"
        listed.write_text("\n".join(tests))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *_PLUGINS]
        process = subprocess.Popen(
            [*command, "--timeout=30", f"@{listed}"],
            cwd=self._directory,
            env={**os.environ, "PYTHONPATH": str(self._directory), **_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return "survived" if process.wait(seconds) == 0 else "killed"
        except subprocess.TimeoutExpired:
            return "timed out"
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a run and what it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


@contextmanager
def copies(count: int) -> Iterator[list[Copy]]:
    """Make copies, and remove them at the end."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        yield [Copy(Path(directory) / str(number)) for number in range(count)]
