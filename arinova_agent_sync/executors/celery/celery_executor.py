"""CeleryExecutor: handlers in Celery's workers, on any machine."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Literal
from weakref import ref

from ...argument_checks import count, one_of, seconds
from ...argument_checks import text as check_text
from ...errors import ExecutorError
from ...extras import install_command
from ...net.forks import renew_after_fork
from ..protocol import ExecutorStats, RemoteAgent

try:
    from .celery_session import CelerySession
    from .celery_task import WorkerTask
    from .redis_keys import RedisKeys
except ImportError as error:
    if error.name not in ("celery", "redis"):
        raise
    raise ImportError(
        f"CeleryExecutor needs Celery and Redis's client: {install_command('celery')}"
    ) from error

if TYPE_CHECKING:
    from celery import Celery

_LONGEST = 3_600.0  # seconds


class CeleryExecutor:
    """Run handlers in Celery's workers, on this machine or others.

        celery = Celery("shop", broker="redis://...")
        agent = ArinovaAgent(executor=CeleryExecutor(celery, name="shop"))

    Celery starts a handler, and a Redis stream brings back what it sends. Gateway and workers import the same file:
    ``python shop.py`` connects the agent, and ``celery --app shop:celery worker --pool prefork`` runs its handlers.
    An executor serves one agent. Workers take the token from their own environment.

    Args:
        app: the Celery app.
        name: what the executor's task and keys are called: one for each agent.
        redis_url: where the streams are; by default the broker, if that is Redis.
        capacity: handlers at a time: not more than all workers have processes.
        lease: seconds without a sign of life after which a worker counts as lost.
        start_timeout: seconds within which a worker must have taken a task.
        kill_after: seconds that a handler may go on after its task was cancelled; then its process is killed.
        retries: how often a task is run again whose worker died before the handler had said or asked anything.
        on_gateway_loss: what becomes of handlers whose gateway is killed, or cannot reach Redis any more: "stop"
            cancels them; with "finish" they go on, and the next gateway sends their answers as messages.

    Raises TypeError or ValueError for wrong arguments. What cannot work is an ExecutorError of ``connect()``.
    """

    def __init__(
        self,
        app: Celery,
        *,
        name: str,
        redis_url: str | None = None,
        capacity: int = 32,
        lease: float = 30.0,
        start_timeout: float = 60.0,
        kill_after: float = 5.0,
        retries: int = 0,
        on_gateway_loss: Literal["stop", "finish"] = "stop",
    ) -> None:
        if not hasattr(app, "task") or not hasattr(app, "conf"):
            raise TypeError(f"CeleryExecutor needs a Celery app, not {type(app).__name__}")
        self._app = app
        self._name = check_text("name", name)
        if any(letter.isspace() or letter in ":." for letter in name):
            raise ValueError(f"name must be one word without colons and points, not {name!r}")
        self._redis_url = None if redis_url is None else _checked_url(redis_url)
        self._capacity = count("capacity", capacity, 1, 100_000)
        self._lease = seconds("lease", lease, 0.5, _LONGEST)
        self._start_timeout = seconds("start_timeout", start_timeout, high=_LONGEST)
        self._kill_after = seconds("kill_after", kill_after, high=_LONGEST, least=True)
        self._retries = count("retries", retries, 0, 1_000)
        self._finish = one_of("on_gateway_loss", on_gateway_loss, ("stop", "finish")) == "finish"
        self._task = WorkerTask(
            app, name, executor=self, url=self._url, lease=self._lease, finish=self._finish
        )
        self._session: ref[CelerySession] | None = None
        self._lock = threading.Lock()
        renew_after_fork(self.after_fork)

    def __repr__(self) -> str:
        return f"CeleryExecutor({self._name!r})"

    @property
    def capacity(self) -> int:
        """How many handlers can run at a time."""
        return self._capacity

    def open(self, agent: RemoteAgent) -> CelerySession:
        """Begin to serve an agent; raise ExecutorError if that cannot work."""
        if self._app.conf.task_always_eager:
            raise ExecutorError(
                "the Celery app has task_always_eager set: it would run handlers in this process, and not send them"
            )
        if not {"json", "application/json"} & set(self._app.conf.accept_content or ()):
            raise ExecutorError(
                "the Celery app's accept_content has no json, in which tasks are sent: workers would refuse them"
            )
        _check_place(agent)
        with self._lock:
            session = None if self._session is None else self._session()
            if session is not None and session.is_open:
                raise ExecutorError(f"{self!r} serves another agent already: give each agent one of its own")
            session = CelerySession(
                self._task.signature,
                self._url(),
                RedisKeys(self._name),
                agent,
                capacity=self._capacity,
                lease=self._lease,
                start_timeout=self._start_timeout,
                kill_after=self._kill_after,
                retries=self._retries,
                finish=self._finish,
            )
            self._session = ref(session)
            return session

    def stats(self) -> ExecutorStats:
        """Return what it has done and does."""
        session = None if self._session is None else self._session()
        return ExecutorStats(repr(self)) if session is None else session.stats(repr(self))

    def after_fork(self) -> None:
        """Be as new in a forked child: the connections are the parent's."""
        self._lock = threading.Lock()
        self._session = None

    def _url(self) -> str:
        if self._redis_url is not None:
            return self._redis_url
        broker = self._app.conf.broker_url or ""
        if not isinstance(broker, str) or not broker.startswith(("redis://", "rediss://", "unix://")):
            raise ExecutorError(
                "the Celery app's broker is not Redis, which brings back what handlers send: give redis_url="
            )
        if self._app.conf.broker_use_ssl and broker.startswith("redis://"):
            raise ExecutorError(
                "the Celery app's broker_use_ssl says nothing to the streams: give its certificates in the URL, as "
                "rediss://...?ssl_cert_reqs=required&ssl_ca_certs=FILE"
            )
        return broker


def _checked_url(url: object) -> str:
    checked = check_text("redis_url", url)
    if not checked.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("redis_url must start with redis://, rediss:// or unix://")
    return checked


def _check_place(agent: RemoteAgent) -> None:
    """Raise ExecutorError unless a worker makes the same agent when it imports the same file."""
    module = agent.made_at[0] if agent.made_at is not None else None
    if module is None:
        raise ExecutorError(
            "a worker makes the agent by importing its file: make it at the top level, not in a function"
        )
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None or not os.path.isfile(path):
        raise ExecutorError(
            "an agent of a notebook, of an interactive session or of standard input cannot be imported by a "
            "worker: put it into a file"
        )
