"""What runs around every handler, and whose task this thread is at.

A surrounding is a generator function like those of ``contextlib.contextmanager``. Unlike there, it may return
before its ``yield``: then the handler is not called.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextvars import ContextVar
from types import FunctionType
from typing import TYPE_CHECKING, Any, Union

from .argument_checks import takes_one_argument

if TYPE_CHECKING:
    from .task import Task

Surrounding = Callable[["Task"], Union[Iterator[Any], Generator[Any, Any, Any]]]

current: ContextVar[Task | None] = ContextVar("arinova_current_task", default=None)


def current_task() -> Task | None:
    """Return the task whose handler, or what runs around it, calls this; None elsewhere.

    A thread that the handler starts is elsewhere, unless it runs in a copy of the handler's context, as
    ``asyncio.to_thread`` does.
    """
    return current.get()


def check_surrounding(function: object) -> None:
    """Raise TypeError unless it is a generator function that can be called with one task."""
    import inspect  # here: it is slow to load, and only some programs need it

    if not inspect.isgeneratorfunction(function):
        given = getattr(function, "__name__", type(function).__name__)
        raise TypeError(
            f"around_task needs a function with a yield, around which it runs: {given} has none, is async, or is "
            "decorated with contextmanager already"
        )
    takes_one_argument("around_task", function)


def is_made_anew(function: Surrounding, before: Surrounding) -> bool:
    """Tell whether two functions come of one definition at the level of a module, which was run again."""
    if not (isinstance(function, FunctionType) and isinstance(before, FunctionType)):
        return False
    name = function.__qualname__
    # Of those made inside a function, several may be meant: its arguments tell them apart.
    return "<" not in name and (function.__module__, name) == (before.__module__, before.__qualname__)


def call_within(surroundings: Sequence[Surrounding], task: Task, handler: Callable[[], None]) -> None:
    """Call a handler with surroundings around it, the first one outermost.

    It is not called if one of them ends the task, or returns, before its yield.

    Args:
        surroundings: generator functions.
        task: what each is called with.
        handler: calls the handler.

    Raises what the handler or a surrounding raised, RuntimeError for a second yield.
    """
    if not surroundings:
        handler()
        return
    generator = surroundings[0](task)
    try:
        next(generator)
    except StopIteration:
        return
    try:
        if not task._context.has_ended:
            call_within(surroundings[1:], task, handler)
    except BaseException as error:  # noqa: BLE001 - it is the generator's to let through
        _throw(generator, error)
    else:
        _resume(generator)


def _resume(generator: Iterator[Any]) -> None:
    try:
        next(generator)
    except StopIteration:
        return
    _refuse_second_yield(generator)


def _throw(generator: Any, error: BaseException) -> None:
    """Raise an error at a generator's yield, and what comes of it."""
    try:
        generator.throw(error)
    except StopIteration as stop:
        if stop is error:
            raise
        return  # it was caught there
    except RuntimeError as raised:
        # Python makes this of a StopIteration that passes through a generator.
        if isinstance(error, StopIteration) and raised.__cause__ is error:
            raise error from None
        raise
    _refuse_second_yield(generator)


def _refuse_second_yield(generator: Any) -> None:
    name = generator.__qualname__
    try:
        generator.close()
    except RuntimeError as error:  # it caught GeneratorExit and yielded once more
        raise RuntimeError(f"{name} yielded again and again; what runs around a task yields once") from error
    raise RuntimeError(f"{name} yielded twice; what runs around a task yields once")
