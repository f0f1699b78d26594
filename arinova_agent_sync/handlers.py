"""Every handler shape becomes one way to run it; which handler answers which task.

A handler takes the task and either calls ``task.send_*``, returns the answer (``str`` or ``Reply``), or yields it
piece by piece, of which None is an empty one. ``async def`` handlers and async generators run in an event loop of
their own on the worker.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar, Union

import msgspec

from .argument_checks import executor as checked_executor
from .argument_checks import takes_one_argument
from .argument_checks import text as check_text
from .chat_messages import checked_mentions
from .errors import TaskCancelled
from .names import folded
from .net.forks import renew_after_fork
from .surroundings import Surrounding, call_within, check_surrounding, current, is_made_anew
from .task import Task

if TYPE_CHECKING:
    from .executors.protocol import Executor


class Reply(msgspec.Struct, frozen=True):
    """An answer with mentions, for a handler to return.

    Args:
        text: the whole answer; None for what the handler streamed.
        mentions: ids of the agents that the answer addresses, see ``Task.mentions_in``.

    Raises TypeError or ValueError for other values, a bare string as mentions among them.
    """

    text: str | None = None
    mentions: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.text is not None:
            check_text("text", self.text, empty=True)
        msgspec.structs.force_setattr(self, "mentions", checked_mentions(self.mentions))


Handler = TypeVar("Handler", bound="TaskHandler")
Answered = Union[str, Reply, None]
TaskHandler = Callable[
    [Task],
    Union[
        Answered,
        Iterator[Union[str, None]],
        Generator[Union[str, None], Any, Answered],
        Coroutine[Any, Any, Answered],
        AsyncGenerator[Union[str, None], Any],
    ],
]


def check_handler(handler: object, name: str) -> None:
    """Raise TypeError unless the handler can be called with one task."""
    if not callable(handler):
        raise TypeError(f"{name} needs a function that takes a task, not {type(handler).__name__}")
    takes_one_argument(name, handler)


def calling_module() -> tuple[str, int, int] | None:
    """Return the module that calls a constructor, the line, and how often it did there before.

    None unless the module does it while it is loaded: another process that loads it does the same, then.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name in _INSIDE:
        frame = frame.f_back
    if frame is None or frame.f_code.co_name != "<module>":
        return None
    place = str(frame.f_globals.get("__name__")), frame.f_lineno
    _made[place] = before = _made.get(place, -1) + 1
    return (*place, before)


_INSIDE = ("__init__", "<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>")
_made: dict[tuple[str, int], int] = {}


def command_word(command: str) -> str:
    """Return a slash command without its slash; raise TypeError or ValueError if it is not one word."""
    word = check_text("command", command).removeprefix("/")
    if not word or any(letter.isspace() or letter in "/@／＠" for letter in word):
        raise ValueError(f"command must be one word, such as 'draw', not {command!r}")
    return word


class HandlerTable:
    """Which handler answers which task: handlers by slash command, None for all other tasks. Thread-safe."""

    def __init__(self) -> None:
        self.after_fork()
        renew_after_fork(self.after_fork)
        # Replaced, never changed: it is read without the lock.
        self._handlers: dict[str | None, TaskHandler] = {}
        self.serves_all = False  # whether there is a handler of all tasks
        # Of those handlers that do not run where the agent's others do.
        self.executors: dict[str | None, Executor] = {}
        self.surroundings: tuple[Surrounding, ...] = ()  # of every handler, the outermost first

    def after_fork(self) -> None:
        """Make the lock, anew in a forked child, where a thread that is gone may have held it."""
        self._lock = threading.Lock()

    def set(self, command: str | None, handler: TaskHandler, executor: Executor | None = None) -> None:
        """Set a handler; raise TypeError if it cannot be called with one task."""
        name = "on_task" if command is None else "on_command"
        check_handler(handler, name)
        if executor is not None:
            executor = checked_executor(name, executor)
        key = None if command is None else folded(command)
        with self._lock:
            executors = {other: each for other, each in self.executors.items() if other != key}
            self.executors = executors if executor is None else {**executors, key: executor}
            self._handlers = {**self._handlers, key: handler}
            self.serves_all = None in self._handlers

    def surround(self, function: Surrounding) -> None:
        """Run a function around every handler, inside of those that are there; once, if it is there already.

        One of the same module and name, as a notebook cell makes that is run again, takes the old one's place.
        """
        check_surrounding(function)
        with self._lock:
            before = self.surroundings
            after = tuple(function if is_made_anew(function, each) else each for each in before)
            self.surroundings = after if function in after else (*after, function)

    def setting(
        self, command: str | None, handler: Handler | None, executor: Executor | None
    ) -> Handler | Callable[[Handler], Handler]:
        """Set a handler and return it; without one return a decorator that does."""

        def register(handler: Handler) -> Handler:
            self.set(command, handler, executor)
            return handler

        return register if handler is None else register(handler)

    def by_executor(self, default: Executor | None) -> Mapping[Executor, Mapping[str | None, TaskHandler]]:
        """Return the handlers that run elsewhere than on threads, by executor and by command."""
        found: dict[Executor, dict[str | None, TaskHandler]] = {}
        for command, handler in self._handlers.items():
            executor = self.executors.get(command, default)
            if executor is not None:
                found.setdefault(executor, {})[command] = handler
        return found

    def place(self, task: Task) -> tuple[str | None, Executor | None]:
        """Return the command whose handler answers a task, None for the one of other tasks, and its executor."""
        command = task.command if task.command in self._handlers else None
        return command, self.executors.get(command)

    def find(self, task: Task) -> TaskHandler | None:
        """Return the handler of a task's command, else the one of all other tasks."""
        handlers = self._handlers
        if len(handlers) == 1 and None in handlers:
            return handlers[None]
        return handlers.get(task.command, handlers.get(None))

    def all(self) -> Mapping[str | None, TaskHandler]:
        """Return the handlers by command."""
        return self._handlers


