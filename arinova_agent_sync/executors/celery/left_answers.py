"""Answers that were complete when their gateway was gone: kept by workers, and delivered by the next gateway.

A worker leaves every answer just before it tells that the handler is over: whether the gateway is still there, it
could only know some seconds later. A gateway that has read that end takes the answer out; what stays is of gateways
that are gone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec
import redis

from ...log import logger
from ..event_writer import EventWriter
from ..protocol import JobCompleted, JobEnded, JobEvent, JobFailed, JobRaised, JobText, encode, unpack
from .redis_keys import LEFT, RedisKeys


class LeftAnswer(msgspec.Struct, array_like=True, frozen=True):
    """An answer, and whose task it ends."""

    gateway: str
    task_id: str
    conversation_id: str
    text: str


_decode = msgspec.msgpack.Decoder(LeftAnswer).decode


class KeptAnswer:
    """Pass a job's events on, and leave its whole answer before its end. Used under the lock of the job's sends.

    Args:
        writer: takes the events.
        leave: called with the text, unless there is none or the task was cancelled.
    """

    def __init__(self, writer: EventWriter, leave: Callable[[str], None]) -> None:
        self._writer = writer
        self._leave = leave
        self._pieces: list[str] = []
        self._text: str | None = None  # what stands for the pieces at the end

    def put(self, event: JobEvent, given_up: Callable[[], bool]) -> None:
        """Write an event, or have it written."""
        if isinstance(event, JobText):
            self._pieces.append(event.text)
        elif isinstance(event, JobCompleted):
            self._text = event.content
        elif isinstance(event, JobFailed):
            said = "".join(self._pieces) if event.keep_partial else ""
            self._text = f"{said}\n\n{event.message}" if said else event.message
        elif isinstance(event, JobRaised):
            self._text = event.shown
        elif isinstance(event, JobEnded) and not given_up():
            text = "".join(self._pieces) if self._text is None else self._text
            if text:
                self._leave(text)
        self._writer.put(event, given_up)

    def wake(self) -> None:
        """Have who waits in ``put`` look again whether the job was given up."""
        self._writer.wake()


def leave(client: redis.Redis, keys: RedisKeys, gateway: str, job: str, payload: bytes, text: str) -> None:
    """Leave the answer to a job's payload; without a conversation nobody could be told it."""
    task = unpack(payload)
    if not isinstance(task.get("conversationId"), str):
        return
    answer = LeftAnswer(gateway, str(task["taskId"]), task["conversationId"], text)
    try:
        line = client.pipeline(transaction=False)
        line.hset(keys.answers, job, encode(answer))
        line.expire(keys.answers, LEFT)
        line.execute()
    except redis.RedisError as error:
        logger.warning("task %s: its answer could not be kept for another gateway: %s", answer.task_id, error)


class LeftAnswers:
    """What a gateway does about answers that were left. Not thread-safe; may raise redis.RedisError.

    Args:
        client: talks to Redis.
        keys: the executor's.
        gateway: this one's name.
        deliver: called with a task's id, its conversation's and the text.
    """

    def __init__(
        self, client: redis.Redis, keys: RedisKeys, gateway: str, deliver: Callable[[str, str, str], None]
    ) -> None:
        self._client = client
        self._keys = keys
        self._gateway = gateway
        self._deliver = deliver

    def forget(self, job: str) -> bool:
        """Take out what a worker has left of a job, if it has left anything."""
        return bool(self._client.hdel(self._keys.answers, job))

    def deliver_found(self, is_running: Callable[[str], bool]) -> None:
        """Deliver the answers of gateways that are gone."""
        found = cast("dict[bytes, bytes]", self._client.hgetall(self._keys.answers))
        for name, data in found.items():
            answer, job = _decode(data), name.decode()
            if answer.gateway == self._gateway:
                if not is_running(job):
                    self.forget(job)
                continue
            # Who takes it out delivers it, and nobody else does.
            if not self._client.exists(self._keys.alive(answer.gateway)) and self.forget(job):
                logger.info("task %s: its gateway is gone; its answer is delivered", answer.task_id)
                self._deliver(answer.task_id, answer.conversation_id, answer.text)
