"""``make demo``: a chat in a terminal, a scripted conversation without one."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from arinova_agent_sync.cli import parrot

pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, "-m", "arinova_agent_sync.cli.demo"]
PATIENCE = 20.0  # seconds
CTRL_C, CTRL_D = b"\x03", b"\x04"
PROMPT = "you   > "


class Terminal:
    """A program in a terminal of its own, and the person in front of it."""

    def __init__(self, *command: str) -> None:
        self.shown = ""
        self.process, self._terminal = pty.fork()
        if self.process == 0:
            try:
                os.chdir(ROOT)
                os.environ["TERM"] = "dumb"
                os.execv(command[0], command)
            finally:
                os._exit(127)
        self._seen = 0
        self._status: int | None = None

    def type(self, keys: str | bytes) -> None:
        os.write(self._terminal, keys.encode() if isinstance(keys, str) else keys)

    def expect(self, part: str) -> None:
        """Wait until a part is shown behind what was expected before."""
        deadline = time.monotonic() + PATIENCE
        while (place := self.shown.find(part, self._seen)) < 0:
            assert self._read(deadline), f"no {part!r} in {self.shown[self._seen :]!r}"
        self._seen = place + len(part)

    def exit_code(self) -> int:
        """Wait for the end."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        assert time.monotonic() < deadline, f"it did not end: {self.shown!r}"
        _, status = os.waitpid(self.process, 0)
        self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def close(self) -> None:
        if self._status is None:
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
        os.close(self._terminal)

    def _read(self, deadline: float) -> bool:
        if not select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._terminal, 4_096)
        except OSError:  # Linux: nobody holds the other end any more
            return False
        self.shown += data.decode().replace("\r\n", "\n")
        return bool(data)


@pytest.fixture
def open_terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open(*command: str) -> Terminal:
        opened.append(Terminal(*command))
        return opened[-1]

    yield open
    for terminal in opened:
        terminal.close()


@pytest.mark.slow
def test_a_person_chats_until_ctrl_d(open_terminal: Callable[..., Terminal]) -> None:
    terminal = open_terminal(*DEMO)
    terminal.expect(PROMPT)
    terminal.type("good morning\n")
    terminal.expect("Polly > Squawk! good morning I am Polly")
    terminal.type(CTRL_C)
    terminal.expect("[stopped]")
    terminal.expect(PROMPT)
    terminal.type("\n")  # says nothing
    terminal.expect(PROMPT)
    terminal.type("bird\n")
    terminal.expect("Polly > Squawk! bird Squawk! Backwards: drib\n")
    terminal.expect(PROMPT)
    terminal.type(CTRL_D)
    terminal.expect("Bye.")
    assert terminal.exit_code() == 0
    assert "Traceback" not in terminal.shown


@pytest.mark.slow
def test_sigterm_ends_the_chat(open_terminal: Callable[..., Terminal]) -> None:
    waits, streams = open_terminal(*DEMO), open_terminal(*DEMO)
    waits.expect(PROMPT)
    streams.expect(PROMPT)
    streams.type("/count 1000\n")
    streams.expect(" 3")
    for terminal in (waits, streams):
        os.kill(terminal.process, signal.SIGTERM)
        terminal.expect("Bye.")
        assert terminal.exit_code() == 0
        assert "Traceback" not in terminal.shown
    assert "[stopped]" in streams.shown


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_takes_no_ctrl_c_for_its_own(open_terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"demo:\n\t@{' '.join(DEMO)}\n")
    terminal = open_terminal(str(shutil.which("make")), "-f", str(makefile), "demo")
    terminal.expect(PROMPT)
    terminal.type("/count 1000\n")
    terminal.expect(" 3")
    terminal.type(CTRL_C)
    terminal.expect("[stopped]")
    terminal.expect(PROMPT)
    terminal.type(CTRL_C)
    terminal.expect("Bye.")
    assert terminal.exit_code() == 0
    assert "Error" not in terminal.shown


@pytest.mark.slow
def test_without_a_terminal_a_conversation_is_played() -> None:
    bypasses = ("no_proxy", "NO_PROXY")
    env = {name: value for name, value in os.environ.items() if name not in bypasses}
    env["http_proxy"] = "http://127.0.0.1:9"  # which is of no use on this machine
    played = subprocess.run(
        DEMO, cwd=ROOT, env=env, input="not read\n", capture_output=True, text=True, timeout=PATIENCE
    )
    assert (played.returncode, played.stderr) == (0, "")
    assert "you   > Hello there!\nPolly > Squawk! Hello there! I am Polly" in played.stdout
    assert re.search(r"Polly > 1 2 3 4 5 6 7 (\d+ )*\[stopped\]\n", played.stdout)
    assert "  you said: /count 100\n  I said: 1 2 3" in played.stdout
    assert "not read" not in played.stdout


@pytest.mark.slow
def test_a_conversation_that_is_broken_off_ends_quietly() -> None:
    codes = {"SIGINT": 128 + signal.SIGINT, "SIGTERM": 128 + signal.SIGTERM, "no reader": 1}
    with ExitStack() as stack:
        started = {
            how: stack.enter_context(
                subprocess.Popen(DEMO, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
            )
            for how in codes
        }
        for process in started.values():
            stack.callback(process.kill)
        for how, process in started.items():
            assert process.stdout is not None
            output = b""
            while b"Squawk" not in output:
                piece = process.stdout.read(4_096)
                assert piece, f"it ended with {output!r}"
                output += piece
            if how == "no reader":
                process.stdout.close()
            else:
                process.send_signal(signal.Signals[how])
        for how, process in started.items():
            assert process.stderr is not None
            assert process.stderr.read() == b""
            assert process.wait(PATIENCE) == codes[how]


@pytest.mark.parametrize(
    ("said", "first", "part"),
    [
        ("hi", True, "Squawk! hi I am Polly, a parrot. There is no language model in me"),
        ("hi", False, "Squawk! hi Squawk! Backwards: ih"),
        ("who knows?", False, "your question has 2 words and that 'knows' backwards is 'swonk'"),
        ("?", False, "your question has 1 words"),
    ],
)
def test_polly_answers(said: str, first: bool, part: str) -> None:
    assert part in parrot.answer(said, first)


def test_polly_remembers_what_the_server_tells() -> None:
    said = [{"role": "user", "content": "hi\nthere"}, {"role": "assistant", "content": "x" * 100}]
    text = parrot.remembered(said)
    assert text.endswith("\n  you said: hi there\n  I said: " + "x" * 59 + "…")
    assert parrot.remembered([]).startswith("Nothing yet.")
