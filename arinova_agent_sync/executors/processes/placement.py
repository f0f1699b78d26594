"""Which job runs in which process, and which waits. Not thread-safe: used under the pool's lock."""

from __future__ import annotations

from collections import deque

from ..event_order import Order
from ..protocol import ExecutorStats, RemoteAgent, StartJob
from ..relay import Relay, RelayedJob
from .process_messages import LoadAgent, StopWorker
from .worker_process import WorkerProcess

_MOST_DEATHS = 3  # in a row, of processes that load an agent


class ServedAgent:
    """An agent whose handlers the processes run.

    Args:
        agent: the agent.
        load: what each process must load for it.
        relay: tells its tasks what becomes of them.
    """

    def __init__(self, agent: RemoteAgent, load: LoadAgent, relay: Relay) -> None:
        self.agent = agent
        self.load = load
        self.relay = relay
        self.is_ready = False  # or refused: it was told
        self.refusal: str | None = None  # the latest, since it was loaded last
        self.deaths = 0  # of processes that were loading it, since it was loaded last


class Placement:
    """Processes, the agents whose handlers they load, and jobs.

    Args:
        retries: how often a job is run again whose process died before anything was said.
        max_tasks: jobs after which a process is replaced; None for no limit.
    """

    def __init__(self, *, retries: int, max_tasks: int | None) -> None:
        self._retries = retries
        self._max_tasks = max_tasks
        self.workers: list[WorkerProcess] = []
        self.agents: dict[int, ServedAgent] = {}
        self.waiting: deque[RelayedJob] = deque()
        self.running: dict[str, RelayedJob] = {}
        self.restarted = self.killed = self.lost = 0

    def add(self, worker: WorkerProcess) -> None:
        """Have a new process load every agent."""
        self.workers.append(worker)
        for served in self.agents.values():
            worker.load(served.load)

    def serve(self, served: ServedAgent) -> None:
        """Have every process load a new agent."""
        self.agents[served.load.agent] = served
        for worker in self.workers:
            worker.load(served.load)

    def assign(self) -> None:
        """Give jobs that wait to processes that are free."""
        for worker in self.workers if self.waiting else ():
            if worker.job is not None or worker.doomed:
                continue
            job = next((job for job in self.waiting if job.agent in worker.loaded), None)
            if job is not None:
                self.waiting.remove(job)
                self._start(worker, job)

    def _start(self, worker: WorkerProcess, job: RelayedJob) -> None:
        self.running[job.job_id] = job
        worker.job = job.job_id
        token = self.agents[job.agent].agent.token
        asked = job.job
        known = asked.agent_name, asked.asked_before
        attempt = job.order.attempt
        worker.send(StartJob(job.job_id, attempt, job.agent, asked.command, job.payload, *known, token))

    def job_of(self, worker: WorkerProcess) -> RelayedJob | None:
        """Return the job that a process runs."""
        return None if worker.job is None else self.running[worker.job]

    def release(self, worker: WorkerProcess) -> None:
        """Note that a process is free, and let it go on with the next job."""
        if worker.job is not None:
            del self.running[worker.job]
        worker.job = worker.kill_at = None
        worker.jobs_done += 1
        if self._max_tasks is not None and worker.jobs_done >= self._max_tasks and not worker.doomed:
            worker.doomed = True
            worker.send(StopWorker())
        self.assign()

    def remove(self, worker: WorkerProcess, how: str) -> tuple[RelayedJob | None, list[ServedAgent]]:
        """Take a process out that has ended.

        Returns the job that ends with it, if there is one, and the agents that it was loading.
        """
        self.workers.remove(worker)
        job = self.job_of(worker)
        if job is not None:
            del self.running[job.job_id]
        if worker.was_killed:
            self.killed += 1
        elif job is not None:
            self.lost += 1
        if job is not None and self._may_run_again(job):
            job.order = Order(job.order.attempt + 1)
            self.waiting.appendleft(job)
            job = None
        loading = [self.agents[number] for number in worker.loading if number in self.agents]
        for served in loading:
            served.deaths += 1
            # Of an agent that could be loaded before, one death may be anything's fault; so may one by a signal,
            # such as the kernel's where memory ran out.
            if served.deaths >= _MOST_DEATHS or not (served.is_ready or how.startswith("signal")):
                served.refusal = f"a process that was to run handlers ended while it loaded them ({how})"
        self.assign()
        return job, [served for served in loading if served.refusal is not None]

    def take_waiting(self, number: int) -> list[RelayedJob]:
        """Take the jobs of an agent out that wait."""
        taken = [job for job in self.waiting if job.agent == number]
        self.waiting = deque(job for job in self.waiting if job.agent != number)
        return taken

    def refusal(self, number: int) -> str | None:
        """Return why no process can run an agent's jobs, None if one can or may be able to soon."""
        refusal = self.agents[number].refusal
        if any(number in worker.loaded or number in worker.loading for worker in self.workers):
            return None
        return refusal

    def runs_for(self, number: int) -> list[WorkerProcess]:
        """Return the processes that run a job of an agent."""
        return [worker for worker in self.workers if (job := self.job_of(worker)) and job.agent == number]

    def stats(self, name: str) -> ExecutorStats:
        """Return the numbers."""
        return ExecutorStats(
            name,
            running=len(self.running),
            waiting=len(self.waiting),
            restarted=self.restarted,
            killed=self.killed,
            lost=self.lost,
        )

    def _may_run_again(self, job: RelayedJob) -> bool:
        return job.report.is_open and not job.said and job.order.attempt <= self._retries
