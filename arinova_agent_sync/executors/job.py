"""One job in a worker: the handler called, and what comes of it told."""

from __future__ import annotations

import contextvars
import traceback
from collections.abc import Callable, Sequence

from ..errors import TaskCancelled
from ..handlers import TaskHandler, answer_within
from ..settings import ErrorText
from ..shown_errors import shown_error
from ..surroundings import Surrounding
from ..task import Task
from .interruption import Interruption
from .remote import RemoteTaskContext


def run_job(
    context: RemoteTaskContext,
    *,
    handler: TaskHandler,
    surroundings: Sequence[Surrounding],
    error_text: ErrorText,
    interruption: Interruption | None,
    flush: Callable[[], None],
) -> None:
    """Run a handler to its end, and tell it.

    Args:
        context: the task's.
        handler: the user's.
        surroundings: what runs around it.
        error_text: what the user is shown when it raises.
        interruption: interrupts it at a cancel; None where no signal can: elsewhere than on the main thread.
        flush: sends what the handler has printed.
    """
    context.begin()
    failure: BaseException | None = None
    try:
        contextvars.copy_context().run(_call, context, handler, surroundings, interruption)
    except TaskCancelled as error:
        failure = None if context.is_cancelled else error
    except BaseException as error:  # noqa: BLE001 - a worker outlives whatever a handler raises
        failure = error
    if failure is not None:
        lines = traceback.format_exception(failure)
        context.raised(shown_error(failure, error_text), failure, "".join(lines))
    flush()
    del failure  # or its frames would live until the next job
    context.ended()


def _call(
    context: RemoteTaskContext,
    handler: TaskHandler,
    surroundings: Sequence[Surrounding],
    interruption: Interruption | None,
) -> None:
    context.scope.enter()
    task = Task(context.payload, context)
    if interruption is None:
        answer_within(surroundings, handler, task)
        return
    interruption.begin(context)
    try:
        if not context.is_cancelled:
            answer_within(surroundings, handler, task)
    finally:
        interruption.end()
