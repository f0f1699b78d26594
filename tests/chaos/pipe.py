"""A connection through the proxy, and what can happen to it."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Literal

Way = Literal["up", "down"]

READ = 16 * 1024  # bytes at a time
_LINGER = struct.pack("ii", 1, 0)
_GONE = 1.2  # seconds after which a dead connection is reset: longer than an agent waits for a sign of life


class Pipe:
    """One connection of an agent, and the proxy's to the server.

    Args:
        client, server: the two connections.
        wait_for_next: waits until the agent's next connection is up, or long enough.

    Attributes:
        born: when it was made.
        answered: how many times something came from the server.
        dead: whether an outage is on: it will never be whole again.
    """

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        wait_for_next: Callable[[Pipe], Awaitable[None]],
    ) -> None:
        self._wait_for_next = wait_for_next
        self._client, self._server = client, server
        self.born = time.monotonic()
        self.answered = 0
        self.dead = False
        self._swallow: set[Way] = set()
        self._held: list[bytes] | None = None
        self._behind: float | None = None
        self._cut: float | None = None
        self._drip = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Forward until both ends are gone."""
        up = asyncio.create_task(self._pump("up", self._client[0], self._server[1]))
        down = asyncio.create_task(self._pump("down", self._server[0], self._client[1]))
        try:
            await up
            if self._held is not None:
                await self._deliver_late(self._held)
            elif not self.dead:
                attempt(self._server[1].write_eof)
                await asyncio.wait({down}, timeout=0.5)
        finally:
            for task in (down, up, *self._tasks):
                task.cancel()
            await asyncio.gather(down, up, *self._tasks, return_exceptions=True)
            self._client[1].transport.abort()
            self._server[1].transport.abort()

    # Faults

    def inject(self, name: str, random: Random) -> None:
        """Let a fault happen; those of the server happen there."""
        tells = random.random() < 0.5
        match name:
            case "fin":
                self.fin()
            case "reset" | "refuse":
                self.reset()
            case "half open":
                self.swallow("up", "down")
            case "half open, up":
                self.swallow("up")
            case "half open, down":
                self.swallow("down")
            case "freeze":
                self.freeze(random.uniform(0.05, 0.35))
            case "drip":
                self.drip(random.randint(100, 600))
            case "cut":
                self.cut(random.random())
            case "late":
                self.hold(random.uniform(0.0, 0.1))
            case "late, before the next":
                self.hold(None)
            case "close":
                pass
            case _:
                raise ValueError(f"unknown fault {name!r}")
        if name.startswith("half open") and tells:
            self.part_from_server()

    def stop_faults(self) -> None:
        """Be whole again, or gone."""
        self._cut = None
        if self.dead:
            self.reset()

    def swallow(self, *ways: Way) -> None:
        """Let bytes vanish from now on; the connection stays up."""
        self._break()
        self._swallow.update(ways)

    def fin(self) -> None:
        """End both connections in order; what the agent still writes vanishes."""
        self.swallow("up", "down")
        attempt(self._server[1].close)
        attempt(self._client[1].write_eof)

    def reset(self) -> None:
        """End the agent's connection with a RST, the server's too."""
        self.dead = True
        for _, writer in (self._server, self._client):
            reset(writer)

    def part_from_server(self) -> None:
        """Let the server know at once; the agent hears nothing."""
        self.swallow("up", "down")
        attempt(self._server[1].close)

    def freeze(self, seconds: float) -> None:
        """Forward nothing for a while."""
        self._flowing.clear()
        asyncio.get_running_loop().call_later(seconds, self._flowing.set)

    def drip(self, count: int) -> None:
        """Forward the next so many bytes one by one, in both directions."""
        self._drip = count

    def cut(self, share: float) -> None:
        """Forward only a share of what comes next from the agent, and end both connections."""
        self._cut = share

    def hold(self, behind: float | None) -> None:
        """Keep what the agent writes from now on, and deliver it late.

        Args:
            behind: seconds after the agent's next connection is up; then it is discarded if the agent resets this
                one. None for before the next connection, whatever the agent does: the network had it already.
        """
        self._break()
        self._swallow.add("down")
        self._held, self._behind = [], behind

    def _break(self) -> None:
        self.dead = True
        self._flowing.set()
        self._tasks.add(asyncio.create_task(self._expire()))

    async def _expire(self) -> None:
        await asyncio.sleep(_GONE)
        if self._behind is not None:
            self._held = None  # as if the agent had reset it: after this RST it cannot any more
        reset(self._client[1])

    # Forwarding

    async def _pump(self, way: Way, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        was_reset = False
        try:
            while data := await source.read(READ):
                await self._flowing.wait()
                await self._forward(way, data, sink)
        except OSError:
            was_reset = True
        if way == "up":
            if was_reset and self._behind is not None:
                self._held = None
        elif not self.dead:  # the server has ended it
            await asyncio.sleep(0.01)
            attempt(self.reset if was_reset else self._client[1].write_eof)

    async def _forward(self, way: Way, data: bytes, sink: asyncio.StreamWriter) -> None:
        if way == "down":
            self.answered += 1
        elif self._held is not None:
            self._held.append(data)
            return
        elif self._cut is not None and len(data) > 1:
            sink.write(data[: max(1, int(len(data) * self._cut))])
            self._cut = None
            if len(data) % 2:
                self.fin()
            else:
                self.reset()
            return
        if way in self._swallow:
            return
        if self._drip > 0:
            drops, data = data[: self._drip], data[self._drip :]
            self._drip -= len(drops)
            for at in range(len(drops)):
                if sink.is_closing():
                    return
                sink.write(drops[at : at + 1])
                await asyncio.sleep(0)
        sink.write(data)
        await sink.drain()

    async def _deliver_late(self, held: list[bytes]) -> None:
        if self._behind is not None:
            await self._wait_for_next(self)
            await asyncio.sleep(self._behind)
            if _was_reset(self._client[1]):
                return
        writer = self._server[1]
        writer.write(b"".join(held))
        await writer.drain()
        await asyncio.sleep(0.05)  # the server reads it before it sees the end


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with a RST."""
    sock = writer.get_extra_info("socket")
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    except OSError:
        pass  # closed already
    writer.transport.abort()


def attempt(act: Callable[[], object]) -> None:
    """Do something to an end that may be gone."""
    try:
        act()
    except (OSError, RuntimeError):
        pass  # that end is gone already


def _was_reset(writer: asyncio.StreamWriter) -> bool:
    """Tell whether a RST came behind the FIN: asyncio reads no further than that."""
    sock = writer.get_extra_info("socket")
    return bool(sock.fileno() >= 0 and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