def answer_within(surroundings: Sequence[Surrounding], handler: TaskHandler, task: Task) -> None:
    """Run a handler as ``answer`` does, and what is around it, the first one outermost."""
    current.set(task)
    call_within(surroundings, task, partial(answer, handler, task))


def answer(handler: TaskHandler, task: Task) -> None:
    """Run a handler to its end and answer with what it returned or yielded.

    If it neither returned an answer nor yielded one, what it sent counts, if anything. Raises what the handler
    raised, and TypeError for an answer of another type.
    """
    current.set(task)
    result: object = handler(task)
    if result is not None and not isinstance(result, str):  # most often: the questions below take a while
        if isinstance(result, Coroutine):
            result = _run_async(_awaited(result), task)
        if isinstance(result, AsyncGenerator):
            _run_async(_stream_async(result, task), task)
            result = None
        elif isinstance(result, Iterator):
            result = _stream(result, task)
    _complete(result, task)


def _complete(result: object, task: Task) -> None:
    if isinstance(result, str):
        task.send_complete(result)
    elif isinstance(result, Reply):
        task.send_complete(result.text, result.mentions)
    elif result is not None:
        kind = type(result).__name__
        raise TypeError(
            f"the handler returned {kind}; it may return a str, a Reply or None, or yield strings"
        )


def _stream(pieces: Iterator[object], task: Task) -> object:
    """Send what a handler yields; return what it returns."""
    try:
        while True:
            try:
                piece = next(pieces)
            except StopIteration as stop:
                return stop.value
            _send(piece, task)
    finally:
        close = getattr(pieces, "close", None)
        if callable(close):
            close()


def _send(piece: object, task: Task) -> None:
    if piece is None:
        piece = ""  # the streams of some model clients end with one
    if not isinstance(piece, str):
        raise TypeError(f"the handler yielded {type(piece).__name__}; each yield must be a str")
    task.send_chunk(piece)
    if task.is_cancelled:
        # After disconnect() a send does nothing, but a generator would go on for ever.
        raise TaskCancelled(f"task {task.task_id} was cancelled")


async def _awaited(result: Coroutine[Any, Any, object]) -> object:
    return await result


async def _stream_async(pieces: AsyncGenerator[object, Any], task: Task) -> None:
    try:
        async for piece in pieces:
            _send(piece, task)
    finally:
        await pieces.aclose()


def _run_async(work: Coroutine[Any, Any, object], task: Task) -> object:
    # Imported here: a program without async handlers never loads asyncio.
    import asyncio

    async def cancellable() -> object:
        loop, current = asyncio.get_running_loop(), asyncio.current_task()

        def cancel() -> None:
            try:
                loop.call_soon_threadsafe(lambda: current and current.cancel())
            except RuntimeError:
                pass  # the loop ended before the cancel came

        task.on_cancel(cancel)
        return await work

    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        if task.cancelled.is_set():
            raise TaskCancelled(f"task {task.task_id} was cancelled") from None
        raise
