"""A signal that raises TaskCancelled in a blocked handler. Main thread of a worker only."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Protocol

from .. import handlers, surroundings
from .. import task as tasks
from ..errors import TaskCancelled

_PACKAGE = os.path.dirname(os.path.abspath(handlers.__file__)) + os.sep
# The functions of ours that call a handler's code right away. Any other one, such as a send, is in the middle of
# something that an exception would break.
_CALLERS = {
    (handlers.__file__, "answer"),
    (handlers.__file__, "_stream"),
    (surroundings.__file__, "call_within"),
    (tasks.__file__, "stream"),
}
_FIRST_AGAIN = 0.02  # seconds until the signal is sent once more, doubled each time
_LONGEST_AGAIN = 1.0


class Interruptible(Protocol):
    """A task as it is seen here."""

    interruptible: bool

    @property
    def is_cancelled(self) -> bool:
        """Whether the user stopped it."""
        ...

    @property
    def task_id(self) -> object:
        """Its id."""
        ...


class Interruption:
    """Interrupt the handler that runs on the main thread.

    SIGURG: nobody else uses it, and a process that has set no handler ignores it.
    """

    def __init__(self) -> None:
        self._task: Interruptible | None = None
        self._main = threading.main_thread().ident or 0

    def install(self) -> None:
        """Take the signal."""
        signal.signal(signal.SIGURG, self._on_signal)

    def begin(self, task: Interruptible) -> None:
        """Let a task's handler be interrupted from now on."""
        task.interruptible = True
        self._task = task

    def end(self) -> None:
        """Let nothing be interrupted: the handler is over."""
        task, self._task = self._task, None
        if task is not None:
            task.interruptible = False

    def interrupt(self, task: Interruptible, again: float = _FIRST_AGAIN) -> None:
        """Raise TaskCancelled in a cancelled task's handler, once, as soon as it is in code of its own."""
        if self._task is not task or not task.interruptible:
            return
        signal.pthread_kill(self._main, signal.SIGURG)
        # It may have come while our own code ran, which it spares.
        timer = threading.Timer(again, self.interrupt, (task, min(2 * again, _LONGEST_AGAIN)))
        timer.daemon = True
        timer.start()

    def _on_signal(self, _number: int, frame: FrameType | None) -> None:
        task = self._task
        if task is None or not task.interruptible or not task.is_cancelled:
            return
        if isinstance(sys.exc_info()[1], TaskCancelled):
            return  # the handler cleans up already
        if _is_in_handler(frame):
            task.interruptible = False
            raise TaskCancelled(f"task {task.task_id} was cancelled")


def _is_in_handler(frame: FrameType | None) -> bool:
    """Tell whether the innermost frame of ours is one that has called a handler's code, and is in it."""
    inside = False
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(_PACKAGE):
            return inside and (code.co_filename, code.co_name) in _CALLERS
        inside = True
        frame = frame.f_back
    return False
