"""The latest log records of an agent, as texts for the page. Thread-safe."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from ..log import WATCHER

_LINES = 200
_LONGEST = 8000  # characters of one record, its traceback included
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class LogTail:
    """Keep the latest texts."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque(maxlen=_LINES)

    def add(self, text: str) -> None:
        """Keep a text, in place of the oldest if there are many."""
        self._texts.append(text)

    def texts(self) -> list[str]:
        """Return what is kept, oldest first."""
        return list(self._texts.copy())


class LogTap(logging.Handler):
    """Give each record to a function, as a text with its traceback.

    Where the program set up no logging, standard error goes on hearing of warnings.

    Args:
        tell: called with each text.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter(_FORMAT))
        self.set_name(WATCHER)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a record."""
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - a record that cannot be written is the program's mistake
            self.handleError(record)
            return
        self._tell(
            text if len(text) <= _LONGEST else text[: _LONGEST // 2] + "\n…\n" + text[-_LONGEST // 2 :]
        )
