"""``make demo``: a chat in a terminal, a scripted conversation without one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from arinova_agent_sync.cli import parrot

from .conftest import PATIENCE, ROOT
from .terminals import CTRL_C, CTRL_D, Screen

DEMO = [sys.executable, "-m", "arinova_agent_sync.cli.demo"]
PROMPT = "you   >"

StartScreen = Callable[..., Screen]


@pytest.mark.slow
def test_it_tells_its_steps_and_a_person_chats_until_ctrl_d(screen: StartScreen) -> None:
    shown = screen(*DEMO)
    shown.expect("1  An Arinova server starts in this process ... http://127.0.0.1:")
    shown.expect("2  Polly, an agent, connects to it ... connected\n3  A chat with Polly begins")
    shown.expect_prompt(PROMPT)
    shown.type("good morning\r")
    shown.expect("you   > good morning\nPolly > Squawk! good morning I am Polly")
    shown.type(CTRL_C)
    shown.expect("[stopped]")
    shown.expect_prompt(PROMPT)
    shown.type("\rbird\r")  # an empty line says nothing
    shown.expect("Polly > Squawk! bird Squawk! Backwards: drib\n")
    shown.expect_prompt(PROMPT)
    shown.type(CTRL_D)
    shown.expect("Bye.")
    assert shown.exit_code() == 0
    assert shown.shown.count("you   >") == 2
    assert "Traceback" not in shown.shown


@pytest.mark.slow
def test_sigterm_ends_the_chat(screen: StartScreen) -> None:
    waits, streams = screen(*DEMO), screen(*DEMO)
    waits.expect_prompt(PROMPT)
    streams.expect_prompt(PROMPT)
    streams.type("/count 1000\r")
    streams.expect(" 3")
    for shown in (waits, streams):
        os.kill(shown.process, signal.SIGTERM)
        shown.expect("Bye.")
        assert shown.exit_code() == 0
        assert "Traceback" not in shown.shown
    assert "[stopped]" in streams.shown


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_takes_no_ctrl_c_for_its_own(screen: StartScreen, tmp_path: Path) -> None:
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"demo:\n\t@{' '.join(DEMO)}\n")
    shown = screen(str(shutil.which("make")), "-f", str(makefile), "demo")
    shown.expect_prompt(PROMPT)
    shown.type("/count 1000\r")
    shown.expect(" 3")
    shown.type(CTRL_C)
    shown.expect("[stopped]")
    shown.expect_prompt(PROMPT)
    shown.type(CTRL_C)
    shown.expect("Bye.")
    assert shown.exit_code() == 0
    assert "Error" not in shown.shown


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
