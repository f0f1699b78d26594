"""Programs that use an agent, each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HEAD = """
import os, signal, sys, threading, time
from arinova_agent_sync import ArinovaAgent

agent = ArinovaAgent(shutdown_timeout=5.0)

def say(text):
    print(text, flush=True)
"""


class Script:
    """A program that uses an agent, watched line by line.

    Args:
        server: what the agent connects to.
        body: the program, behind HEAD.
        path: the file to run it from; None for none.
        stdin: whether it reads what say() says.
    """

    def __init__(self, server, body: str, path: Path | None = None, *, stdin: bool = False) -> None:
        environment = {
            **os.environ,
            "ARINOVA_SERVER_URL": server.url,
            "ARINOVA_BOT_TOKEN": server.bot_token,
            "PYTHONPATH": os.getcwd(),
        }
        program = HEAD + textwrap.dedent(body)
        if path is not None:
            path.write_text(program)
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", *(["-c", program] if path is None else [str(path)])],
            env=environment,
            stdin=subprocess.PIPE if stdin else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        return self.process.stdout.readline().strip()

    def say(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, timeout: float = 10.0) -> tuple[int, str, str]:
        output, errors = self.process.communicate(timeout=timeout)
        return self.process.returncode, output.strip(), errors


@pytest.fixture
def script(server):
    made: list[Script] = []

    def start(body: str, path: Path | None = None, *, stdin: bool = False) -> Script:
        made.append(Script(server, body, path, stdin=stdin))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()
