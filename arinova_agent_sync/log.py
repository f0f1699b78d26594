"""The package's log. Nothing is raised here: a log handler that fails must not end one of the agent's threads."""

from __future__ import annotations

import logging
import sys
import traceback

_CALLER = 3  # frames up from where the record is made


class _Logger:
    """Write to the logger "arinova_agent_sync", and never raise an Exception. Thread-safe."""

    def __init__(self) -> None:
        self._logger = logging.getLogger("arinova_agent_sync")

    def enabled(self, level: int) -> bool:
        """Tell whether records of a level are written."""
        return self._logger.isEnabledFor(level)

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

    def _write(
        self, level: int, text: str, values: tuple[object, ...], error: BaseException | None = None
    ) -> None:
        try:
            self._logger.log(level, text, *values, exc_info=error, stacklevel=_CALLER)
        except Exception:  # noqa: BLE001 - whatever a log handler of the program raises
            if sys.stderr is not None:
                try:
                    traceback.print_exc()
                except Exception:  # noqa: BLE001 - there is no place left to say it
                    pass


logger = _Logger()
