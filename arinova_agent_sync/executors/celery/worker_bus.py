"""A Celery worker's connection to the gateways: events out, cancels in, a sign of life while it runs jobs.

One for each process, made after the fork. Threads: ``arinova-control`` listens for cancels, ``arinova-beat`` tells
that this process is alive and looks whether its gateways are, ``arinova-events`` writes what comes fast.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Sequence
from functools import partial

import redis
from redis.client import PubSub

from ...log import logger
from ..event_writer import EventWriter
from ..interruption import Interruption
from ..protocol import CancelJob, JobEvent, JobsBeat, StartJob
from ..remote import EventSink, RemoteTaskContext
from .death_watch import WatchedProcess
from .left_answers import KeptAnswer, leave
from .redis_keys import CLAIMED, RedisKeys, append, connected, decode_control

_MOST = 2_000  # entries in a stream: above it the gateway is behind, and who writes waits
_BEHIND = 0.02  # seconds between looks whether it has caught up
_AGAIN = 0.2  # seconds after a failed write or a lost subscription
_LONGEST_SILENCE = 3_600.0  # seconds that a subscription waits for a message
_SURE = 1.0  # seconds after which a gateway that seems gone is looked for again


class WorkerBus:
    """What one process tells gateways, and hears of them.

    Args:
        url: Redis's.
        keys: the executor's.
        lease: seconds without a sign of life after which a gateway gives a job up.
        finish: whether handlers go on when their gateway is gone.
        watched: tells the worker's main process what runs here, if there is one.
    """

    def __init__(
        self, url: str, keys: RedisKeys, lease: float, finish: bool, watched: WatchedProcess | None
    ) -> None:
        self.pid = os.getpid()
        self.interruption: Interruption | None = None
        if threading.current_thread() is threading.main_thread():
            self.interruption = Interruption()
            self.interruption.install()
        self._redis = connected(url)
        self._keys = keys
        self._lease = lease
        self._finish = finish
        self._watched = watched
        self._lock = threading.Lock()  # guards the rest
        self._jobs: dict[str, tuple[str, RemoteTaskContext]] = {}
        self._writers: dict[str, EventWriter] = {}
        for work, name in ((self._listen, "arinova-control"), (self._beat, "arinova-beat")):
            threading.Thread(target=work, name=name, daemon=True).start()

    def writer(self, gateway: str, start: StartJob) -> EventSink:
        """Return what writes a job's events to its gateway's stream."""
        with self._lock:
            if gateway not in self._writers:
                self._writers = {gateway: self._new_writer(gateway), **self._of_running_jobs()}
            writer = self._writers[gateway]
        if not self._finish:
            return writer
        return KeptAnswer(writer, partial(leave, self._redis, self._keys, gateway, start.job, start.payload))

    def add(self, gateway: str, context: RemoteTaskContext) -> None:
        """Let cancels reach a job, and tell that it is alive."""
        with self._lock:
            self._jobs.setdefault(context.job.job, (gateway, context))
        if self._watched is not None:
            self._watched.hold(gateway, context.job.job, context.job.attempt)

    def remove(self, context: RemoteTaskContext) -> None:
        """Forget a job."""
        if self._watched is not None:
            self._watched.release()
        with self._lock:
            if self._jobs.get(context.job.job, (None, None))[1] is context:
                del self._jobs[context.job.job]

    def claim(self, gateway: str, job: str, attempt: int) -> tuple[bool, bool]:
        """Take an attempt at a job, and tell whether it is this call's to run, and whether the gateway wants it.

        A broker may hand a job out twice. Goes on while Redis is away, as long as the gateway would wait.
        """
        key, mark = self._keys.claimed(job, attempt), uuid.uuid4().bytes
        give_up_at = time.monotonic() + self._lease
        while True:
            try:
                line = self._redis.pipeline(transaction=False)
                line.set(key, mark, nx=True, ex=CLAIMED)
                line.get(key)
                line.exists(self._keys.alive(gateway))
                line.exists(self._keys.cancelled(job, attempt))
                _, owner, alive, cancelled = line.execute()
            except redis.RedisError:
                if time.monotonic() >= give_up_at:
                    raise
                time.sleep(_AGAIN)
            else:  # the mark was perhaps set by an earlier try, whose answer was lost
                return owner == mark, bool(alive or self._finish) and not cancelled

    def _of_running_jobs(self) -> dict[str, EventWriter]:
        """Return the writers in use; end those whose gateways have no job here any more."""
        used = {gateway for gateway, _ in self._jobs.values()}
        for gateway, writer in self._writers.items():
            if gateway not in used:
                threading.Thread(target=writer.close, daemon=True).start()
        return {gateway: writer for gateway, writer in self._writers.items() if gateway in used}

    def _new_writer(self, gateway: str) -> EventWriter:
        def write(events: Sequence[JobEvent]) -> None:
            self._write(gateway, events)

        return EventWriter(write, lambda error: logger.critical("events were lost", exc_info=error))

    def _write(self, gateway: str, events: Sequence[JobEvent]) -> None:
        """Write events, as long as the gateway would wait for them; then cancel their jobs."""
        stream = self._keys.stream(gateway)
        give_up_at = time.monotonic() + self._lease
        while True:
            try:
                length = append(self._redis, stream, events)
                break
            except redis.RedisError as error:
                if time.monotonic() >= give_up_at:
                    logger.error("Redis cannot be reached: jobs are given up", exc_info=error)
                    self._cancel({event.job for event in events})
                    return
                time.sleep(_AGAIN)
        while length > _MOST:
            time.sleep(_BEHIND)
            try:
                line = self._redis.pipeline(transaction=False)
                line.xlen(stream)
                line.exists(self._keys.alive(gateway))
                length, alive = line.execute()
            except redis.RedisError:
                return
            if not alive:
                return

    def _cancel(self, jobs: set[str]) -> None:
        with self._lock:
            contexts = [self._jobs[job][1] for job in jobs if job in self._jobs]
        for context in contexts:
            if not context.is_cancelled:
                context.cancel()
                if self.interruption is not None:
                    self.interruption.interrupt(context)

    def _listen(self) -> None:
        while True:
            try:
                # What is lost while it connects again, the next beat finds.
                with PubSub(self._redis.connection_pool, ignore_subscribe_messages=True) as channel:
                    channel.subscribe(self._keys.channel)
                    while True:
                        message = channel.get_message(timeout=_LONGEST_SILENCE)
                        if message is not None:
                            self._control(message["data"])
            except redis.RedisError:
                time.sleep(_AGAIN)
            except Exception as error:
                logger.error("a control message could not be read", exc_info=error)

    def _control(self, data: bytes) -> None:
        message = decode_control(data)
        if isinstance(message, CancelJob):
            self._cancel({message.job})
            return
        with self._lock:
            _, context = self._jobs.get(message.job, (None, None))
        if context is not None:
            context.settle(message)

    def _beat(self) -> None:
        while True:
            time.sleep(self._lease / 6)
            try:
                unwanted, left = self._judged()
                if unwanted or left:
                    # Redis may have lost all keys, and the gateway be about to write its own.
                    time.sleep(_SURE)
                    unwanted_still, left_still = self._judged()
                    self._cancel(unwanted & unwanted_still)
                    self._end_calls(left & left_still)
            except redis.RedisError:
                pass  # the next beat tries again

    def _judged(self) -> tuple[set[str], set[str]]:
        """Tell gateways that their jobs are alive.

        Returns the jobs that nobody wants any more, and those that go on although their gateway is gone.
        """
        unwanted: set[str] = set()
        left: set[str] = set()
        with self._lock:
            jobs = [(job, gateway, context.job.attempt) for job, (gateway, context) in self._jobs.items()]
        for gateway in {gateway for _, gateway, _ in jobs}:
            alive = tuple(job for job, of, _ in jobs if of == gateway)
            append(self._redis, self._keys.stream(gateway), [JobsBeat(alive)])
        for job, gateway, attempt in jobs:
            line = self._redis.pipeline(transaction=False)
            line.exists(self._keys.alive(gateway))
            line.exists(self._keys.cancelled(job, attempt))
            is_there, cancelled = line.execute()
            if cancelled or not (is_there or self._finish):
                unwanted.add(job)
            elif not is_there:
                left.add(job)
        return unwanted, left

    def _end_calls(self, jobs: set[str]) -> None:
        with self._lock:
            contexts = [context for job, (_, context) in self._jobs.items() if job in jobs]
        for context in contexts:
            context.end_calls()
