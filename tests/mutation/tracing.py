"""A plugin for pytest that notes which tests run which lines, and how long each takes.

``-p tests.mutation.tracing --trace-into=DIRECTORY``: each process of pytest-xdist leaves a file there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

PACKAGE = Path(__file__).parents[2] / "arinova_agent_sync"
ROOMS = ("protocol", "runtime")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--trace-into", required=True)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Tracer(Path(str(config.getoption("--trace-into")))))


class _Tracer:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._coverage = coverage.Coverage(
            data_file=None, source=[str(PACKAGE / room) for room in ROOMS], config_file=False, messages=False
        )
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {
            str(Path(file).relative_to(PACKAGE)): {
                line: sorted(filter(None, tests)) for line, tests in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
        found = {"lines": lines, "seconds": self._seconds, "failed": sorted(self._failed)}
        self._directory.mkdir(parents=True, exist_ok=True)
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        (self._directory / f"{worker}.json").write_text(json.dumps(found))
