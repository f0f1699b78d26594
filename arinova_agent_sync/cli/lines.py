"""Standard input, line by line, watched while an answer streams. For one thread, but for its own."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["CANCEL", "QUIT", "Lines"]

CANCEL, QUIT = "/cancel", "/quit"

_BLOCK = 64 * 1024  # bytes


class Lines:
    """What is typed, or comes from a pipe.

    Args:
        prompt: what is shown in a terminal before a line is read.
    """

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt
        self._descriptor = sys.stdin.fileno() if sys.stdin is not None else -1
        self.typed = sys.stdin is not None and sys.stdin.isatty()
        self._edited = self.typed and sys.stdout is not None and sys.stdout.isatty()
        self._over = self._descriptor < 0
        self._beginning = b""  # of the next line
        self._lines: deque[str] = deque()
        if self._edited:
            try:
                import readline  # noqa: F401 - gives input() its line editing; not there on Windows
            except ImportError:
                pass

    def read_plainly(self) -> None:
        """Read without line editing: off the main thread it could leave the terminal changed."""
        self._edited = False

    def next(self) -> str | None:
        """Return the next line without its end, None if there is none; Ctrl-C raises KeyboardInterrupt."""
        if self._edited and not self._lines and not self._over:
            return self._input()
        if self._edited and self._lines:
            sys.stdout.write(f"{self._prompt}{self._lines[0]}\n")  # typed ahead, while an answer streamed
        elif self.typed and not self._over:
            sys.stderr.write(self._prompt)
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

    def _input(self) -> str | None:
        try:
            return input(self._prompt).strip()
        except (EOFError, OSError):  # OSError: the terminal is gone
            return None
        except SystemError:  # Python 3.10's way to raise KeyboardInterrupt in readline
            raise KeyboardInterrupt from None

    def _read(self) -> None:
        # Not sys.stdin: a thread that is stuck in its lock would hold the exit of the interpreter up.
        try:
            data = os.read(self._descriptor, _BLOCK)
        except OSError:
            data = b""
        *lines, self._beginning = (self._beginning + data).split(b"\n")
        if not data:
            self._over = True
            lines = [self._beginning] if self._beginning else []
        self._lines.extend(line.decode("utf-8", "replace").strip() for line in lines)
