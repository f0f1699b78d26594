"""The package's log. Nothing is raised here: a log handler that fails must not end one of the agent's threads."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator

from .redaction import redact

__all__ = ["StandardError", "WithoutTokens", "logger"]

_NAME = "arinova_agent_sync"
_FALLBACK = "arinova_agent_sync: standard error"
WATCHER = "arinova_agent_sync: watcher"  # the name of a handler that shows records besides the program's own
_CALLER = 3  # frames up from where the record is made


class StandardError(logging.Handler):
    """Write warnings to standard error where the program set up no logging, as Python does by itself.

    It stands where libraries put a NullHandler, which would keep warnings and the tracebacks of handlers from a
    program without logging. Each record is decided on anew: a program may set up its logging at any time.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.set_name(_FALLBACK)

    def install(self) -> None:
        """Put it on the package's logger, in place of one that an earlier import left there."""
        ours = logging.getLogger(_NAME)
        for handler in [other for other in ours.handlers if other.name == _FALLBACK]:
            ours.removeHandler(handler)
        ours.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record that no other handler is given."""
        last_resort = logging.lastResort  # None in a program that wants silence
        if last_resort is not None and not _is_heard(record.name):
            last_resort.handle(record)


class _Logger:
    """Write to the logger "arinova_agent_sync", and never raise an Exception. Thread-safe."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(_NAME)
        self._tokens: tuple[str, ...] = ()
        self.speaks = False  # under run()
        self.enabled = self._logger.isEnabledFor  # whether records of a level are written

    def hide(self, token: str) -> None:
        """Keep a token out of every record from now on: a server may send it back in any of its texts."""
        if token not in self._tokens:
            self._tokens = (*self._tokens, token)

    def debug(self, text: str, *values: object) -> None:
        """Write a record of level DEBUG."""
        self._write(logging.DEBUG, text, values)

    def info(self, text: str, *values: object) -> None:
        """Write a record of level INFO."""
        self._write(logging.INFO, text, values)

    def warning(self, text: str, *values: object) -> None:
        """Write a record of level WARNING."""
        self._write(logging.WARNING, text, values)

    def error(self, text: str, *values: object, exc_info: BaseException | None = None) -> None:
        """Write a record of level ERROR, with an error's traceback."""
        self._write(logging.ERROR, text, values, exc_info)

    def critical(self, text: str, *values: object, exc_info: BaseException | None = None) -> None:
        """Write a record of level CRITICAL, with an error's traceback."""
        self._write(logging.CRITICAL, text, values, exc_info)

    def notice(self, text: str, *values: object) -> None:
        """Write a record of level INFO, and say it on standard error under ``run()`` if nobody else does there."""
        self._write(logging.INFO, text, values)
        if self.speaks:
            self._say(text, values)

    def last_word(self, text: str, *values: object) -> None:
        """Write a record of level INFO, and say it on standard error, with or without ``run()``."""
        self._write(logging.INFO, text, values)
        self._say(text, values)

    def _say(self, text: str, values: tuple[object, ...]) -> None:
        """Write to standard error if no logging is set up, or if it is a terminal that logging leaves alone."""
        if sys.stderr is None:
            return
        try:
            if not _is_heard(_NAME) or (sys.stderr.isatty() and not self._is_shown()):
                sys.stderr.write(f"{text % self._without_tokens(values)}\n")
                sys.stderr.flush()
        except Exception:  # noqa: BLE001 - standard error was closed, or is an object of the program's
            pass

    def _is_shown(self) -> bool:
        """Whether a record of level INFO is given to a handler of the program that does not write to a file."""
        return self.enabled(logging.INFO) and any(
            handler.level <= logging.INFO and not isinstance(handler, logging.FileHandler)
            for handler in _handlers(_NAME)
        )

    def _write(
        self, level: int, text: str, values: tuple[object, ...], error: BaseException | None = None
    ) -> None:
        if not self._logger.isEnabledFor(level):
            return
        try:
            values = self._without_tokens(values)
            self._logger.log(level, text, *values, exc_info=error, stacklevel=_CALLER)
        except Exception:  # noqa: BLE001 - whatever a log handler of the program raises
            if sys.stderr is not None:
                try:
                    traceback.print_exc()
                except Exception:  # noqa: BLE001 - there is no place left to say it
                    pass

    def redacted(self, text: str) -> str:
        """Return a text without the tokens that are hidden."""
        return redact(text, *self._tokens)

    def _without_tokens(self, values: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(
            self.redacted(_shown(value)) if isinstance(value, (str, BaseException)) else value
            for value in values
        )


def _shown(value: str | BaseException) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - an exception of the program's that cannot say what happened
        return f"{type(value).__name__}, whose text cannot be shown"


def _is_heard(name: str) -> bool:
    """Whether a record of this logger is given to a handler of the program."""
    return any(True for _ in _handlers(name))


def _handlers(name: str) -> Iterator[logging.Handler]:
    """Return the program's handlers that are given the records of a logger."""
    at: logging.Logger | None = logging.getLogger(name)
    while at is not None:
        yield from (handler for handler in at.handlers if handler.name not in (_FALLBACK, WATCHER))
        at = at.parent if at.propagate else None


logger = _Logger()


class WithoutTokens(logging.Filter):
    """Keep hidden tokens out of the records of a library that logs what a server sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record where it shows one; let it pass."""
        text = record.getMessage()
        if (shown := logger.redacted(text)) != text:
            record.msg, record.args = shown, ()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and logger.redacted(str(error)) != str(error):
            record.exc_info = record.exc_text = None
        return True
