"""ProcessExecutor: handlers in processes of this machine."""

from __future__ import annotations

import itertools
import os
import threading

from ...argument_checks import count, seconds
from ...errors import ExecutorError
from ...net.deadline import Deadline
from ...net.forks import renew_after_fork
from ..protocol import ExecutorStats, Job, JobReport, RemoteAgent
from .naming import describe
from .process_pool import ProcessPool

_MOST_PROCESSES = 1_000
_LONGEST_KILL = 3_600.0  # seconds


class ProcessExecutor:
    """Run handlers in processes of this machine, one task a process at a time.

        agent = ArinovaAgent(executor=ProcessExecutor(4))

    For handlers that compute, or that have to be stopped whatever they do: when the user stops a task,
    TaskCancelled is raised in its handler, in ``time.sleep``, in a socket's ``recv`` or in a loop of its own.
    Handlers that wait for a model are better off on threads. One executor may serve several agents.

    Args:
        processes: how many; by default one for each processor.
        kill_after: seconds that a handler may go on after its task was cancelled; then its process is killed.
        retries: how often a task is run again whose process died before the handler had said or asked anything.
        max_tasks_per_process: tasks after which a process is replaced by a new one; None for no limit.

    The processes load the file of the handlers, up to where it would start an agent: an agent's handlers must stand
    at the top level of a module. What cannot be loaded is an ExecutorError of ``connect()``.

    Raises TypeError or ValueError for wrong arguments, ExecutorError on a system without POSIX signals.
    """

    def __init__(
        self,
        processes: int | None = None,
        *,
        kill_after: float = 5.0,
        retries: int = 0,
        max_tasks_per_process: int | None = None,
    ) -> None:
        if not hasattr(os, "register_at_fork"):
            raise ExecutorError("ProcessExecutor needs a POSIX system; on Windows handlers run on threads")
        self._size = count(
            "processes", (os.cpu_count() or 1) if processes is None else processes, 1, _MOST_PROCESSES
        )
        self._kill_after = seconds("kill_after", kill_after, high=_LONGEST_KILL, least=True)
        self._retries = count("retries", retries, 0, 1_000)
        if max_tasks_per_process is not None:
            count("max_tasks_per_process", max_tasks_per_process, 1, 1 << 31)
        self._max_tasks = max_tasks_per_process
        self._pool: ProcessPool | None = None
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()  # guards the pool: made with the first agent, closed with the last
        renew_after_fork(self.after_fork)

    def __repr__(self) -> str:
        return f"ProcessExecutor({self._size})"

    @property
    def capacity(self) -> int:
        """How many handlers can run at a time."""
        return self._size

    def open(self, agent: RemoteAgent) -> ProcessSession:
        """Begin to serve an agent; raise ExecutorError if a process cannot find its handlers."""
        with self._lock:
            number = next(self._numbers)
            load = describe(agent, number)
            if self._pool is None:
                self._pool = ProcessPool(
                    self._size,
                    kill_after=self._kill_after,
                    retries=self._retries,
                    max_tasks=self._max_tasks,
                )
            self._pool.add(agent, load)
            return ProcessSession(self, self._pool, number)

    def stats(self) -> ExecutorStats:
        """Return what it has done and does."""
        pool, name = self._pool, repr(self)
        return ExecutorStats(name) if pool is None else pool.stats(name)

    def end(self, pool: ProcessPool, deadline: Deadline, grace: float) -> None:
        """Close a pool that serves nobody any more."""
        with self._lock:
            if pool.serves_any or self._pool is not pool:
                return
            self._pool = None
        pool.close(deadline, grace)

    def after_fork(self) -> None:
        """Be as new in a forked child: the processes are the parent's."""
        self._lock = threading.Lock()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.abandon()


class ProcessSession:
    """A ProcessExecutor at the service of one agent."""

    def __init__(self, executor: ProcessExecutor, pool: ProcessPool, number: int) -> None:
        self._executor = executor
        self._pool = pool
        self._number = number

    def submit(self, job: Job, report: JobReport) -> str:
        """Run a job as soon as a process is free; return its id."""
        return self._pool.submit(self._number, job, report)

    def cancel(self, job_id: str) -> None:
        """Interrupt the handler, and kill its process if it does not end in time."""
        self._pool.cancel(job_id)

    def close(self, deadline: Deadline, grace: float) -> None:
        """End what still runs, and the processes if they serve no other agent."""
        self._pool.remove(self._number, deadline, grace)
        self._executor.end(self._pool, deadline, grace)
