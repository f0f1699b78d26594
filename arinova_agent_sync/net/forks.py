"""Forks: what a child process must make anew or let go of, and what must not be under way while it is made.

Another thread may hold a lock at the moment of the fork; in the child, which does not have that thread, nobody
would ever release it. The only place in the package that knows of forks.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Protocol
from weakref import WeakValueDictionary

__all__ = ["Renewable", "importing", "renew_after_fork"]

logger = logging.getLogger("arinova_agent_sync")


class Renewable(Protocol):
    """Something with a lock, a thread or a socket that a child process must not share with its parent."""

    def after_fork(self) -> None:
        """Become as new, in the child."""


_numbers = count()
_renewables: WeakValueDictionary[int, Renewable] = WeakValueDictionary()  # in the order of registration
_imports = threading.RLock()  # held while a module of ours, or one that we need, is imported late


def renew_after_fork(thing: Renewable) -> None:
    """Call ``thing.after_fork()`` in every child process for as long as the thing lives.

    What was registered last is renewed first, as it may rest on what was there before it: an engine goes before its
    agent. One that fails is logged, and does not keep the others from it.
    """
    _renewables[next(_numbers)] = thing


@contextmanager
def importing() -> Iterator[None]:
    """Keep forks waiting while the block imports. Whatever is imported late is imported in such a block.

    A child process that came in between would wait for ever for the lock of the module.
    """
    with _imports:
        yield


def _renew(things: list[Renewable]) -> None:
    failures = []
    for thing in things:
        try:
            thing.after_fork()
        except Exception as error:  # noqa: BLE001
            failures.append((type(thing).__name__, error))
    for name, failure in failures:
        logger.error("%s could not be renewed after a fork", name, exc_info=failure)


def _before() -> None:
    _imports.acquire()


def _after_in_parent() -> None:
    _imports.release()


def _after_in_child() -> None:
    _imports.release()
    # All of them are held at once: letting go of one must not have the garbage collector take the next.
    _renew([thing for _, thing in sorted(_renewables.items(), reverse=True)])


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
