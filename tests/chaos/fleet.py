"""The agents of a run, in this process, and what they did."""

from __future__ import annotations

import logging
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from arinova_agent_sync import ArinovaAgent, Reply, Task, TaskCancelled

from . import plans
from .judge import Loss, Said, Told
from .process import ServerProcess
from .truth import conversation_id, task_id, token

_CONNECTING = 10.0  # seconds
_SLOWEST_RECONNECT = 0.1  # seconds
_GRACE = 2.0  # seconds that disconnect() may take longer than its timeout
_TASK_ID = re.compile(r"[0-9a-f]{8}-0000-4000-8000-[0-9a-f]{12}")


@dataclass
class Fleet:
    """The agents, and what they did.

    Args:
        server: whom they talk to.
        count: how many.
    """

    server: ServerProcess
    count: int
    said: Said = field(default_factory=Said)
    events: list[tuple[float, str, str]] = field(default_factory=list)
    agents: list[ArinovaAgent] = field(default_factory=list)

    def connect(self) -> None:
        """Make and connect the agents."""
        context = None
        if self.server.certificate:
            context = ssl.create_default_context(cadata=self.server.certificate)
        self.agents = [self._agent(number, context) for number in range(self.count)]
        for agent in self.agents:
            agent.connect(_CONNECTING)

    def disconnect(self, timeout: float) -> list[Loss]:
        """Disconnect all at once, and return those that did not come to an end."""
        threads = [threading.Thread(target=agent.disconnect, args=(timeout,)) for agent in self.agents]
        deadline = time.monotonic() + timeout + _GRACE
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return [self._hung(number) for number, thread in enumerate(threads) if thread.is_alive()]

    def disconnected(self) -> list[Loss]:
        """Return the agents that have not come back."""
        return [self._hung(number) for number, agent in enumerate(self.agents) if not agent.connected]

    def _hung(self, number: int) -> Loss:
        agent = self.agents[number]
        return Loss("hung", task_id(number, 0), f"agent {number}: {agent!r}, {agent.stats()}")

    def rest(self) -> bool:
        """Tell whether all agents are connected and have nothing to do."""
        for agent in self.agents:
            stats = agent.stats()
            if not agent.connected or stats.running or stats.queued or stats.buffered_bytes:
                return False
        return True

    def _agent(self, number: int, context: ssl.SSLContext | None) -> ArinovaAgent:
        agent = ArinovaAgent(
            server_url=self.server.url_of(number),
            bot_token=token(number),
            reconnect_interval=0.01,
            ping_interval=0.2,
            ping_timeout=0.5,
            connect_timeout=1.0,
            send_timeout=1.0,
            auth_attempts=1_000,
            max_queued_tasks=1_000,
            proxy="",
            ssl_context=context,
        )
        # A network that fails all the time is no reason to wait in a test.
        agent._settings = replace(agent._settings, max_reconnect_delay=_SLOWEST_RECONNECT)

        @agent.on_task
        def handle(task: Task) -> str | Reply | Iterator[str] | None:
            self.said.begun.add(task.task_id)
            self._record(task.task_id, "the handler begins")
            self._send_note(agent, number, task)
            if plans.plan_for(task.task_id).end == "yield":
                return self._watched(task)
            with self._watching(task):
                answer = plans.answer(task)
                assert not isinstance(answer, Iterator)
                return answer

        @agent.on_undelivered
        def undelivered(result: Any) -> None:
            certain = getattr(result, "certain", True)
            self.said.told.append(Told(result.task_id, result.text, certain))
            self._record(result.task_id or "", f"on_undelivered, certain={certain}: {result.text!r}")

        return agent

    def _send_note(self, agent: ArinovaAgent, number: int, task: Task) -> None:
        note = plans.plan_for(task.task_id).note
        if not note:
            return
        try:
            agent.send_message(task.conversation_id or conversation_id(number, 0), note)
        except Exception as error:  # whoever calls it knows
            self._record(task.task_id, f"send_message raised {error!r}")
        else:
            self.said.notes[note] = task.task_id
            self._record(task.task_id, "send_message returned")

    def _watched(self, task: Task) -> Iterator[str]:
        with self._watching(task):
            answer = plans.answer(task)
            assert isinstance(answer, Iterator)
            yield from answer

    @contextmanager
    def _watching(self, task: Task) -> Iterator[None]:
        try:
            yield
        except plans.PlannedError:
            self._end(task)
            raise
        except (TaskCancelled, GeneratorExit) as error:
            self.said.cancelled.add(task.task_id)
            self._record(task.task_id, f"the handler is cancelled: {error!r}")
            raise
        else:
            self._end(task)

    def _end(self, task: Task) -> None:
        if task.is_cancelled:
            self.said.cancelled.add(task.task_id)
        else:
            self.said.ended.add(task.task_id)
        self._record(task.task_id, "the handler ends")

    def _record(self, task_id: str, text: str) -> None:
        self.events.append((time.monotonic(), task_id, text))


class _Collector(logging.Handler):
    """Keep what the package logs of tasks."""

    def __init__(self, events: list[tuple[float, str, str]]) -> None:
        super().__init__(logging.INFO)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        self._events.extend(
            (time.monotonic(), task_id, f"logs {record.levelname}: {text}")
            for task_id in _TASK_ID.findall(text)
        )


@contextmanager
def collecting(events: list[tuple[float, str, str]]) -> Iterator[None]:
    logger, collector = logging.getLogger("arinova_agent_sync"), _Collector(events)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(collector)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(collector)
        logger.setLevel(level)
        logger.propagate = propagate
