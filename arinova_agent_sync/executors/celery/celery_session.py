"""A CeleryExecutor at the service of one agent: jobs out, events back, and who does not answer any more.

Threads: ``arinova-celery`` sends jobs and cancels, tells that this gateway is alive, and looks after leases;
``arinova-redis`` reads events. Calls of others only leave notes for them.
"""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import redis

from ...errors import ExecutorError, WorkerLost
from ...log import logger
from ...net.deadline import Deadline
from ..event_order import Order
from ..protocol import (
    VERSION,
    CancelJob,
    ExecutorStats,
    Job,
    JobEnded,
    JobLost,
    JobReport,
    JobsBeat,
    RemoteAgent,
    SettleCall,
    encode,
)
from ..relay import Relay, RelayedJob
from .left_answers import LeftAnswers
from .redis_keys import (
    ALIVE,
    CANCELLED,
    FIELD,
    STREAM,
    RedisKeys,
    Told,
    append,
    connected,
    decode_told,
    shown,
)
from .sent_job import SentJob

_SIGN = ALIVE / 3  # seconds between signs of life
_BLOCK = 2_000  # milliseconds that one read waits
_BATCH = 500  # entries of one read
_AGAIN = 0.2  # seconds after a failed read
_LAST_JOIN = 1.0  # seconds for threads at the end
_LOST = "The worker that was answering ended unexpectedly ({how})."
_SILENT = "The worker that was answering cannot be reached any more."


