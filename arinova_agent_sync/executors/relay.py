"""What workers tell, applied to the tasks of one agent: once, in order, on a thread of its own.

The thread that hears the workers must not do it: a choked connection holds up who writes to it for as long as
``send_timeout``, and cancels, deaths and other agents' answers must not wait for that.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial

from ..errors import RemoteHandlerError, TaskCancelled, WorkerLost
from ..log import logger
from .event_order import Order, merged
from .protocol import (
    Job,
    JobAsked,
    JobCompleted,
    JobEnded,
    JobEvent,
    JobFailed,
    JobRaised,
    JobReport,
    JobReported,
    JobStarted,
    JobText,
    SettleCall,
    packed,
)

_GIVEN_UP = "The worker that was answering gave up, since it could not reach the agent for a while."
_MOST = 1 << 20  # characters that wait; then the workers wait, too


class RelayedJob:
    """A job in the gateway's hands.

    Args:
        job_id: the executor's name of it.
        job: the task.
        report: what is to be told.
        settle: sends a worker what came of an action.
        agent: the number of the agent that it belongs to.

    Attributes:
        said: whether something has come that cannot be taken back, so that nobody may run it again.
    """

    def __init__(
        self,
        job_id: str,
        job: Job,
        report: JobReport,
        *,
        settle: Callable[[SettleCall], None],
        agent: int = 0,
    ) -> None:
        self.job_id = job_id
        self.job = job
        self.report = report
        self.settle = settle
        self.agent = agent
        self.payload = packed(job.payload)
        self.order = Order(1)
        self.said = False


class Relay:
    """Tell an agent's tasks what becomes of them.

    Args:
        in_background: does something that may block on another thread.
        resume: called when there is room again after ``is_full``.
    """

    def __init__(
        self, in_background: Callable[[Callable[[], None]], None], resume: Callable[[], None]
    ) -> None:
        self._in_background = in_background
        self._resume = resume
        self._changed = threading.Condition(threading.Lock())
        self._waiting: deque[tuple[RelayedJob, JobEvent | BaseException | None]] = deque()
        self._size = 0
        self._was_full = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="arinova-relay", daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Whether so much waits that no more should be read from who works for this agent."""
        with self._changed:
            self._was_full = self._was_full or self._size > _MOST
            return self._size > _MOST

    def take(self, job: RelayedJob, event: JobEvent) -> None:
        """Take an event of a job; what does not come in order is dropped, or ends the job."""
        try:
            if not job.order.accepts(event):
                return
        except WorkerLost as error:
            self.end(job, error)
            return
        job.said = job.said or not isinstance(event, (JobStarted, JobEnded))
        if not job.report.is_open:
            if isinstance(event, JobText):
                return
            if isinstance(event, JobEnded):  # need not wait for other tasks' texts
                job.report.ended()
                return
        self._put(job, event)

    def end(self, job: RelayedJob, error: BaseException | None) -> None:
        """Take note that a job's handler is over without a word, and why."""
        if job.report.is_open:
            self._put(job, error)
        else:
            job.report.ended()

    def close(self, timeout: float) -> None:
        """End the thread once everything that waits was told."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def _put(self, job: RelayedJob, what: JobEvent | BaseException | None) -> None:
        with self._changed:
            self._waiting.append((job, what))
            if isinstance(what, JobText):
                self._size += len(what.text)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closed:
                        return
                    self._changed.wait()
                job, what = self._waiting.popleft()
                texts = [what] if isinstance(what, JobText) else []
                while texts and self._waiting and self._waiting[0][0] is job:
                    following = self._waiting[0][1]
                    if not isinstance(following, JobText):
                        break
                    texts.append(following)
                    self._waiting.popleft()
                self._size -= sum(len(text.text) for text in texts)
                resume = self._was_full and self._size < _MOST // 2
                self._was_full = self._was_full and not resume
            if resume:
                self._resume()
            try:
                self._tell(job, merged(texts)[0] if texts else what)
            except BaseException as error:
                logger.critical("what a worker told could not be passed on", exc_info=error)
            del job, what, texts  # or the task would live until the next event

    def _tell(self, job: RelayedJob, what: JobEvent | BaseException | None) -> None:
        report = job.report
        if isinstance(what, JobText):
            report.chunk(what.text)
        elif isinstance(what, JobCompleted):
            report.complete(what.content, what.mentions)
        elif isinstance(what, JobFailed):
            report.error(what.message, what.keep_partial)
        elif isinstance(what, JobRaised):
            error = RemoteHandlerError(what.text or what.kind, kind=what.kind, traceback=what.traceback)
            report.raised(what.shown, error)
        elif isinstance(what, JobAsked):
            self._in_background(partial(_run_action, job, what))
        elif isinstance(what, JobReported):
            report.report(what.frame, what.older)
        elif isinstance(what, JobEnded):
            # A task that was cancelled here is not open, and needs no reason.
            report.ended(WorkerLost(_GIVEN_UP) if what.cancelled else None)
        elif not isinstance(what, JobStarted):
            report.ended(what)


def _run_action(job: RelayedJob, asked: JobAsked) -> None:
    """Run an action for a handler, and send it what came of it."""
    result: bytes | None = None
    kind = text = ""
    try:
        result = packed(job.report.call_action(asked.action, asked.arguments, asked.options))
    except TaskCancelled:
        return  # the worker is told of the cancel
    except Exception as error:  # noqa: BLE001 - the handler gets it
        kind, text = type(error).__name__, str(error)
    job.settle(SettleCall(asked.job, asked.call, result, kind, text))
