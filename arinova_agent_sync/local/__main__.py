"""The demo: an embedded server, an agent on it, and a chat with it in the terminal.

Without a terminal, in a pipe or in CI, it plays a short conversation instead.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType

from .demo import NAME, make_agent
from .replies import LocalReply
from .server import LocalServer

PROMPT = "you   > "
ANSWER = f"{NAME} > "
_TICK = 0.2  # seconds

# What is said, and the word of the answer at which the stop button is pressed.
SCRIPT = (
    ("Hello there!", None),
    ("Do you understand what I say?", None),
    ("/count 100", "7"),
    ("/recall", None),
)


class Interrupts:
    """Let Ctrl-C and SIGTERM stop an answer while one streams, and raise KeyboardInterrupt at other times."""

    def __init__(self) -> None:
        self.reply: LocalReply | None = None  # what streams now
        self.last: int | None = None  # the latest signal

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.last = number
        if self.reply is None:
            raise KeyboardInterrupt
        # The interrupted main thread may hold a lock of the server's in the middle of something.
        threading.Thread(target=self.reply.cancel, daemon=True).start()


def main() -> int:
    """Run the demo; return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show "…" shows "?"
    interrupts = Interrupts()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupts)
    chats = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    try:
        return chat(interrupts) if chats else play(interrupts)
    except KeyboardInterrupt:
        # That is how a chat ends; a conversation that should have been played to its end was not.
        return 0 if chats else 128 + (interrupts.last or signal.SIGINT)
    except BrokenPipeError:  # such as by "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def chat(interrupts: Interrupts) -> int:
    """Let a person talk with the agent until Ctrl-D, Ctrl-C at the prompt, or SIGTERM."""
    try:
        import readline  # noqa: F401 - gives input() its line editing; not there on Windows
    except ImportError:
        pass
    with _own_terminal(), _ticks(), _stage(pause=0.07) as server:
        print("Say something and press Enter. Ctrl-C stops an answer; at the prompt it ends the demo.\n")
        conversation = server.conversation()
        while interrupts.last != signal.SIGTERM:
            try:
                said = input(PROMPT).strip()
            # OSError: the terminal is gone. SystemError: Python 3.10's way to raise KeyboardInterrupt in readline.
            except (EOFError, KeyboardInterrupt, OSError, SystemError):
                print()
                break
            if said:
                interrupts.reply = conversation.say(said)
                show(interrupts.reply)
                interrupts.reply = None
        print("Bye. README.md shows how to write an agent of your own.")
    return 0


def play(interrupts: Interrupts) -> int:
    """Play the scripted conversation; return 0 if every answer came to the end that it should."""
    with _stage(pause=0.01) as server:
        print("There is no terminal to chat in, so here is a short conversation.\n")
        conversation = server.conversation()
        fine = True
        for said, stop_at in SCRIPT:
            print(f"{PROMPT}{said}")
            interrupts.reply = conversation.say(said)
            show(interrupts.reply, stop_at)
            fine = fine and interrupts.reply.status == ("cancelled" if stop_at else "completed")
            interrupts.reply = None
            if interrupts.last is not None:
                raise KeyboardInterrupt
    return 0 if fine else 1


def show(reply: LocalReply, stop_at: str | None = None) -> None:
    """Print an answer while it comes; press the stop button at a word, if there is one."""
    print(ANSWER, end="", flush=True)
    shown = ""
    for piece in reply:
        print(piece, end="", flush=True)
        shown += piece
        if stop_at is not None and stop_at in shown.split():
            reply.cancel()
    if reply.status == "cancelled":
        print(" [stopped]", end="")
    elif reply.status != "completed":
        print(f" [{reply.error or 'no answer'}]", end="")
    print("\n", flush=True)


@contextmanager
def _stage(pause: float) -> Iterator[LocalServer]:
    """Run a server with the agent on it."""
    server = LocalServer(agent_name=NAME, duplicate_window=0)
    with server, make_agent(server.url, server.bot_token, pause):
        print(f"An Arinova server runs in this process at {server.url}; {NAME} is connected to it.")
        yield server


@contextmanager
def _ticks() -> Iterator[None]:
    """Let a signal come all the time: input() sees one of the moment before it begins to wait at the next one."""
    if sys.platform == "win32":
        yield
        return
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def _own_terminal() -> Iterator[None]:
    """Let Ctrl-C reach this process, and not the one that started it.

    ``make`` would take a Ctrl-C that was meant for an answer for its own end, and call the demo's a failure.
    """
    if sys.platform == "win32":
        yield
        return
    terminal, group = sys.stdin.fileno(), os.getpgrp()
    if group == os.getpid() or os.tcgetpgrp(terminal) != group:
        yield  # started by a shell with job control, or in the background
        return
    # Changing the terminal from the background would stop us, and Ctrl-Z would do so without the shell's knowing.
    for number in (signal.SIGTTOU, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    try:
        yield
    finally:
        try:
            os.tcsetpgrp(terminal, group)
            os.setpgid(0, group)
        except OSError:
            pass  # the one that started this process has ended


if __name__ == "__main__":
    sys.exit(main())
