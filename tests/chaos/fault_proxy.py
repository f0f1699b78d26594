"""A TCP proxy between agents and a server that injects faults, drawn by a seed.

Each agent has a port of its own, a lane. What is drawn for a lane (which faults, after which pauses) is the same
for the same seed; which bytes a fault meets is up to the machine.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from random import Random

from .pipe import READ, Pipe

_PAUSE = (0.03, 0.45)  # seconds between the end of one fault of a lane and the next
_LATE = 2.0  # seconds that late bytes wait for the next connection

# How often each is drawn, for a hundred.
WEIGHTS = {
    "fin": 10,
    "reset": 10,
    "half open": 16,
    "half open, up": 10,
    "half open, down": 8,
    "freeze": 8,
    "drip": 6,
    "cut": 10,
    "late": 8,
    "late, before the next": 4,
    "refuse": 4,
    "close": 6,
}


def draws(random: Random, weights: Mapping[str, int]) -> Iterator[tuple[float, str, Random]]:
    """Yield without end the seconds before a fault, its name, and what to draw its details from.

    However many details are drawn, the next faults are the same.
    """
    while True:
        own = Random(random.random())
        yield own.uniform(*_PAUSE), own.choices(list(weights), list(weights.values()))[0], own


class Lane:
    """The port of one agent, and its faults.

    Args:
        server_port: where to connect to.
        random: what to draw the faults from.
        refuse, close: have the server refuse the agent's next authentication, or send a close frame.
        injected: called with the name of each fault.
        weights: how often each is drawn.

    Attributes:
        pipes: the connections there are.
    """

    def __init__(
        self,
        server_port: int,
        random: Random,
        refuse: Callable[[Random], None],
        close: Callable[[Random], None],
        injected: Callable[[str], None],
        weights: Mapping[str, int],
    ) -> None:
        self.port = 0
        self._weights = weights
        self._server_port = server_port
        self._random = random
        self._refuse = refuse
        self._close = close
        self._injected = injected
        self.pipes: list[Pipe] = []
        self._listener: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._blackout = False

    async def start(self) -> None:
        """Listen."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=READ)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End everything."""
        if self._listener is not None:
            self._listener.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def inject_faults(self) -> None:
        """Inject one fault after another until cancelled."""
        for pause, name, random in draws(self._random, self._weights):
            await asyncio.sleep(pause)
            while not (pipes := [pipe for pipe in self.pipes if not pipe.dead and pipe.answered]):
                await asyncio.sleep(0.005)
            self._injected(name)
            if name == "refuse":
                self._refuse(random)
            if name == "close":
                self._close(random)
            for pipe in pipes:
                pipe.inject(name, random)

    def stop_faults(self) -> None:
        """End the outages that are under way, and let none begin."""
        for pipe in self.pipes:
            pipe.stop_faults()

    def black_out(self) -> None:
        """Swallow all that the agent says from now on, on later connections too."""
        self._blackout = True
        for pipe in self.pipes:
            pipe.swallow("up")

    async def _wait_for_next(self, pipe: Pipe) -> None:
        """Wait until the server has answered on a connection that came after this one."""
        deadline = time.monotonic() + _LATE
        while time.monotonic() < deadline:
            if any(other.born > pipe.born and other.answered > 1 for other in self.pipes):
                return
            await asyncio.sleep(0.005)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        pipe: Pipe | None = None
        try:
            server = await asyncio.open_connection("127.0.0.1", self._server_port, limit=READ)
            pipe = Pipe((reader, writer), server, self._wait_for_next)
            self.pipes.append(pipe)
            if self._blackout:
                pipe.swallow("up")
            await pipe.run()
        except (OSError, asyncio.CancelledError):
            pass  # the server, or the proxy, is at its end
        finally:
            if pipe is not None:
                self.pipes.remove(pipe)
            self._serving.discard(task)
            writer.transport.abort()


class FaultProxy:
    """A lane for each agent, and the count of what was injected.

    Args:
        count: how many agents.
        seed: what is drawn.
        server_port: where the server listens.
        refuse, close: called with an agent and what to draw from: server-side faults.
        limit: faults after which it stops.
        only: the names of the faults to draw from; by default all.
    """

    def __init__(
        self,
        count: int,
        seed: int,
        server_port: int,
        refuse: Callable[[int, Random], None],
        close: Callable[[int, Random], None],
        limit: int,
        only: Sequence[str] = (),
    ) -> None:
        weights = {name: weight for name, weight in WEIGHTS.items() if not only or name in only}
        self.injected: Counter[str] = Counter()
        self.log: list[tuple[float, int, str]] = []  # moment, agent, fault
        self._limit = limit
        self._injectors: list[asyncio.Task[None]] = []
        self.lanes = [
            Lane(
                server_port,
                Random(f"{seed}/{agent}"),
                partial(refuse, agent),
                partial(close, agent),
                partial(self._count, agent),
                weights,
            )
            for agent in range(count)
        ]

    async def start(self) -> None:
        """Listen on all lanes; nothing is injected yet."""
        for lane in self.lanes:
            await lane.start()

    def inject_faults(self) -> None:
        """Inject faults until there were enough."""
        self._injectors = [asyncio.create_task(lane.inject_faults()) for lane in self.lanes]

    def stop_faults(self) -> None:
        """Inject no more, and end what is under way."""
        for task in self._injectors:
            task.cancel()
        for lane in self.lanes:
            lane.stop_faults()

    async def close(self) -> None:
        """End everything."""
        self.stop_faults()
        await asyncio.gather(*self._injectors, *(lane.close() for lane in self.lanes), return_exceptions=True)

    def _count(self, agent: int, name: str) -> None:
        self.injected[name] += 1
        self.log.append((time.monotonic(), agent, name))
        if self.injected.total() >= self._limit:
            for task in self._injectors:
                task.cancel()
