"""The task that Celery's workers run, and what their parent process tells of one that died."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

from celery import signals

from ... import _internals, hooks
from ...agent import ArinovaAgent
from ...errors import ExecutorError
from ...log import logger
from ..job import run_job
from ..protocol import VERSION, Executor, JobLost, StartJob
from ..remote import RemoteTaskContext
from . import death_watch
from .redis_keys import RedisKeys, append, connected
from .worker_bus import WorkerBus

if TYPE_CHECKING:
    from celery import Celery

_PREFIX = "arinova."
_agents: WeakSet[ArinovaAgent] = WeakSet()
hooks.when_made.append(_agents.add)


class WorkerTask:
    """One executor's task: in a gateway what is sent, in a worker what runs.

    Args:
        app: the user's Celery app.
        name: the executor's.
        executor: whose handlers are run.
        url: returns Redis's.
        lease: seconds without a sign of life after which a gateway gives a job up.
        finish: whether handlers go on when their gateway is gone.
    """

    def __init__(
        self,
        app: Celery,
        name: str,
        *,
        executor: Executor,
        url: Callable[[], str],
        lease: float,
        finish: bool,
    ) -> None:
        self._name = f"{_PREFIX}{name}"
        self._executor = executor
        self._url = url
        self._keys = RedisKeys(name)
        self._lease = lease
        self._finish = finish
        self._bus: WorkerBus | None = None
        self._making = threading.Lock()
        # Acknowledged at once: a worker that dies must not have the model asked a second time.
        options = {"acks_late": False, "ignore_result": True, "serializer": "json"}
        self.signature = app.task(name=self._name, **options)(self._run_here())
        _tasks[self._name] = self
        cast(Any, app).steps["consumer"].add(death_watch.WatchStep)

    def lost(self, gateway: str, job: str, attempt: int, how: str) -> None:
        """Tell a gateway that a job's process has died."""
        client = connected(self._url())
        try:
            append(client, self._keys.stream(gateway), [JobLost(job, attempt, how)])
        finally:
            client.close()

    def _run_here(self) -> Callable[..., None]:
        def run(version: int, gateway: str, job: str, attempt: int, *rest: Any) -> None:
            self._run(version, gateway, job, attempt, *rest)

        return run

    def _run(self, version: int, gateway: str, job: str, attempt: int, *rest: Any) -> None:
        bus = self._bus_of_this_process()
        if version != VERSION:
            knows = f"version {VERSION} of the messages, not {version}"
            self._refuse(bus, gateway, StartJob(job, attempt, 0, None, b"{}", None, None, ""), knows)
            return
        command, payload, agent_name, asked_before = rest
        start = StartJob(job, attempt, 0, command, payload.encode(), agent_name, asked_before, "")
        agent = next(self._serving(command), None)
        if agent is None:
            self._refuse(bus, gateway, start, f"no handler of {command or 'on_task'}")
            return
        context = RemoteTaskContext(start, bus.writer(gateway, start), _internals.credentials_of(agent))
        bus.add(gateway, context)
        try:
            claimed, wanted = bus.claim(gateway, job, attempt)
            if not claimed:
                logger.warning("the broker has handed job %s out twice: it is run once", job)
                return
            context.started()
            if not wanted:
                context.cancel()
            run_job(
                context,
                handler=_internals.handlers_of(agent).all()[command],
                surroundings=_internals.handlers_of(agent).surroundings,
                error_text=_internals.settings_of(agent).error_text,
                interruption=bus.interruption,
                flush=lambda: None,
            )
        finally:
            bus.remove(context)

    def _refuse(self, bus: WorkerBus, gateway: str, start: StartJob, knows: str) -> None:
        claimed, _ = bus.claim(gateway, start.job, start.attempt)
        if not claimed:
            return
        error = ExecutorError(f"this worker is of another version than the agent: it knows {knows}")
        context = RemoteTaskContext(start, bus.writer(gateway, start), None)
        context.raised(str(error), error, "")
        context.ended()

    def _serving(self, command: str | None) -> Iterator[ArinovaAgent]:
        """Return the agents of this process whose handler of a command the executor runs."""
        for agent in list(_agents):
            default = _internals.settings_of(agent).executor
            if command in _internals.handlers_of(agent).by_executor(default).get(self._executor, {}):
                yield agent

    def _bus_of_this_process(self) -> WorkerBus:
        with self._making:
            if self._bus is None or self._bus.pid != os.getpid():
                watched = death_watch.watched_process(self._name)
                self._bus = WorkerBus(self._url(), self._keys, self._lease, self._finish, watched)
            return self._bus


_tasks: dict[str, WorkerTask] = {}


def is_worker() -> bool:
    """Tell whether this process is Celery's command line, running a worker."""
    return Path(sys.argv[0]).name in ("celery", "__main__.py") and "worker" in sys.argv


def _refuse_in_worker(_: ArinovaAgent) -> None:
    if is_worker():
        raise RuntimeError(
            "a Celery worker imports the agent's file, and must not connect it: put what starts the agent under a "
            'guard:\n\n    if __name__ == "__main__":\n        agent.run()\n'
        )


hooks.before_start.append(_refuse_in_worker)


def _tell_lost(name: object, args: object, how: str) -> None:
    task = _tasks.get(str(name))
    if task is None or not isinstance(args, (list, tuple)) or len(args) < 4:
        return
    try:
        task.lost(str(args[1]), str(args[2]), int(args[3]), how)
    except Exception as error:  # noqa: BLE001 - the gateway finds out by itself, only later
        logger.warning("a gateway could not be told that a worker died: %s", error)


def _process_died(name: str, gateway: str, job: str, attempt: int) -> None:
    _tell_lost(name, (VERSION, gateway, job, attempt), "its process died")


@signals.worker_init.connect  # type: ignore[untyped-decorator]
def _begin(**_: Any) -> None:
    death_watch.begin(_process_died)


@signals.task_failure.connect  # type: ignore[untyped-decorator]
def _failed(sender: Any = None, exception: BaseException | None = None, args: Any = None, **_: Any) -> None:
    if type(exception).__name__ in ("WorkerLostError", "Terminated", "TimeLimitExceeded"):
        _tell_lost(getattr(sender, "name", None), args, str(exception))


@signals.task_revoked.connect  # type: ignore[untyped-decorator]
def _revoked(sender: Any = None, request: Any = None, terminated: bool = False, **_: Any) -> None:
    if terminated:
        _tell_lost(getattr(sender, "name", None), getattr(request, "args", None), "it was ended")
