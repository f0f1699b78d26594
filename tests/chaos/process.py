"""The process of the truth server and the proxy before it, and the handle by which a run holds it."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import trustme

from .fault_proxy import FaultProxy
from .truth import Mood, Truth
from .truth_server import TruthServer

_CODES = (1000, 1001, 1011, 1012, 1013, 4000, 4001)
_REFUSALS: Sequence[dict[str, object]] = (
    {"error": "Invalid bot token"},
    {"error": "Authentication timeout"},
    {"error": {"message": "try later", "code": "AUTH_SERVICE_UNAVAILABLE"}},
)


@dataclass(frozen=True)
class Options:
    """What to run.

    Attributes:
        faults: after how many the proxy stops.
        seed: what faults are drawn by.
        mood: what the end of a connection does to tasks.
        tls: whether to speak TLS.
        agents: how many.
        rate: tasks a second for each agent.
        only: the names of the faults to draw from; by default all.
        black_out: whether the network dies at last, just before ``disconnect()``.
    """

    faults: int
    seed: int = 1
    mood: Mood = "outlive"
    tls: bool = False
    agents: int = 24
    rate: float = 8.0
    only: Sequence[str] = ()
    black_out: bool = True


class ServerProcess:
    """A truth server and its proxy in a process of their own.

    Attributes:
        ports: the proxy's, one for each agent.
        certificate: whom to trust, in PEM; empty without TLS.
    """

    def __init__(self, options: Options) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, json.dumps(asdict(options))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )
        hello = self._read()
        self.ports: list[int] = hello["ports"]
        self.certificate: str = hello["certificate"]

    @property
    def url(self) -> str:
        """Where the first agent connects to."""
        return self.url_of(0)

    def url_of(self, agent: int) -> str:
        """Return where an agent connects to."""
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.ports[agent]}"

    def ask(self, command: str) -> Any:
        """Have the process do something, and return its answer.

        Args:
            command: one of
                "start": begin to give tasks and to inject faults;
                "stop faults": give no more tasks, inject no more faults;
                "count": return the faults so far, by name;
                "task": give each agent one task;
                "black out": swallow all that agents say from now on;
                "rows": return what the server holds;
                "log": return what it has seen, and the faults.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the truth server's process has ended")
        return json.loads(line)


class _Host:
    """What runs in the process."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._truth = Truth(options.mood, time.monotonic)
        self._certificate = ""
        context: ssl.SSLContext | None = None
        if options.tls:
            authority = trustme.CA()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("127.0.0.1").configure_cert(context)
            self._certificate = authority.cert_pem.bytes().decode()
        self._server = TruthServer(self._truth, options.agents, context)
        self._feeders: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        await self._server.start()
        options = self._options
        self._proxy = FaultProxy(
            options.agents,
            options.seed,
            self._server.port,
            self._refuse,
            self._close,
            options.faults,
            options.only,
        )
        await self._proxy.start()
        hello = {"ports": [lane.port for lane in self._proxy.lanes], "certificate": self._certificate}
        print(json.dumps(hello), flush=True)
        commands = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
        while line := await commands.readline():
            answer = json.dumps(self._do(line.decode().strip()))
            await asyncio.to_thread(print, answer, flush=True)  # who reads it may be slow
        transport.close()
        self._stop_feeding()
        await self._proxy.close()
        await self._server.close()

    def _do(self, command: str) -> object:
        match command:
            case "start":
                self._feeders = [
                    asyncio.create_task(self._feed(agent)) for agent in range(self._options.agents)
                ]
                self._proxy.inject_faults()
            case "stop faults":
                self._stop_feeding()
                self._proxy.stop_faults()
            case "task":
                for agent in range(self._options.agents):
                    self._server.give_task(agent)
            case "black out":
                for lane in self._proxy.lanes:
                    lane.black_out()
            case "rows":
                return [vars(row) for row in self._truth.rows.values()]
            case "log":
                return {"seen": [vars(seen) for seen in self._truth.seen], "faults": self._proxy.log}
        return self._proxy.injected

    async def _feed(self, agent: int) -> None:
        pause = 1 / self._options.rate
        await asyncio.sleep(pause * agent / self._options.agents)
        while True:
            self._server.give_task(agent)
            await asyncio.sleep(pause)

    def _stop_feeding(self) -> None:
        for feeder in self._feeders:
            feeder.cancel()

    def _refuse(self, agent: int, random: Random) -> None:
        self._server.refuse_next(agent, random.choice(_REFUSALS))

    def _close(self, agent: int, random: Random) -> None:
        self._server.close_with(agent, random.choice(_CODES))


if __name__ == "__main__":
    # It warns of writing to a peer that is gone, which is what this is for.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    asyncio.run(_Host(Options(**json.loads(sys.argv[1]))).run())
