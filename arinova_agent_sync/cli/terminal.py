"""What a chat has of its terminal: signals, and characters that can be shown. For the main thread."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..local import LocalReply

# Codes in what an agent says would move the cursor, or worse: signs for them are shown in their place.
_VISIBLE = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}


class Interrupts:
    """Let Ctrl-C and SIGTERM do what is right at the moment; at first they raise KeyboardInterrupt.

    Attributes:
        last: the latest signal.
        taker: is called with the number of the signal in the place of KeyboardInterrupt. It may take no lock: the
            interrupted main thread may hold it.
    """

    def __init__(self) -> None:
        self.last: int | None = None
        self.taker: Callable[[int], object] | None = None

    def listen(self) -> None:
        """Take these signals from now on; only in the main thread."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self)

    def __call__(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.last = number
        if self.taker is None:
            raise KeyboardInterrupt
        self.taker(number)

    @contextmanager
    def stopping(self, reply: LocalReply) -> Iterator[None]:
        """Let a signal stop an answer."""
        self.taker = lambda _number: threading.Thread(target=reply.cancel, daemon=True).start()
        try:
            yield
        finally:
            self.taker = None


def visible(text: str) -> str:
    """Return a text without codes that a terminal would obey."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_VISIBLE)


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
