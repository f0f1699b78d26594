"""Forks: what a child process must make anew or let go of, and what must not be under way while it is made.

Another thread may hold a lock at the moment of the fork; in the child, which does not have that thread, nobody
would ever release it. The only place in the package that knows of forks.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from types import MethodType
from typing import Any
from weakref import ref

from ..log import logger

__all__ = ["importing", "renew_after_fork"]

_numbers = count()
_methods: dict[int, tuple[ref[object], Callable[[Any], object]]] = {}  # in the order of registration
_imports = threading.RLock()  # held while a module of ours, or one that we need, is imported late


def renew_after_fork(method: Callable[[], object]) -> None:
    """Call a method in every child process for as long as its object lives.

    What was registered last is called first, as it may rest on what was there before it: an engine goes before its
    agent. A method that fails is logged, and does not keep the others from being called.
    """
    assert isinstance(method, MethodType)
    number, methods = next(_numbers), _methods
    methods[number] = ref(method.__self__, lambda _: methods.pop(number, None)), method.__func__


@contextmanager
def importing() -> Iterator[None]:
    """Keep forks waiting while the block imports. Whatever is imported late is imported in such a block.

    A child process that came in between would wait for ever for the lock of the module.
    """
    with _imports:
        yield


def _before() -> None:
    _imports.acquire()


def _after_in_parent() -> None:
    _imports.release()


def _after_in_child() -> None:
    _imports.release()
    # All of them are held at once: letting go of one must not have the garbage collector take the next.
    alive = [(thing(), function) for _, (thing, function) in sorted(_methods.copy().items(), reverse=True)]
    failures = []
    for thing, function in alive:
        try:
            if thing is not None:
                function(thing)
        except Exception as error:  # noqa: BLE001
            failures.append((function.__qualname__, error))
    for failed, failure in failures:
        logger.error("%s failed after a fork", failed, exc_info=failure)


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
