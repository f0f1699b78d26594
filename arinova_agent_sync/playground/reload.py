"""Watch Python files and call when one has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from watchfiles import PythonFilter, watch

_STOPS_WITHIN = 10.0  # seconds
_DEBOUNCE = 300  # milliseconds in which several changes count as one


@contextmanager
def reloading(folders: Sequence[Path], changed: Callable[[], None]) -> Iterator[None]:
    """Call a function, on a thread of its own, whenever a Python file below some folders has changed."""
    stop = threading.Event()

    def run() -> None:
        for _ in watch(*folders, watch_filter=PythonFilter(), stop_event=stop, debounce=_DEBOUNCE):
            changed()

    thread = threading.Thread(target=run, name="arinova-playground-reload", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_STOPS_WITHIN)
