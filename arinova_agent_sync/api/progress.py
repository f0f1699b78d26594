"""A progress bar for people, where there is somebody to see it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .multipart import Progress


@contextmanager
def progress_bar(wanted: Progress | bool | None, title: str) -> Iterator[Progress | None]:
    """Yield what to call with the bytes done and the bytes in all.

    Args:
        wanted: a function, which is yielded as it is; True for a bar on standard error, which is drawn only if that
            is a terminal and the package rich is installed; False or None for nothing.
        title: what the bar says.
    """
    if callable(wanted):
        yield wanted
        return
    if wanted is not None and not isinstance(wanted, bool):
        raise TypeError(f"progress must be a function or True, not {type(wanted).__name__}")
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
        from rich.progress import Progress as Bar
    except ImportError:
        yield None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
