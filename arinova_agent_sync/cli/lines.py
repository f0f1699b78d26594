"""Standard input, line by line, watched while an answer streams. For one thread, but for its own."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["CANCEL", "QUIT", "Lines"]

CANCEL, QUIT = "/cancel", "/quit"

_BLOCK = 64 * 1024  # bytes


class Lines:
    """What is typed, or comes from a pipe.

    Args:
        keyboard: standard input, None if there is none.
        prompt: what is shown to a person before a line is read.

    Attributes:
        typed: whether a person types them: on a terminal that can show nothing but lines, or while the answers go
            into a pipe.
    """

    def __init__(self, keyboard: TextIO | None, prompt: str) -> None:
        self._prompt = prompt
        self._descriptor = keyboard.fileno() if keyboard is not None else -1
        self.typed = keyboard is not None and keyboard.isatty()
        self._over = self._descriptor < 0
        self._beginning = b""  # of the next line
        self._lines: deque[str] = deque()

    def next(self) -> str | None:
        """Return the next line without its end, None if there is none; Ctrl-C raises KeyboardInterrupt."""
        if self.typed and not self._over:
            sys.stderr.write(f"{self._prompt}{self._lines[0]}\n" if self._lines else self._prompt)
            sys.stderr.flush()
        while not self._lines and not self._over:
            self._read()
        return self._lines.popleft() if self._lines else None

    @contextmanager
    def watched(self, stop: Callable[[], object]) -> Iterator[None]:
        """Call a function if the next line is /cancel, which is taken then.

        In a terminal it may also come behind lines that were typed ahead, and /quit, which is kept, counts as well.
        """
        if self._takes_cancel():
            stop()
        if self._over or sys.platform == "win32" or (self._lines and not self.typed):
            yield
            return
        ear, bell = os.pipe()
        thread = threading.Thread(
            target=self._watch, args=(ear, stop), name="arinova-chat-input", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            os.close(bell)
            thread.join()
            os.close(ear)

    def _watch(self, ear: int, stop: Callable[[], object]) -> None:
        while not self._over and not (self._lines and not self.typed):
            ready, _, _ = select.select([self._descriptor, ear], [], [])
            if ear in ready:
                return
            self._read()
            if self._takes_cancel():
                stop()
                return

    def _takes_cancel(self) -> bool:
        if self.typed:
            if CANCEL not in self._lines:
                return QUIT in self._lines
            self._lines.remove(CANCEL)
            return True
        if self._lines and self._lines[0] == CANCEL:
            self._lines.popleft()
            return True
        return False

    def _read(self) -> None:
        # Not the stream: a thread that is stuck in its lock would hold the exit of the interpreter up.
        try:
            data = os.read(self._descriptor, _BLOCK)
        except OSError:
            data = b""
        *lines, self._beginning = (self._beginning + data).split(b"\n")
        if not data:
            self._over = True
            lines = [self._beginning] if self._beginning else []
        self._lines.extend(line.decode("utf-8", "replace").strip() for line in lines)
