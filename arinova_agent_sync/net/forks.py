"""What a child process must do anew: another thread may have held a lock when the process was copied."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Renewable(Protocol):
    """Something with a lock or a socket that a child process must not share with its parent."""

    def after_fork(self) -> None:
        """Become as new, in the child."""


_renewables: WeakSet[Renewable] = WeakSet()


def renew_after_fork(thing: Renewable) -> None:
    """Call ``thing.after_fork()`` in every child process for as long as the thing lives."""
    _renewables.add(thing)


def _renew() -> None:
    for thing in list(_renewables):
        thing.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
