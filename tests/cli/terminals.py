"""Terminals of the tests' own, with a program in each and a person in front of it."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import termios
import time
from collections.abc import Callable

import pyte
import pytest

from .conftest import PATIENCE, ROOT

pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")

CTRL_C, CTRL_D = b"\x03", b"\x04"


class Terminal:
    """A terminal that can show nothing but lines.

    Attributes:
        shown: everything that the program has written.
    """

    TERM = "dumb"

    def __init__(self, *command: str, **environment: str) -> None:
        self.shown = ""
        self.process, self._terminal = pty.fork()
        if self.process == 0:
            try:
                os.chdir(ROOT)
                os.environ.update(environment, TERM=self.TERM)
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
        self._show(data)
        return bool(data)

    def _show(self, data: bytes) -> None:
        self.shown += data.decode().replace("\r\n", "\n")


class Screen(Terminal):
    """A terminal that moves its cursor where the program wants it, as those of today do.

    Attributes:
        cursor_line: the line of the cursor, without the spaces at its end.
    """

    TERM = "xterm-256color"

    def __init__(self, *command: str, columns: int = 80, rows: int = 24, **environment: str) -> None:
        self._screen = pyte.HistoryScreen(columns, rows, history=5_000, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)
        super().__init__(*command, **{"COLUMNS": "", "LINES": "", **environment})
        self.resize(columns, rows)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._screen.resize(rows, columns)

    @property
    def lines(self) -> list[str]:
        """All lines that can be seen, by scrolling back, too."""
        above = [
            "".join(line[place].data for place in range(self._screen.columns))
            for line in self._screen.history.top
        ]
        return [line.rstrip() for line in [*above, *self._screen.display]]

    @property
    def cursor_line(self) -> str:
        return self._screen.display[self._screen.cursor.y].rstrip()

    def expect(self, part: str, times: int = 1) -> None:
        """Wait until a part, perhaps of several lines, can be seen so often."""
        self._await(lambda: "\n".join(self.lines).count(part) >= times, part)

    def expect_prompt(self, line: str) -> None:
        """Wait until the line of the cursor is this one."""
        self._await(lambda: self.cursor_line == line, line)

    def _await(self, look: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not look():
            assert self._read(deadline), f"no {what!r} in\n" + "\n".join(self.lines)

    def _show(self, data: bytes) -> None:
        self._stream.feed(data)
        self.shown = "\n".join(self.lines)
