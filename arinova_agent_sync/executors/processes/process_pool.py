"""The processes that run handlers, and the jobs that they run: started, watched, killed, replaced.

One thread, ``arinova-processes``, hears all of them. It runs nothing of the user's and never waits for anybody.
"""

from __future__ import annotations

import itertools
import selectors
import socket
import threading
import time

from ...errors import ExecutorError, WorkerLost
from ...log import logger
from ...net.deadline import Deadline
from ..protocol import (
    CancelJob,
    ExecutorStats,
    Job,
    JobEnded,
    JobEvent,
    JobReport,
    RemoteAgent,
    SettleCall,
)
from ..relay import Relay, RelayedJob
from .output import Output
from .placement import Placement, ServedAgent
from .process_messages import AgentLoaded, LoadAgent, Logged, Printed, StopWorker, decode_from_worker
from .worker_process import WorkerProcess

_ENDS_WITHIN = 0.5  # seconds, for a process whose socket is closed
_FIRST_RESTART, _LONGEST_RESTART = (
    0.1,
    5.0,
)  # seconds until a process that died before it could work is replaced
_LAST_JOIN = 1.0  # seconds for the thread, once every process is killed
_OVER = "the executor does not serve this agent any more"


class ProcessPool:
    """Run jobs in processes. Thread-safe; ends with ``close``.

    Args:
        size: how many processes.
        kill_after: seconds that a handler may go on after its task was cancelled.
        retries: how often a job is run again whose process died before anything was said.
        max_tasks: tasks after which a process is replaced; None for no limit.
    """

    def __init__(self, size: int, *, kill_after: float, retries: int, max_tasks: int | None) -> None:
        self._size = size
        self._kill_after = kill_after
        self._names = itertools.count(1)
        self._output = Output()
        self._selector = selectors.DefaultSelector()
        self._ear, self._bell = socket.socketpair()
        self._ear.setblocking(False)
        self._bell.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        # Guards the rest. What is sent under it is sent without waiting; nothing of the user's is called.
        self._changed = threading.Condition(threading.Lock())
        self._placed = Placement(retries=retries, max_tasks=max_tasks)
        self._failed_starts = 0
        self._start_at = float("-inf")  # when the next process may be started
        self._close_by: float | None = None  # when those that have not ended are killed
        self._thread = threading.Thread(target=self._run, name="arinova-processes", daemon=True)
        self._thread.start()

    # From sessions

    def add(self, agent: RemoteAgent, load: LoadAgent) -> None:
        """Have every process load an agent."""
        served = ServedAgent(agent, load, Relay(agent.in_background, self._wake))
        with self._changed:
            self._placed.serve(served)
        self._wake()

    @property
    def serves_any(self) -> bool:
        """Whether there is an agent whose jobs it runs."""
        with self._changed:
            return bool(self._placed.agents)

    def submit(self, number: int, job: Job, report: JobReport) -> str:
        """Run a job as soon as a process is free; return its id."""
        name = f"{job.task_id}/{next(self._names)}"
        relayed = RelayedJob(name, job, report, settle=self._settle, agent=number)
        with self._changed:
            served = self._placed.agents.get(number)
            refusal = _OVER if served is None else self._placed.refusal(number)
            if refusal is None:
                self._placed.waiting.append(relayed)
                self._placed.assign()
        if refusal is None:
            self._wake()
        elif served is None:
            report.ended(ExecutorError(refusal))
        else:
            served.relay.end(relayed, ExecutorError(refusal))
        return name

    def cancel(self, name: str) -> None:
        """Interrupt a job's handler, and kill its process if that does not help in time."""
        with self._changed:
            waits = next((job for job in self._placed.waiting if job.job_id == name), None)
            if waits is not None:
                self._placed.waiting.remove(waits)
            for worker in self._placed.workers:
                if worker.job == name:
                    worker.send(CancelJob(name))
                    worker.kill_at = time.monotonic() + self._kill_after
        if waits is not None:
            waits.report.ended()
        self._wake()

    def remove(self, number: int, deadline: Deadline, grace: float) -> None:
        """Serve an agent no more, and kill what still runs for it after a while."""
        with self._changed:
            waiting = self._placed.take_waiting(number)
        for job in waiting:
            job.report.ended()
        with self._changed:
            self._changed.wait_for(lambda: not self._placed.runs_for(number), deadline.left(grace))
            for worker in self._placed.runs_for(number):
                worker.kill_at = float("-inf")
        self._wake()
        with self._changed:
            self._changed.wait_for(lambda: not self._placed.runs_for(number), _LAST_JOIN)
            served = self._placed.agents.pop(number)
        served.relay.close(_LAST_JOIN)

    def close(self, deadline: Deadline, grace: float) -> None:
        """End every process, and the thread."""
        with self._changed:
            self._close_by = time.monotonic() + (deadline.left(grace) or 0.0)
            for worker in self._placed.workers:
                worker.doomed = True
                worker.send(StopWorker())
        self._wake()
        self._thread.join((deadline.left(grace) or 0.0) + _LAST_JOIN)
        self._output.close()

    def abandon(self) -> None:
        """Let go of everything in a forked child: it is the parent's."""
        for worker in self._placed.workers:
            worker.abandon()
        for end in (self._ear, self._bell):
            end.close()
        self._selector.close()

    def stats(self, name: str) -> ExecutorStats:
        """Return the numbers."""
        with self._changed:
            return self._placed.stats(name)

    # On the thread

    def _run(self) -> None:
        while self._start_missing():
            self._write_and_kill()
            for key, events in self._selector.select(self._time_left()):
                if key.data is None:
                    self._hear_bell()
                elif events & selectors.EVENT_READ:
                    self._hear(key.data)
        self._selector.close()
        self._ear.close()
        self._bell.close()

    def _start_missing(self) -> bool:
        """Start the processes that are missing; return False once all have ended and none is wanted."""
        with self._changed:
            missing = self._size - len(self._placed.workers)
            if self._close_by is not None:
                return bool(self._placed.workers)
            if time.monotonic() < self._start_at:
                missing = 0
        for _ in range(missing):
            self._start_one()
        return True

    def _start_one(self) -> None:
        try:
            worker = WorkerProcess()
        except OSError as error:
            logger.error("no process could be started for handlers", exc_info=error)
            with self._changed:
                self._start_later()
            return
        with self._changed:
            self._placed.add(worker)
            if self._close_by is not None:
                worker.doomed = True
                worker.send(StopWorker())

    def _hear_bell(self) -> None:
        try:
            self._ear.recv(4096)
        except BlockingIOError:
            pass

    def _hear(self, worker: WorkerProcess) -> None:
        try:
            data = worker.socket.recv(1 << 18)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._ended(worker)
            return
        try:
            for frame in worker.frames.feed(data):
                self._told(worker, decode_from_worker(frame))
        except ValueError as error:  # msgspec's errors are some
            logger.error("a process of handlers wrote what is no message: it is replaced", exc_info=error)
            worker.kill()

    def _told(self, worker: WorkerProcess, message: AgentLoaded | Printed | Logged | JobEvent) -> None:
        if isinstance(message, (Printed, Logged)):
            self._output.put(message)
        elif isinstance(message, AgentLoaded):
            self._loaded(worker, message)
        else:
            with self._changed:
                job = self._placed.job_of(worker)
                if job is None or job.job_id != message.job:
                    return
                if isinstance(message, JobEnded):
                    self._placed.release(worker)
                    self._changed.notify_all()
                served = self._placed.agents.get(job.agent)
            if served is not None:
                served.relay.take(job, message)

    def _loaded(self, worker: WorkerProcess, message: AgentLoaded) -> None:
        worker.loading.discard(message.agent)
        with self._changed:
            served = self._placed.agents.get(message.agent)
            if served is None:
                return
            if message.failure is None:
                self._failed_starts = 0
                worker.loaded.add(message.agent)
                served.refusal, served.deaths = None, 0
            else:
                served.refusal = f"a process that runs handlers could not load them: {message.failure}"
            self._placed.assign()
        self._settle_readiness(served)

    def _settle_readiness(self, served: ServedAgent) -> None:
        """Tell an agent that its handlers are there, or are not, the first time that it is known."""
        with self._changed:
            refusal = self._placed.refusal(served.load.agent)
            refused = [] if refusal is None else self._placed.take_waiting(served.load.agent)
            failure = None if served.refusal is None else ExecutorError(served.refusal)
            tell, served.is_ready = not served.is_ready, True
        for job in refused:
            served.relay.end(job, ExecutorError(refusal))
        if tell:
            served.agent.ready(failure)
        elif failure is not None:
            logger.error("%s", failure)

    def _ended(self, worker: WorkerProcess) -> None:
        """Account for a process that is gone."""
        if worker.watched:
            self._selector.unregister(worker.socket)
        how = worker.how_it_ended(_ENDS_WITHIN)
        with self._changed:
            job, refused = self._placed.remove(worker, how)
            if self._close_by is None:
                self._placed.restarted += 1
                if not worker.loaded:
                    self._start_later()
            relay = None if job is None else self._placed.agents[job.agent].relay
            self._changed.notify_all()
        if job is not None and relay is not None:
            relay.end(job, WorkerLost(f"The process that was answering ended unexpectedly ({how})."))
        for served in refused:
            self._settle_readiness(served)

    def _write_and_kill(self) -> None:
        """Send what sockets take now, say which sockets are to be watched, and kill what is overdue."""
        now = time.monotonic()
        with self._changed:
            for worker in self._placed.workers:
                worker.flush()
                job = self._placed.job_of(worker)
                worker.paused = (
                    job is not None
                    and job.report.is_open
                    and job.agent in self._placed.agents
                    and self._placed.agents[job.agent].relay.is_full
                )
                self._watch(worker)
                overdue = worker.kill_at is not None and worker.kill_at <= now
                if overdue or (self._close_by is not None and self._close_by <= now):
                    worker.kill_at = None
                    worker.was_killed = worker.was_killed or overdue
                    worker.kill()

    def _watch(self, worker: WorkerProcess) -> None:
        wanted = 0 if worker.paused else selectors.EVENT_READ
        if worker.wants_to_write:
            wanted |= selectors.EVENT_WRITE
        if wanted == worker.watched:
            return
        if worker.watched:
            self._selector.unregister(worker.socket)
        if wanted:
            self._selector.register(worker.socket, wanted, worker)
        worker.watched = wanted

    def _start_later(self) -> None:
        delay = min(_LONGEST_RESTART, _FIRST_RESTART * 2**self._failed_starts)
        self._failed_starts += 1
        self._start_at = time.monotonic() + delay

    def _time_left(self) -> float | None:
        with self._changed:
            moments = [worker.kill_at for worker in self._placed.workers if worker.kill_at is not None]
            if self._close_by is not None:
                moments.append(self._close_by)
            elif len(self._placed.workers) < self._size:
                moments.append(self._start_at)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    # From any thread

    def _settle(self, message: SettleCall) -> None:
        with self._changed:
            for worker in self._placed.workers:
                if worker.job == message.job:
                    worker.send(message)
        self._wake()

    def _wake(self) -> None:
        try:
            self._bell.send(b"!")
        except OSError:
            pass  # it rings already, or the thread has ended
