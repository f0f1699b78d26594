"""What gateways and workers write to Redis, and under which names. Thread-safe.

A gateway's *stream* brings events back, in order and over reconnects of either side. Its *channel* makes cancels
quick; the key of a cancelled job makes them certain. A key with a short life tells that the gateway is alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union
from urllib.parse import urlsplit

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..protocol import (
    CancelJob,
    JobEvent,
    JobLost,
    JobsBeat,
    SettleCall,
    encode,
)

ALIVE = 15  # seconds that a gateway counts as alive after its last sign
STREAM = 60  # seconds that a stream outlives its gateway
CANCELLED = 3_600  # seconds that a job stays cancelled
LEFT = 86_400  # seconds that answers wait for another gateway
CLAIMED = 3_600  # seconds that it is known that a job has begun: a broker hands out none that is older
FIELD = b"e"

Told = Union[JobEvent, JobsBeat, JobLost]
decode_told = msgspec.msgpack.Decoder(list[Told]).decode
decode_control = msgspec.msgpack.Decoder(Union[CancelJob, SettleCall]).decode


class RedisKeys:
    """The names of one executor's keys.

    Args:
        name: the executor's.
    """

    def __init__(self, name: str) -> None:
        self._prefix = f"arinova:{name}"

    @property
    def channel(self) -> str:
        """Where all gateways tell workers what must be quick."""
        return f"{self._prefix}:control"

    @property
    def answers(self) -> str:
        """The answers whose gateways were perhaps gone when they were complete, by job."""
        return f"{self._prefix}:answers"

    def stream(self, gateway: str) -> str:
        """A gateway's events."""
        return f"{self._prefix}:{gateway}:events"

    def alive(self, gateway: str) -> str:
        """There as long as a gateway is."""
        return f"{self._prefix}:{gateway}:alive"

    def cancelled(self, job: str, attempt: int) -> str:
        """There if an attempt at a job is not to go on."""
        return f"{self._prefix}:cancelled:{job}:{attempt}"

    def claimed(self, job: str, attempt: int) -> str:
        """There if a worker has begun an attempt at a job."""
        return f"{self._prefix}:claimed:{job}:{attempt}"


def connected(url: str) -> redis.Redis:
    """Return a client that raises at once, or after 10 seconds of silence; who uses it tries again.

    Threads share a few connections, and wait for one: a worker may have a thousand threads.
    """
    waits = {"socket_timeout": 10, "socket_connect_timeout": 5, "retry": Retry(NoBackoff(), 0)}
    pool = redis.BlockingConnectionPool.from_url(url, max_connections=8, timeout=10, **waits)
    return redis.Redis.from_pool(pool)


def append(client: redis.Redis, stream: str, events: Sequence[JobEvent | JobsBeat | JobLost]) -> int:
    """Append events to a stream; return how many entries it has then."""
    line = client.pipeline(transaction=False)
    line.xadd(stream, {FIELD: encode(list(events))})
    line.xlen(stream)
    line.expire(stream, STREAM)
    return int(line.execute()[1])


def shown(url: str) -> str:
    """Return a URL without its password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
