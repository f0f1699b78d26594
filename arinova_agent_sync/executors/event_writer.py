"""A worker's events on their way to the gateway, written together where they come fast. Thread-safe."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from .event_order import merged
from .protocol import JobEvent, JobText

_TOGETHER = 0.001  # seconds: what comes within them after a write leaves with the next one
_MOST = 4_096  # events that wait; then whoever has another one waits, too


class EventWriter:
    """Write events in their order, those of a job's text that follow each other as one.

    The first event of a quiet moment is written at once by the thread that has it. What comes while somebody
    writes, and text that comes within a millisecond of a write, leaves together with the next write.

    Args:
        write: writes a batch; may block. What it raises comes out of ``put``, or is given to ``failed`` where
            nobody waits.
        failed: called with what a write in the background raised.
    """

    def __init__(
        self, write: Callable[[Sequence[JobEvent]], None], failed: Callable[[BaseException], None]
    ) -> None:
        self._write = write
        self._failed = failed
        self._changed = threading.Condition(threading.Lock())
        self._waiting: list[JobEvent] = []
        self._urgent = False  # something that waits is no text
        self._writing = False
        self._written_at = float("-inf")
        self._closed = False
        self._late = threading.Thread(target=self._write_late, name="arinova-events", daemon=True)
        self._late.start()

    def put(self, event: JobEvent, given_up: Callable[[], bool]) -> None:
        """Write an event, or have it written; block while too many wait and nobody has given the job up."""
        with self._changed:
            while len(self._waiting) >= _MOST and not given_up():
                self._changed.wait()
            self._waiting.append(event)
            is_text = isinstance(event, JobText)
            self._urgent = self._urgent or not is_text
            if self._writing:
                return
            if is_text and (len(self._waiting) > 1 or time.monotonic() - self._written_at < _TOGETHER):
                if len(self._waiting) == 1:
                    self._changed.notify_all()
                return
            batch = self._take()
        self._write_all(batch)

    def wake(self) -> None:
        """Have who waits in ``put`` look again whether the job was given up."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread; what waits is not written."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._late.join()

    def _take(self) -> list[JobEvent]:
        batch, self._waiting = self._waiting, []
        self._urgent = False
        self._writing = True
        return batch

    def _write_all(self, batch: list[JobEvent]) -> None:
        """Write a batch, and go on while there is something that must not wait."""
        while batch:
            try:
                self._write(merged(batch))
            finally:
                with self._changed:
                    self._written_at = time.monotonic()
                    self._writing = False
                    batch = self._take() if self._urgent else []
                    self._changed.notify_all()

    def _write_late(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (self._writing or not self._waiting):
                    self._changed.wait()
                if self._closed:
                    return
            time.sleep(_TOGETHER)
            with self._changed:
                if self._writing or not self._waiting:
                    continue
                batch = self._take()
            try:
                self._write_all(batch)
            except BaseException as error:  # noqa: BLE001 - told where it can be acted on
                self._failed(error)
