"""A chat in a terminal: Ctrl-C that stops an answer, and whose terminal it is. For the main thread."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType

from ..local import LocalReply

_TICK = 0.2  # seconds


class Interrupts:
    """Let Ctrl-C and SIGTERM stop an answer while one streams, and raise KeyboardInterrupt at other times."""

    def __init__(self) -> None:
        self.reply: LocalReply | None = None  # what streams now
        self.last: int | None = None  # the latest signal

    def listen(self) -> None:
        """Take these signals from now on; only in the main thread."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self)

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.last = number
        if self.reply is None:
            raise KeyboardInterrupt
        # The interrupted main thread may hold a lock of the server's in the middle of something.
        threading.Thread(target=self.reply.cancel, daemon=True).start()


def show_any_text() -> None:
    """Let a terminal that cannot show a character, such as "…", show "?"."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def let_go_of_output() -> None:
    """Let nothing more be written to a pipe that is closed, or the interpreter would complain at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


@contextmanager
def ticks() -> Iterator[None]:
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
def own_terminal() -> Iterator[None]:
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
