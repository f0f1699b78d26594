"""What a worker's code prints and logs, sent to where that of a thread would appear."""

from __future__ import annotations

import io
import logging
import sys
import threading
import traceback
from collections.abc import Callable
from queue import Full, Queue
from typing import TextIO

from ...log import logger
from .process_messages import LoadAgent, Logged, Printed

_LONGEST = 1 << 20  # characters of one message
_MOST = 10_000  # messages that wait
_LAST_JOIN = 1.0  # seconds for what waits at the end


class ForwardingHandler(logging.Handler):
    """Send log records to the gateway.

    Args:
        send: sends a message; may block.
    """

    def __init__(self, send: Callable[[Logged], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record, its text and its traceback complete."""
        try:
            text, details = record.getMessage(), record.exc_text
            if record.exc_info and record.exc_info[1] is not None:
                details = "".join(traceback.format_exception(record.exc_info[1])).rstrip("\n")
            self._send(
                Logged(
                    record.name,
                    record.levelno,
                    _sendable(text),
                    record.pathname,
                    record.lineno,
                    record.funcName or "",
                    record.created,
                    record.threadName or "",
                    None if details is None else _sendable(details),
                )
            )
        except Exception:  # noqa: BLE001 - as every log handler does
            self.handleError(record)


def forward_logs(send: Callable[[Logged], None], load: LoadAgent) -> None:
    """Have all records go to the gateway and nowhere else, of the levels that are set there."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.addHandler(ForwardingHandler(send))
    root.setLevel(load.log_level)
    for name, level in load.log_levels.items():
        logging.getLogger(name).setLevel(level)


class ForwardingStream(io.TextIOBase):
    """Stands for standard output or standard error, and sends what is written to the gateway.

    Args:
        name: "stdout" or "stderr".
        original: the stream in whose place it stands.
        send: sends a message; may block.
    """

    def __init__(self, name: str, original: TextIO, send: Callable[[Printed], None]) -> None:
        self._name = name
        self._original = original
        self._send = send
        self._lock = threading.RLock()
        self._line: list[str] = []  # what has been written of a line that has not ended

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The original's."""
        return self._original.encoding or "utf-8"

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the original's descriptor, for subprocesses and for code in C."""
        return self._original.fileno()

    def isatty(self) -> bool:
        """Return whether the original is a terminal."""
        return self._original.isatty()

    def write(self, text: str) -> int:
        """Send a text, once its line is complete."""
        with self._lock:
            self._line.append(text)
            if "\n" in text:
                self.flush()
        return len(text)

    def flush(self) -> None:
        """Send what was written of a line."""
        with self._lock:
            text, self._line = "".join(self._line), []
            for start in range(0, len(text), _LONGEST):
                self._send(Printed(self._name, _sendable(text[start : start + _LONGEST])))


class Output:
    """Let what processes print and log appear in the gateway, on a thread of its own: a stream may block."""

    def __init__(self) -> None:
        self._waiting: Queue[Logged | Printed | None] = Queue(_MOST)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._dropped = False

    def put(self, message: Logged | Printed) -> None:
        """Let a message appear soon."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="arinova-output", daemon=True)
                self._thread.start()
        try:
            self._waiting.put_nowait(message)
        except Full:
            if not self._dropped:
                self._dropped = True
                logger.warning("what handlers print or log is lost: nothing takes it from standard output")

    def close(self) -> None:
        """Let what waits appear, and end the thread; leave it behind if it is blocked."""
        if self._thread is None:
            return
        try:
            self._waiting.put_nowait(None)
        except Full:
            return
        if self._thread is not threading.current_thread():
            self._thread.join(_LAST_JOIN)

    def _run(self) -> None:
        while (message := self._waiting.get()) is not None:
            try:
                appear(message)
            except Exception as error:
                logger.error("what a handler printed or logged could not be shown", exc_info=error)


def appear(message: Logged | Printed) -> None:
    """Let it appear in the gateway. Raises whatever the program's log handler or stream raises."""
    if isinstance(message, Printed):
        stream = sys.stdout if message.stream == "stdout" else sys.stderr
        if stream is not None:
            stream.write(message.text)
            stream.flush()
        return
    wanted = logging.getLogger(message.name)
    if not wanted.isEnabledFor(message.level):
        return
    record = wanted.makeRecord(
        message.name,
        message.level,
        message.path,
        message.line,
        logger.redacted(message.text),
        (),
        None,
        message.function,
    )
    record.created, record.threadName = message.created, message.thread
    record.msecs = (message.created - int(message.created)) * 1000
    record.exc_text = None if message.traceback is None else logger.redacted(message.traceback)
    wanted.handle(record)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
