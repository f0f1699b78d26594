"""The stack of a handler that does not end."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Iterator
from types import FrameType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def stack_of_handler(thread: int | None, started: object) -> str:
    """Return the stack of a handler, the innermost call last.

    Args:
        thread: the one that it runs on, None if it has returned.
        started: what calling it returned, if it has: a coroutine or an async generator that waits for something
            is on no thread's stack.
    """
    waiting = list(_awaited(started))
    if waiting:
        places = [(frame.f_code.co_filename, line, frame.f_code.co_name) for frame, line in waiting]
        lines = traceback.format_list(
            [traceback.FrameSummary(file, line, name) for file, line, name in places]
        )
    else:
        frame = sys._current_frames().get(thread) if thread is not None else None
        if frame is None:
            return "  (its thread has ended)\n"
        lines = traceback.format_list(_without_ours(traceback.extract_stack(frame)))
    return "".join(lines)


def _awaited(started: object) -> Iterator[tuple[FrameType, int]]:
    # From the outermost coroutine to the one that waits; what runs just now has its frames on the thread's stack.
    while started is not None:
        for kind in ("cr", "ag", "gi"):
            if hasattr(started, f"{kind}_frame"):
                break
        else:
            return
        frame: FrameType | None = getattr(started, f"{kind}_frame")
        if frame is None or (kind != "ag" and getattr(started, f"{kind}_running")):
            return
        inner = getattr(started, f"{kind}_await" if kind != "gi" else "gi_yieldfrom")
        if kind != "gi" or inner is not None:
            yield frame, frame.f_lineno
        started = inner


def _without_ours(stack: traceback.StackSummary) -> list[traceback.FrameSummary]:
    """Leave out the outermost frames: those of the thread, of this package and of asyncio."""
    import asyncio

    outer = (_PACKAGE, os.path.dirname(os.path.abspath(asyncio.__file__)) + os.sep, threading.__file__)
    for index, place in enumerate(stack):
        if not place.filename.startswith(outer):
            return stack[index:]
    return list(stack)
