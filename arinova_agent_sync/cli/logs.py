"""What the command line writes to standard error while agents run: lines for people, or JSON for machines."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Sequence
from datetime import datetime, timezone
from types import TracebackType
from typing import Literal

from .._internals import engine_of
from ..agent import ArinovaAgent
from .terminal import visible

Format = Literal["text", "json"]

LEVELS = ("debug", "info", "warning", "error")
_STYLES = {logging.DEBUG: "cyan", logging.INFO: "green", logging.WARNING: "yellow", logging.ERROR: "red"}
_OURS = "arinova_agent_sync"

logger = logging.getLogger("arinova_agent_sync.cli")


class Origins(logging.Filter):
    """Note in each record which agent and which task it comes from, as far as its thread tells."""

    def __init__(self) -> None:
        super().__init__()
        self._agents: Sequence[ArinovaAgent] = ()

    def watch(self, agents: Sequence[ArinovaAgent]) -> None:
        """Look for the records of these agents."""
        self._agents = tuple(agents)

    @property
    def several(self) -> bool:
        """Whether it has to be told whose a record is."""
        return len(self._agents) > 1

    def filter(self, record: logging.LogRecord) -> bool:
        agent, task = self._origin(record)
        record.agent = getattr(record, "agent", None) or agent
        record.task = getattr(record, "task", None) or task
        return True

    def _origin(self, record: logging.LogRecord) -> tuple[str | None, str | None]:
        task = None
        if record.name == _OURS and isinstance(record.args, tuple) and str(record.msg).startswith("task %s"):
            task = str(record.args[0])
        for place, agent in enumerate(self._agents, 1):
            engine = engine_of(agent)
            if engine is None or record.thread not in [thread.ident for thread in engine.own_threads()]:
                continue
            if task is None:
                tasks = list(engine.state.tasks.values())
                task = next((known.task_id for known in tasks if known.thread == record.thread), None)
            return agent.agent_name or agent.agent_id or f"agent {place}", task
        return None, task


class JSONLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and agent, task, exception where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in ("agent", "task"):
            if (value := getattr(record, name, None)) is not None:
                line[name] = str(value)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """One line for people; whose it is stands in it only where that is in question."""

    def __init__(self, format: str, origins: Origins) -> None:
        super().__init__(format, "%Y-%m-%d %H:%M:%S")
        self._origins = origins

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        agent = getattr(record, "agent", None)
        whose = f"[{agent}] " if self._origins.several and agent is not None else ""
        logger = "" if record.name.partition(".")[0] == _OURS else f"{record.name}: "
        record.message = f"{whose}{logger}{record.message}"
        return super().formatMessage(record)


class Coloured(logging.Handler):
    """Write lines for people to a terminal. They are not wrapped, so that tracebacks can be copied."""

    def __init__(self) -> None:
        super().__init__()
        # Imported here: only a terminal needs it, and it takes a while.
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)

    def emit(self, record: logging.LogRecord) -> None:
        from rich.text import Text

        try:
            time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
            head, newline, rest = visible(self.format(record)).partition("\n")
            style = _STYLES.get(record.levelno, "bold red")
            line = Text.assemble((f"{time} ", "dim"), (f"{record.levelname:<8} ", style), head)
            line.append(newline + rest, "dim")
            self._console.print(line, soft_wrap=True)
        except Exception:  # noqa: BLE001 - logging's own rule: it never fails the program
            self.handleError(record)


def set_up(level: str, format: Format) -> Origins:
    """Let all loggers write to standard error; return what notes where records come from.

    Args:
        level: one of LEVELS; what is below is not written.
        format: "text" is coloured in a terminal.
    """
    origins = Origins()
    handler = _handler(format, origins)
    handler.addFilter(origins)
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level.upper())
    if format == "json":
        logging.captureWarnings(True)
        sys.excepthook = _log_exception
        threading.excepthook = _log_thread_exception
    return origins


def _handler(format: Format, origins: Origins) -> logging.Handler:
    handler: logging.Handler
    if format == "json":
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JSONLines())
    elif sys.stderr.isatty():
        handler = Coloured()
        handler.setFormatter(TextLines("%(message)s", origins))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(TextLines("%(asctime)s %(levelname)-8s %(message)s", origins))
    return handler


def _log_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logger.critical("the program failed", exc_info=(kind, error, trace))


def _log_thread_exception(failed: threading.ExceptHookArgs) -> None:
    name = failed.thread.name if failed.thread is not None else "a thread"
    if failed.exc_value is not None:
        trace = (failed.exc_type, failed.exc_value, failed.exc_traceback)
        logger.critical("the thread %s failed", name, exc_info=trace)
