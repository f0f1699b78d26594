"""Where this package's own tools take part in what agents do, by way of _internals, which has the types.

Lists need no lock, since what changes them is atomic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

# Called with each agent that was made.
when_made: list[Callable[..., None]] = []
# Called with each agent that is about to start.
before_start: list[Callable[..., None]] = []
# Offered the agents of each run(), the latest first; they return whether they ran them.
instead_of_run: list[Callable[..., bool]] = []


def tell(functions: Iterable[Callable[..., None]], agent: object) -> None:
    """Call functions with an agent."""
    for function in tuple(functions):
        function(agent)
