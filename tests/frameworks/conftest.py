"""The programs of docs/frameworks.md, each run as a process of its own against a server in the test's process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arinova_agent_sync.local import LocalServer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "frameworks.md").read_text(encoding="utf-8")
SOURCES = {name: source for source, name in re.findall(r"```python\n(# (\S+)\n.*?)```", PAGE, re.DOTALL)}
PATIENCE = 20.0  # seconds; what takes so long never comes


class Project:
    """A folder with files of the page, and the programs that are run in it.

    Args:
        folder: an empty one.
        server: where the agents connect.
    """

    def __init__(self, folder: Path, server: LocalServer) -> None:
        self.folder = folder
        self._server = server
        self._programs: list[subprocess.Popen[str]] = []

    def take(self, *names: str) -> None:
        """Write files of the page into the folder."""
        for name in names:
            self.write(name, SOURCES[name])

    def write(self, name: str, source: str = "") -> None:
        """Write a file into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")

    def start(self, *command: str, **environment: str) -> Program:
        """Run Python in the folder."""
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=self.folder,
            env={
                **os.environ,
                "ARINOVA_SERVER_URL": self._server.url,
                "ARINOVA_BOT_TOKEN": self._server.bot_token,
                "ARINOVA_STANDBY_DIR": str(self.folder),
                "HOME": str(self.folder),
                "PYTHONPATH": str(ROOT),
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._programs.append(process)
        return Program(process)

    def ask(self, text: str) -> str:
        """Wait for an agent, and return what it answers."""
        self._server.wait_for_agent(PATIENCE)
        reply = self._server.conversation().say(text)
        assert reply.wait(PATIENCE) == "completed"
        return reply.text

    def close(self) -> None:
        """End what still runs."""
        for process in self._programs:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.communicate()


class Program:
    """A running program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def end(self, number: int = signal.SIGTERM, text: str | None = None) -> tuple[int, str]:
        """Send a signal, or type something and hang up; return exit code and output. No agent was in trouble."""
        if text is None:
            self._process.send_signal(number)
        output, _ = self._process.communicate(text, timeout=PATIENCE)
        assert "Traceback" not in output, output
        return self._process.returncode, output


@pytest.fixture
def project(tmp_path: Path, server: LocalServer) -> Iterator[Project]:
    made = Project(tmp_path, server)
    yield made
    made.close()
