"""Which handler answers which task. Thread-safe."""

from __future__ import annotations

import threading

from .handlers import TaskHandler, check_handler
from .names import folded
from .task import Task


class HandlerTable:
    """Handlers by slash command; None stands for all other tasks."""

    def __init__(self) -> None:
        self.make_lock()
        # Replaced, never changed: it is read without the lock.
        self._handlers: dict[str | None, TaskHandler] = {}

    def make_lock(self) -> None:
        """Make the lock, anew in a forked child, where a thread that is gone may have held it."""
        self._lock = threading.Lock()

    def set(self, command: str | None, handler: TaskHandler) -> None:
        """Set a handler; raise TypeError if it cannot be called with one task."""
        check_handler(handler, "on_task" if command is None else "on_command")
        word = None if command is None else folded(command)
        with self._lock:
            self._handlers = {**self._handlers, word: handler}

    def find(self, task: Task) -> TaskHandler | None:
        """Return the handler of a task's command, else the one of all other tasks."""
        handlers = self._handlers
        if len(handlers) == 1 and None in handlers:
            return handlers[None]
        return handlers.get(task.command, handlers.get(None))

    def serves_all(self) -> bool:
        """Tell whether there is a handler of all tasks."""
        return None in self._handlers
