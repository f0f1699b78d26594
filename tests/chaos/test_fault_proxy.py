"""What each fault does to a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

import pytest

from . import pipe
from .fault_proxy import WEIGHTS, FaultProxy, Lane, draws
from .pipe import reset


class RecordingServer:
    """A server that keeps what each connection brings and answers each read with "!"."""

    def __init__(self) -> None:
        self.came: list[bytes] = []
        self.ended: list[bool] = []
        self.order: list[int] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.server: asyncio.Server | None = None

    async def start(self) -> int:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self.server.sockets[0].getsockname()[1])

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.came)
        self.came.append(b"")
        self.ended.append(False)
        self.writers.append(writer)
        with suppress(OSError):
            while data := await reader.read(65536):
                self.came[number] += data
                self.order.append(number)
                writer.write(b"!")
        self.ended[number] = True
        writer.close()


class Setup:
    """A lane to a server, and clients on it."""

    def __init__(self, server: RecordingServer, lane: Lane) -> None:
        self.server = server
        self.lane = lane

    async def client(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, and exchange a first word."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.lane.port)
        writer.write(b"hi ")
        assert await asyncio.wait_for(reader.readexactly(1), 2) == b"!"
        return reader, writer


def run_test(body: Callable[[Setup], Awaitable[None]]) -> None:
    """Run a test's body in an event loop."""

    async def run() -> None:
        server = RecordingServer()
        port = await server.start()
        lane = Lane(port, Random(1), lambda _: None, lambda _: None, lambda _: None, WEIGHTS)
        await lane.start()
        try:
            await asyncio.wait_for(body(Setup(server, lane)), 10)
        finally:
            await lane.close()
            assert server.server is not None
            server.server.close()
            for writer in server.writers:
                writer.transport.abort()
            await asyncio.sleep(0.01)

    asyncio.run(run())


async def until(true: Callable[[], object]) -> None:
    for _ in range(400):
        if true():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come true")


async def is_silent(reader: asyncio.StreamReader) -> bool:
    try:
        await asyncio.wait_for(reader.read(1), 0.1)
    except asyncio.TimeoutError:
        return True
    return False


def test_nothing_is_lost_without_a_fault() -> None:
    async def body(setup: Setup) -> None:
        reader, writer = await setup.client()
        text = b"x" * 300_000
        writer.write(text)
        writer.write_eof()
        await until(lambda: setup.server.ended[0])
        assert setup.server.came[0] == b"hi " + text
        assert set(await reader.read()) == set(b"!")
        writer.close()

    run_test(body)


@pytest.mark.parametrize(
    ("name", "arrives", "answers"),
    [("half open", False, False), ("half open, up", False, False), ("half open, down", True, False)],
)
def test_half_open(name: str, arrives: bool, answers: bool) -> None:
    async def body(setup: Setup) -> None:
        reader, writer = await setup.client()
        # A seed by which the server is not told.
        random = next(Random(seed) for seed in range(99) if Random(seed).random() >= 0.5)
        setup.lane.pipes[0].inject(name, random)
        writer.write(b"lost?")
        assert await is_silent(reader)
        assert setup.server.came[0] == (b"hi lost?" if arrives else b"hi ")
        assert not setup.server.ended[0]
        if name == "half open, up":
            setup.server.writers[0].write(b"task")
            assert await reader.readexactly(4) == b"task"
        writer.close()

    run_test(body)


def test_the_server_may_be_told_of_a_half_open_connection() -> None:
    async def body(setup: Setup) -> None:
        reader, writer = await setup.client()
        random = next(Random(seed) for seed in range(99) if Random(seed).random() < 0.5)
        setup.lane.pipes[0].inject("half open, down", random)
        await until(lambda: setup.server.ended[0])
        assert await is_silent(reader)
        writer.close()

    run_test(body)


@pytest.mark.slow
def test_a_dead_connection_is_reset_at_last() -> None:
    async def body(setup: Setup) -> None:
        reader, writer = await setup.client()
        setup.lane.pipes[0].inject("half open", Random(1))
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), 3)
        writer.close()

    run_test(body)


def test_stopping_the_faults_ends_what_is_dead_and_leaves_the_rest() -> None:
    async def body(setup: Setup) -> None:
        dead_reader, dead = await setup.client()
        reader, writer = await setup.client()
        setup.lane.pipes[0].swallow("up", "down")
        setup.lane.pipes[1].cut(0.5)
        setup.lane.stop_faults()
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(dead_reader.read(1), 0.5)
        writer.write(b"whole")
        assert await reader.readexactly(1) == b"!"
        assert setup.server.came[1] == b"hi whole"
        dead.close()
        writer.close()

    run_test(body)


def test_fin() -> None:
    async def body(setup: Setup) -> None:
        reader, writer = await setup.client()
        setup.lane.pipes[0].inject("fin", Random(1))
        assert await asyncio.wait_for(reader.read(1), 1) == b""
        writer.write(b"lost")
        await until(lambda: setup.server.ended[0])
        assert setup.server.came[0] == b"hi "
        writer.close()

    run_test(body)