class CelerySession:
    """Run jobs in Celery's workers. Thread-safe; no call but ``close`` waits for Redis or the broker.

    Args:
        signature: the task that workers run.
        url: Redis's.
        keys: the executor's.
        agent: whose handlers are run.
        capacity: jobs at a time.
        lease: seconds without a sign of life after which a worker counts as lost.
        start_timeout: seconds within which a worker must have taken a job.
        kill_after: seconds that a handler may go on after its task was cancelled.
        retries: how often a job is run again whose worker died before anything was said.
        finish: whether handlers go on when their gateway is gone.
    """

    def __init__(
        self,
        signature: Any,
        url: str,
        keys: RedisKeys,
        agent: RemoteAgent,
        *,
        capacity: int,
        lease: float,
        start_timeout: float,
        kill_after: float,
        retries: int,
        finish: bool,
    ) -> None:
        self._signature = signature
        self._url = url
        self._keys = keys
        self._agent = agent
        self._capacity = capacity
        self._lease = lease
        self._start_timeout = start_timeout
        self._kill_after = kill_after
        self._retries = retries
        self._gateway = uuid.uuid4().hex[:12]
        self._names = itertools.count(1)
        self._relay = Relay(agent.in_background, self._wake)
        self._redis = connected(url)
        self._left: LeftAnswers | None = None
        if finish:
            self._left = LeftAnswers(self._redis, keys, self._gateway, agent.deliver)
        self._changed = threading.Condition(threading.Lock())  # guards the rest
        self._waiting: deque[RelayedJob] = deque()
        self._sent: dict[str, SentJob] = {}
        self._todo: deque[Callable[[], None]] = deque()  # for the thread that may wait
        self._sign_at = float("-inf")
        self._closed = False
        self._killed = self._lost = 0
        self._threads = [
            threading.Thread(target=self._send, name="arinova-celery", daemon=True),
            threading.Thread(target=self._read, name="arinova-redis", daemon=True),
        ]
        self._threads[0].start()  # the other one once Redis has answered

    @property
    def is_open(self) -> bool:
        """Whether it has not been closed."""
        return not self._closed

    def submit(self, job: Job, report: JobReport) -> str:
        """Run a job as soon as there is room; return its id."""
        name = f"{self._gateway}-{next(self._names)}"
        relayed = RelayedJob(name, job, report, settle=self._settle)
        with self._changed:
            self._waiting.append(relayed)
            self._assign()
        return name

    def cancel(self, job_id: str) -> None:
        """Interrupt the handler, and kill its process if it does not end in time."""
        with self._changed:
            waits = next((job for job in self._waiting if job.job_id == job_id), None)
            if waits is not None:
                self._waiting.remove(waits)
            sent = self._sent.get(job_id)
            if sent is not None:
                sent.kill_at = time.monotonic() + self._kill_after
                self._do(partial(self._tell_cancel, job_id, sent.job.order.attempt))
        if waits is not None:
            waits.report.ended()

    def close(self, deadline: Deadline, grace: float) -> None:
        """End what still runs; what does not end within the grace is killed."""
        with self._changed:
            waiting, self._waiting = list(self._waiting), deque()
        for job in waiting:
            job.report.ended()
        with self._changed:
            self._changed.wait_for(lambda: not self._sent, deadline.left(grace))
            left, self._sent = list(self._sent.values()), {}
            for sent in left:
                self._do(partial(self._kill, sent))
            self._closed = True
            self._changed.notify_all()
        for sent in left:
            self._relay.end(sent.job, None)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_LAST_JOIN)
        self._relay.close(_LAST_JOIN)

    def stats(self, name: str) -> ExecutorStats:
        """Return the numbers."""
        with self._changed:
            return ExecutorStats(
                name,
                running=len(self._sent),
                waiting=len(self._waiting),
                killed=self._killed,
                lost=self._lost,
            )

    # Under the lock

    def _assign(self) -> None:
        while self._waiting and len(self._sent) < self._capacity and not self._closed:
            job = self._waiting.popleft()
            self._sent[job.job_id] = sent = SentJob(job, time.monotonic())
            self._do(partial(self._send_job, sent))

    def _do(self, work: Callable[[], None]) -> None:
        self._todo.append(work)
        self._changed.notify_all()

    # On the thread that sends

    def _send(self) -> None:
        try:
            self._redis.ping()
            self._give_sign()
        except redis.RedisError as error:
            self._agent.ready(ExecutorError(f"Redis at {shown(self._url)} cannot be reached: {error}"))
        else:
            self._threads[1].start()
            self._agent.ready(None)
        while (work := self._next_work()) is not None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - Redis and the broker raise many; the rest must go on
                logger.warning("Redis at %s did not take something: %s", shown(self._url), error)
        try:
            if self._threads[1].ident is not None:
                append(self._redis, self._keys.stream(self._gateway), [])  # ends the read that waits
                self._threads[1].join(_LAST_JOIN)
            self._redis.delete(self._keys.alive(self._gateway), self._keys.stream(self._gateway))
        except redis.RedisError:
            pass  # they end by themselves
        self._redis.close()

    def _next_work(self) -> Callable[[], None] | None:
        with self._changed:
            while True:
                if self._todo:
                    return self._todo.popleft()
                if self._closed:
                    return None
                now = time.monotonic()
                if now >= self._sign_at:
                    self._sign_at = now + _SIGN
                    return self._give_sign
                overdue = self._overdue(now)
                if overdue is not None:
                    return overdue
                moments = [self._sign_at, *map(self._next_moment, self._sent.values())]
                self._changed.wait(max(0.0, min(moments) - now))

    def _next_moment(self, sent: SentJob) -> float:
        silent_at = sent.sent_at + self._start_timeout if sent.seen_at is None else sent.seen_at + self._lease
        return silent_at if sent.kill_at is None else min(silent_at, sent.kill_at)

    def _overdue(self, now: float) -> Callable[[], None] | None:
        for sent in self._sent.values():
            if sent.kill_at is not None and sent.kill_at <= now:
                sent.kill_at = None
                self._killed += 1
                return partial(self._kill, sent)
            if self._next_moment(sent) <= now:
                del self._sent[sent.job.job_id]
                self._lost += 1
                self._assign()
                return partial(self._give_up, sent)
        return None

    def _give_sign(self) -> None:
        line = self._redis.pipeline(transaction=False)
        line.set(self._keys.alive(self._gateway), 1, ex=ALIVE)
        line.expire(self._keys.stream(self._gateway), STREAM)
        line.execute()
        if self._left is not None and self._agent.is_connected:
            self._left.deliver_found(self._is_sent)

    def _forget_left(self, job: str) -> None:
        if self._left is not None:
            self._left.forget(job)

    def _is_sent(self, job: str) -> bool:
        with self._changed:
            return job in self._sent

    def _send_job(self, sent: SentJob) -> None:
        job = sent.job
        arguments = (
            *(VERSION, self._gateway, job.job_id, job.order.attempt),
            *(job.job.command, job.payload.decode(), job.job.agent_name, job.job.asked_before),
        )
        try:
            self._signature.apply_async(arguments, task_id=sent.task_id, expires=self._start_timeout)
        except Exception as error:  # noqa: BLE001 - each broker's client has its own
            with self._changed:
                self._sent.pop(job.job_id, None)
                self._assign()
            self._relay.end(job, ExecutorError(f"Celery's broker did not take the task: {error}"))

    def _tell_cancel(self, job_id: str, attempt: int) -> None:
        line = self._redis.pipeline(transaction=False)
        line.set(self._keys.cancelled(job_id, attempt), 1, ex=CANCELLED)
        line.publish(self._keys.channel, encode(CancelJob(job_id)))
        line.execute()

    def _kill(self, sent: SentJob) -> None:
        self._signature.app.control.revoke(sent.task_id, terminate=True, signal="SIGKILL")

    def _give_up(self, sent: SentJob) -> None:
        """End a job whose worker is silent; should it come back, it finds that the job is not wanted."""
        error: BaseException = WorkerLost(_SILENT)
        if sent.seen_at is None:
            error = ExecutorError(
                f"No worker took the task within {self._start_timeout:g} seconds: "
                "is one running that knows the executor, and has room, as celery --app ... worker?"
            )
        self._relay.end(sent.job, error)
        self._tell_cancel(sent.job.job_id, sent.job.order.attempt)

    def _settle(self, message: SettleCall) -> None:
        with self._changed:
            self._do(partial(self._publish, encode(message)))

    def _publish(self, data: bytes) -> None:
        self._redis.publish(self._keys.channel, data)

    # On the thread that reads

    def _read(self) -> None:
        client, stream = connected(self._url), self._keys.stream(self._gateway)
        last: bytes | str = "0"
        failing = False
        while not self._closed:
            try:
                found = cast("Any", client.xread({stream: last}, count=_BATCH, block=_BLOCK))
                if failing:
                    failing = False
                    self._start_leases_anew()
                for _, entries in found:
                    for entry, fields in entries:
                        self._take_entry(fields)
                        last = entry
                    client.xtrim(stream, minid=last, approximate=False)
            except redis.RedisError as error:
                if not failing:
                    logger.warning("Redis at %s cannot be read: %s", shown(self._url), error)
                failing = True
                time.sleep(_AGAIN)
            self._wait_for_room()
        client.close()

    def _take_entry(self, fields: Mapping[bytes, bytes]) -> None:
        try:
            self._take(decode_told(fields[FIELD]))
        except Exception as error:
            logger.error("an event of a worker could not be read", exc_info=error)

    def _wait_for_room(self) -> None:
        """Read no more while the tasks' connection is choked: then the workers wait, too."""
        if not self._relay.is_full:
            return
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._relay.is_full)
        self._start_leases_anew()

    def _start_leases_anew(self) -> None:
        """Count silence from now on: workers may have told what could not be read."""
        now = time.monotonic()
        with self._changed:
            self._sign_at = now
            for sent in self._sent.values():
                if sent.seen_at is not None:
                    sent.seen_at = now
            self._changed.notify_all()

    def _take(self, events: list[Told]) -> None:
        now = time.monotonic()
        for event in events:
            if isinstance(event, JobsBeat):
                with self._changed:
                    for job in event.jobs:
                        if job in self._sent:
                            self._sent[job].seen_at = now
                continue
            with self._changed:
                sent = self._sent.get(event.job)
                if sent is None or event.attempt != sent.job.order.attempt:
                    continue
                sent.seen_at = now
                if isinstance(event, (JobEnded, JobLost)):
                    del self._sent[event.job]
                    if self._left is not None:
                        self._do(partial(self._forget_left, event.job))
                    self._changed.notify_all()
                again = isinstance(event, JobLost) and self._run_again(sent)
                self._assign()
            if not isinstance(event, JobLost):
                self._relay.take(sent.job, event)
            elif not again:
                self._relay.end(sent.job, WorkerLost(_LOST.format(how=event.how)))

    def _run_again(self, sent: SentJob) -> bool:
        """Note that a worker died; let its job run again, under the lock, if it may."""
        job = sent.job
        if job.report.is_open:
            self._lost += 1
        if not job.report.is_open or job.said or job.order.attempt > self._retries:
            return False
        job.order = Order(job.order.attempt + 1)
        self._waiting.appendleft(job)
        return True

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
