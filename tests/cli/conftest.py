"""The command line as a process, and files that it is given."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .terminals import Screen

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0  # seconds; what takes so long never comes

ECHO = """
    from arinova_agent_sync import ArinovaAgent

    agent = ArinovaAgent()


    @agent.on_task
    def handle(task):
        return f"echo: {task.content}"
"""

Write = Callable[..., Path]


class Command:
    """A running ``arinova-agent``, what it has written, and the person in front of it."""

    def __init__(self, *arguments: object, cwd: Path, env: dict[str, str], keyboard: bool) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "arinova_agent_sync", *map(str, arguments)],
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE if keyboard else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.out, self.err = Stream(self.process.stdout), Stream(self.process.stderr)

    def type(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def hang_up(self) -> None:
        """End its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Press Ctrl-C: all its processes get the signal."""
        os.killpg(self.process.pid, number)

    def exit_code(self) -> int:
        """Wait for the end, and read what is left."""
        self.err.rest()
        self.out.rest()
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


class Stream:
    """What a process has written to one pipe."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.text = ""
        self._pipe = pipe
        self._seen = 0

    def expect(self, part: str) -> None:
        """Wait until a part is written behind what was expected before."""
        deadline = time.monotonic() + PATIENCE
        while (place := self.text.find(part, self._seen)) < 0:
            assert self._read(deadline), f"no {part!r} in {self.text[self._seen :]!r}"
        self._seen = place + len(part)

    def rest(self) -> str:
        """Read to the end; return everything."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        assert time.monotonic() < deadline, f"it did not end: {self.text!r}"
        return self.text

    def _read(self, deadline: float) -> bool:
        if not select.select([self._pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        data = os.read(self._pipe.fileno(), 65_536)
        self.text += data.decode()
        return bool(data)


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Start the command line in a folder of the test's own; keyword arguments are environment variables."""
    started: list[Command] = []

    def start(*arguments: object, keyboard: bool = False, **environment: str) -> Command:
        env = {name: value for name, value in os.environ.items() if not name.startswith("ARINOVA_")}
        env |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "NO_PROXY": "*", **environment}
        started.append(Command(*arguments, cwd=tmp_path, env=env, keyboard=keyboard))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file, indented as a test is, into the test's folder; return its path."""

    def write(source: str, name: str = "my_agent.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return path

    return write


@pytest.fixture
def screen() -> Iterator[Callable[..., Screen]]:
    """Start a program on a screen; keyword arguments are the screen's."""
    from .terminals import Screen  # it imports this file

    opened: list[Screen] = []

    def start(*command: str, **options: Any) -> Screen:
        opened.append(Screen(*command, **options))
        return opened[-1]

    yield start
    for each in opened:
        each.close()