def test_reset() -> None:
    async def body(setup: Setup) -> None:
        reader, writer = await setup.client()
        setup.lane.pipes[0].inject("reset", Random(1))
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), 1)
        await until(lambda: setup.server.ended[0])
        writer.close()

    run_test(body)


def test_cut() -> None:
    async def body(setup: Setup) -> None:
        reader, writer = await setup.client()
        setup.lane.pipes[0].cut(0.5)
        writer.write(b"12345678")
        with suppress(ConnectionResetError):
            while await asyncio.wait_for(reader.read(1), 1):
                pass
        await until(lambda: setup.server.ended[0])
        assert b"hi 1234".startswith(setup.server.came[0])  # a RST may overtake the last bytes
        writer.close()

    run_test(body)


def test_freeze() -> None:
    async def body(setup: Setup) -> None:
        reader, writer = await setup.client()
        setup.lane.pipes[0].freeze(0.3)
        writer.write(b"later")
        assert await is_silent(reader)
        assert setup.server.came[0] == b"hi "
        assert await asyncio.wait_for(reader.readexactly(1), 1) == b"!"
        assert setup.server.came[0] == b"hi later"
        writer.close()

    run_test(body)


def test_drip() -> None:
    async def body(setup: Setup) -> None:
        _, writer = await setup.client()
        setup.lane.pipes[0].drip(500)
        text = bytes(range(256)) * 4
        writer.write(text)
        await until(lambda: len(setup.server.came[0]) >= 3 + len(text))
        assert setup.server.came[0] == b"hi " + text
        assert len(setup.server.order) > 10
        writer.close()

    run_test(body)


@pytest.mark.parametrize("ends", ["FIN", "RST", "FIN, RST"])
@pytest.mark.parametrize("behind", [None, 0.02])
def test_late_bytes(behind: float | None, ends: str) -> None:
    async def body(setup: Setup) -> None:
        _, old = await setup.client()
        setup.lane.pipes[0].hold(behind)
        old.write(b"late")
        await asyncio.sleep(0.05)
        assert setup.server.came[0] == b"hi "
        if ends == "FIN":
            old.close()
        else:
            if ends == "FIN, RST":
                old.write_eof()
                await asyncio.sleep(0.02)
            reset(old)
        reader, new = await setup.client()
        new.write(b"more")
        await reader.readexactly(1)
        await until(lambda: setup.server.ended[0])
        if behind is None:
            assert setup.server.came[0] == b"hi late"
            assert setup.server.order[:2] == [0, 0]
        elif ends == "FIN":
            assert setup.server.came[0] == b"hi late"
            assert setup.server.order[:3] == [0, 1, 1]
        else:
            assert setup.server.came[0] == b"hi "
        new.close()

    run_test(body)


def test_late_bytes_do_not_outlive_a_reset_by_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe, "_GONE", 0.05)

    async def body(setup: Setup) -> None:
        reader, old = await setup.client()
        setup.lane.pipes[0].hold(0.02)
        old.write(b"late")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        reader, new = await setup.client()
        new.write(b"more")
        await until(lambda: setup.server.ended[0])
        assert setup.server.came[0] == b"hi "
        old.close()
        new.close()

    run_test(body)


def test_a_blackout_swallows_later_connections_too() -> None:
    async def body(setup: Setup) -> None:
        _, first = await setup.client()
        setup.lane.black_out()
        first.write(b"lost")
        reader, second = await asyncio.open_connection("127.0.0.1", setup.lane.port)
        second.write(b"lost")
        assert await is_silent(reader)
        assert setup.server.came == [b"hi ", b""]
        first.close()
        second.close()

    run_test(body)


def test_the_same_seed_draws_the_same_faults() -> None:
    def drawn(seed: object, details: int) -> list[tuple[float, str]]:
        faults = []
        for pause, name, random in draws(Random(f"{seed}"), WEIGHTS):
            faults.append((pause, name))
            for _ in range(details):
                random.random()
            if len(faults) == 200:
                return faults
        raise AssertionError

    assert drawn(1, 0) == drawn(1, 3) != drawn(2, 0)
    assert {name for _, name in drawn(1, 0)} == set(WEIGHTS)


@pytest.mark.slow
def test_faults_are_counted_and_end_at_the_limit() -> None:
    async def run() -> None:
        server = RecordingServer()
        proxy = FaultProxy(
            1, 1, await server.start(), lambda *_: None, lambda *_: None, 3, ("drip", "freeze")
        )
        await proxy.start()
        setup = Setup(server, proxy.lanes[0])
        _, writer = await setup.client()
        proxy.inject_faults()
        await until(lambda: proxy.injected.total() == 3)
        await asyncio.sleep(0.5)
        assert proxy.injected.total() == 3
        assert set(proxy.injected) <= {"drip", "freeze"}
        assert [(agent, name in proxy.injected) for _, agent, name in proxy.log] == [(0, True)] * 3
        writer.close()
        await proxy.close()
        assert server.server is not None
        server.server.close()
        await asyncio.sleep(0.01)

    asyncio.run(run())
