"""The record of one task in the agent's hands, from its start to the end of its handler: fields, no behaviour."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Literal, Protocol

from ..protocol.answer import Answer
from ..protocol.session import TaskArrived

if TYPE_CHECKING:
    from ..interrupts.scope import Scope
    from .connection import PendingCall

Outcome = Literal["completed", "failed", "cancelled", "refused"]


class Elsewhere(Protocol):
    """A handler that runs elsewhere than on a thread of this process."""

    def start(self) -> None:
        """Hand the task over."""
        ...

    def cancel(self) -> None:
        """Interrupt the handler."""
        ...


class RunningTask:
    """What is known of one task. What stands below ``ended`` is changed under the state lock.

    Args:
        arrived: the task as it came.
    """

    __slots__ = (
        "__weakref__",
        "answer",
        "arrived",
        "calls",
        "cancelled",
        "detached",
        "ended",
        "functions",
        "handed_over",
        "handling",
        "last_chunk",
        "remote",
        "scope",
        "slow_write",
        "task_id",
        "thread",
    )

    def __init__(self, arrived: TaskArrived) -> None:
        self.arrived = arrived
        self.task_id = arrived.task_id
        self.answer = Answer(arrived.task_id, arrived.conversation_id, arrived.connection)
        self.ended: Outcome | None = None
        # No handler and no Task: they refer to this record, and a ring would be left to the garbage collector, with
        # every task's texts in it.
        self.remote: Elsewhere | None = None  # its handler, if that runs elsewhere than on a thread
        self.handling = True  # its handler holds a slot
        self.detached = False
        self.scope: Scope | None = None  # what a cancel ends; made when the handler starts
        self.thread: int | None = None  # the worker's, while its handler is on it
        self.last_chunk = float("-inf")
        self.slow_write = False  # the last write took long
        self.handed_over = float("-inf")  # until when the pinger writes
        self.functions: Sequence[Callable[[], object]] = ()  # to be called when the user stops the task
        self.calls: AbstractSet[PendingCall] = frozenset()
        self.cancelled: threading.Event | None = None  # made when it is asked for: few handlers ask

    @property
    def is_cancelled(self) -> bool:
        """Whether the user stopped the task, or the agent's end did."""
        return self.ended == "cancelled"
