"""What each call makes of each life: calls at once, calls that meet an end, ends that meet trouble."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
import signal
import socket
import sys
import threading
import time
import weakref

import pytest

from arinova_agent_sync import ArinovaAgent, ConnectionLost, ConnectTimeout, run
from arinova_agent_sync.local import LocalServer

from .test_rescue import Desk, answer_late


class Busy:
    """A handler that runs until it is released."""

    def __init__(self) -> None:
        self.started, self.release = threading.Event(), threading.Event()

    def __call__(self, task):
        self.started.set()
        assert self.release.wait(20)
        return "done"


@pytest.fixture
def busy():
    handler = Busy()
    yield handler
    handler.release.set()


def occupied(server, make_agent, busy, **options):
    """Return an agent whose handler runs, and the reply that it is to give."""
    agent = make_agent(server, **options)
    agent.on_task(busy)
    agent.connect(5)
    reply = server.conversation().say("hi")
    assert busy.started.wait(5)
    return agent, reply


def wait_for_life(agent, life):
    deadline = time.monotonic() + 5
    while agent.stats().life != life:
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Call:
    """A call in a thread of its own: what it raised, and how long it took."""

    def __init__(self, function, *args) -> None:
        self.error: BaseException | None = None
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._run, args=(function, *args))
        self._thread.start()

    def _run(self, function, *args) -> None:
        begin = time.monotonic()
        try:
            function(*args)
        except BaseException as error:
            self.error = error
        self.seconds = time.monotonic() - begin

    def join(self, timeout=10.0) -> Call:
        self._thread.join(timeout)
        assert not self._thread.is_alive()
        return self


# Starts


def test_disconnect_calls_off_a_start_that_replaces_an_older_agent(server, make_agent, busy):
    older, reply = occupied(server, make_agent, busy)
    newer = make_agent(server)
    start = Call(newer.connect)
    wait_for_life(older, "draining")
    newer.disconnect(2)
    assert isinstance(start.join(2).error, ConnectionLost)
    assert newer.stats().life == "stopped"
    busy.release.set()
    assert (reply.wait(5), reply.text) == ("completed", "done")
    assert older.wait(5)
    assert not newer.connected


def test_connect_keeps_its_timeout_while_it_replaces_an_older_agent(server, make_agent, busy):
    older, _ = occupied(server, make_agent, busy)
    newer = make_agent(server)
    start = Call(newer.connect, 0.2).join()
    assert isinstance(start.error, ConnectTimeout)
    assert start.seconds < 1
    assert not newer.connected  # never both
    busy.release.set()
    newer.connect(5)  # it went on
    assert older.stats().life == "stopped"


def test_a_disconnect_while_the_engine_is_made_calls_the_start_off(server, make_agent):
    agent = make_agent(server)
    make = agent._lives._make

    def slow_make():
        engine = make()
        Call(agent.disconnect, 1).join()
        return engine

    agent._lives._make = slow_make
    with pytest.raises(ConnectionLost, match=r"disconnect\(\) called"):
        agent.connect(5)
    agent._lives._make = make
    assert not agent.connected
    agent.connect(5)


def test_connect_in_a_handler_of_an_agent_that_ends_says_where_to_call_it(server, make_agent):
    agent, errors = make_agent(server), []

    @agent.on_task
    def handle(task):
        agent.disconnect()
        begin = time.thread_time()
        try:
            agent.connect(2)
        except RuntimeError as error:
            errors.append(error)
        return f"{time.thread_time() - begin < 0.5}"

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == ("completed", "True")
    assert "another thread" in str(errors[0])
    assert agent.wait(5)


def test_connect_in_a_callback_of_an_agent_that_ends_says_where_to_call_it(server, make_agent):
    agent, errors, tried = make_agent(server), [], threading.Event()

    @agent.on_connected
    def connected():
        agent.disconnect()
        try:
            agent.connect(2)
        except RuntimeError as error:
            errors.append(error)
        tried.set()

    agent.connect(5)
    assert tried.wait(5)
    assert agent.wait(5)
    # The end may have come before the second call, which starts the agent anew then.
    assert errors == [] or "another thread" in str(errors[0])


@pytest.mark.slow
def test_connect_while_the_agent_drains_keeps_its_timeout(server, make_agent, busy):
    agent, _ = occupied(server, make_agent, busy)
    stop = Call(agent.disconnect, 30)
    wait_for_life(agent, "draining")
    start = Call(agent.connect, 0.5).join()
    assert isinstance(start.error, ConnectTimeout)
    assert 0.4 < start.seconds < 1.5
    again = Call(agent.connect, 5)
    busy.release.set()
    assert again.join().error is None  # it waited for the end, and started anew
    assert stop.join().error is None
    assert agent.connected


def test_the_last_disconnect_wins_over_a_connect_that_waits_for_the_end(server, make_agent, busy):
    agent, _ = occupied(server, make_agent, busy)
    stop = Call(agent.disconnect, 30)
    wait_for_life(agent, "draining")
    start = Call(agent.connect)
    time.sleep(0.05)  # it may begin later: then it is no start that could be called off
    last = Call(agent.disconnect, 30)
    time.sleep(0.05)
    busy.release.set()
    for call in (stop, last, start):
        call.join()
    assert isinstance(start.error, ConnectionLost)
    assert not agent.connected


def test_a_name_that_is_never_looked_up_holds_nobody(monkeypatch):
    hang, look_up = threading.Event(), socket.getaddrinfo

    def slow(host, *args, **options):
        if host == b"chat.example.invalid" and not options["flags"]:
            hang.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "over")
        return look_up(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    agent = ArinovaAgent(server_url="http://chat.example.invalid", bot_token="ari_x", proxy="")
    with pytest.raises(ConnectTimeout):
        agent.connect(0.3)
    begin = time.monotonic()
    agent.disconnect()
    assert time.monotonic() - begin < 1
    assert agent.stats().life == "stopped"
    hang.set()


@pytest.mark.slow
def test_many_threads_and_many_lives(server, make_agent):
    """Of one token never two agents are online, and the list of live engines survives it."""
    before = sys.getswitchinterval()
    agents = [make_agent(server, shutdown_timeout=1.0) for _ in range(4)]
    tokens = [server.bot_token, *(server.add_agent(f"Other {number}").token for number in range(3))]
    others = [make_agent(server, bot_token=token) for token in tokens[1:]]
    strange: list[BaseException] = []

    def live(number):
        agent = [*agents, *others][number % 7]
        for _ in range(15):
            try:
                agent.connect(0.2)
            except (ConnectionLost, ConnectTimeout):
                pass
            except BaseException as error:
                strange.append(error)
            if sum(one.connected and not one._engine.state.stopping for one in agents) > 1:
                strange.append(AssertionError("two of one token"))
            try:
                agent.disconnect(0.2)
            except BaseException as error:
                strange.append(error)

    sys.setswitchinterval(1e-6)
    try:
        calls = [Call(live, number) for number in range(40)]
        for call in calls:
            assert call.join(50).error is None
    finally:
        sys.setswitchinterval(before)
    assert strange == []
    for agent in (*agents, *others):
        agent.disconnect(1)
        assert agent.wait(5)
    assert not any(agent.connected for agent in (*agents, *others))


# Stops


@pytest.mark.slow
def test_a_more_patient_disconnect_lets_the_handler_finish_by_the_earlier_deadline(server, make_agent):
    agent = make_agent(server, shutdown_timeout=30.0)
    started = threading.Event()

    @agent.on_task
    def handle(task):
        started.set()
        time.sleep(0.8)
        return "finished"

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert started.wait(5)
    first = Call(agent.disconnect, 2.0)
    wait_for_life(agent, "draining")
    agent.disconnect()
    first.join()
    assert (reply.wait(5), reply.text) == ("completed", "finished")
    assert first.seconds < 2.5


def test_what_a_handler_reports_while_the_agent_drains_is_sent(server, make_agent):
    agent = make_agent(server)
    started, go_on = threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        started.set()
        assert go_on.wait(5)
        agent.send_telemetry("session_start", {})
        agent.send_hud({"a": 1})
        agent.send_task_update("started", task="x")
        agent.report_tool_call(
            session_id="s", turn_id="t", seq_order=1, tool_name="n", input={}, success=True
        )
        return "the answer"

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert started.wait(5)
    stop = Call(agent.disconnect, 10)
    wait_for_life(agent, "draining")
    go_on.set()
    assert (reply.wait(5), reply.text) == ("completed", "the answer")
    assert stop.join().error is None
    sent = {frame.type for frame in server.frames if frame.direction == "in"}
    assert {"agent_telemetry", "hud_update", "task_update", "tool_call_report", "agent_complete"} <= sent
    with pytest.raises(ConnectionLost):
        agent.send_telemetry("session_start", {})


@pytest.mark.slow
def test_a_rescue_under_way_is_given_up_at_the_end(make_agent):
    desk, results = Desk("error", delay=8.0), []
    server, agent, _ = answer_late(make_agent, desk, results.append)
    with server:
        assert desk.looked.wait(5)
        begin = time.monotonic()
        agent.disconnect(1)
        assert time.monotonic() - begin < 2
        assert [result.text for result in results] == ["late answer"]
        # Its thread ends, too: it would post the message seconds later.
        deadline = time.monotonic() + 2
        while any(thread.name.startswith("arinova-worker") for thread in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert desk.sent == []


@pytest.mark.parametrize("level", ["INFO", "WARNING", "ERROR"])
def test_the_end_comes_though_a_log_handler_raises(server, make_agent, capfd, level):
    class Broken(logging.Handler):
        def emit(self, record):
            raise RuntimeError("the disk is full")

    broken, logger = Broken(getattr(logging, level)), logging.getLogger("arinova_agent_sync")
    before = logger.level
    logger.addHandler(broken)
    logger.setLevel(level)
    try:
        agent = make_agent(server)

        @agent.on_task
        def handle(task):
            raise LookupError("boom")

        agent.connect(5)
        for number in range(2, 4):
            server.inject("drop")  # the reader tells
            server.wait_for_agent(5, times=number)
        reply = server.conversation().say("hi")
        assert (reply.wait(5), reply.text) == ("error", "boom")
        with agent._engine.state.lock:
            agent._engine.state.schedule("ping", 0.0)  # the pinger goes on
        server.wait_for_frame("ping", 5)
        begin = time.monotonic()
        agent.disconnect(2)
        assert agent.wait(1)
        assert time.monotonic() - begin < 2
    finally:
        logger.removeHandler(broken)
        logger.setLevel(before)
    capfd.readouterr()


def test_an_agent_is_told_of_its_failure_though_its_reader_is_slow(server, make_agent):
    """The event was lost where the end came before the reader had told it."""
    agent = make_agent(server, bot_token="ari_wrong")
    told = threading.Event()
    agent.on_auth_failed(lambda error: told.set())

    class Slow(logging.Handler):
        def emit(self, record):
            if threading.current_thread().name == "arinova-reader":
                time.sleep(0.5)

    slow, logger = Slow(), logging.getLogger("arinova_agent_sync")
    logger.addHandler(slow)
    try:
        with pytest.raises(Exception, match="refused the token"):
            agent.connect(5)
        assert told.wait(2)
    finally:
        logger.removeHandler(slow)


@pytest.mark.slow
def test_calls_keep_their_timeouts_beside_a_callback_that_never_returns(server, make_agent):
    agent, release = make_agent(server), threading.Event()
    agent.on_connected(lambda: release.wait(20))
    agent.connect(5)
    assert Call(agent.disconnect, 1).join().seconds < 1
    assert Call(agent.wait, 0.1).join().seconds < 1
    release.set()


def test_an_interrupted_with_leaves_no_agent(server, monkeypatch):
    agent = ArinovaAgent(server_url=server.url, bot_token=server.bot_token)
    connect = agent.connect

    def interrupted():
        connect(5)
        raise KeyboardInterrupt

    monkeypatch.setattr(agent, "connect", interrupted)
    with pytest.raises(KeyboardInterrupt):
        agent.__enter__()
    assert agent.stats().life == "stopped"


# What hangs, fails or waits beside


def test_stop_reaches_an_async_handler_past_a_callback_that_never_returns(server, make_agent):
    import asyncio

    agent, release = make_agent(server), threading.Event()
    started, ended, told = threading.Event(), threading.Event(), threading.Event()
    agent.on_connected(lambda: release.wait(20))

    @agent.on_task
    async def handle(task):
        task.on_cancel(told.set)
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert started.wait(5)
    reply.cancel()
    assert ended.wait(2)
    assert told.wait(2)
    release.set()


def test_tracebacks_that_wait_for_a_blocked_callback_keep_little(server, make_agent):
    class Big:
        pass

    agent, release, alive = make_agent(server), threading.Event(), weakref.WeakSet()
    agent.on_error(lambda error: release.wait(30))

    @agent.on_task
    def handle(task):
        big = Big()
        alive.add(big)
        raise LookupError("boom")

    agent.connect(5)
    try:
        for reply in [server.conversation().say("hi") for _ in range(60)]:
            assert reply.wait(10) == "error"
        deadline = time.monotonic() + 5  # their threads are told after the server is
        while len(alive) > 20:
            assert time.monotonic() < deadline
            time.sleep(0.01)
            gc.collect()
    finally:
        release.set()


def test_detached_tasks_hold_no_worker(server, make_agent):
    agent, tasks = make_agent(server, max_workers=2, max_queued_tasks=0), []

    @agent.on_task
    def handle(task):
        task.detach()
        tasks.append(task)

    agent.connect(5)
    replies = []
    for number in range(30):
        replies.append(server.conversation().say("hi"))
        deadline = time.monotonic() + 5
        while len(tasks) <= number or agent.stats().running:
            assert time.monotonic() < deadline
            time.sleep(0.001)
    for task in tasks:
        task.send_complete("later")
    assert [reply.wait(5) for reply in replies] == ["completed"] * 30


def test_an_agent_that_a_factory_connected_stays_connected(server):
    def create_app():
        agent = ArinovaAgent(server_url=server.url, bot_token=server.bot_token)
        agent.on_task(lambda task: "hello")
        agent.connect(5)
        agents.append(weakref.ref(agent))
        return object()

    agents = []
    app = create_app()
    gc.collect()
    assert server.conversation().say("hi").wait(5) == "completed"
    from arinova_agent_sync.runtime import shutdown

    (engine,) = shutdown._live.all()
    engine.stop(1.0)
    assert engine.wait(5)
    assert app is not None


# Bad input


@pytest.mark.parametrize("move", [copy.copy, copy.deepcopy, pickle.dumps], ids=lambda move: move.__name__)
def test_an_agent_cannot_be_copied(server, make_agent, move):
    with pytest.raises(TypeError, match="make another ArinovaAgent"):
        move(make_agent(server))


def test_run_leaves_a_signal_that_was_ignored_ignored(server, make_agent):
    agent = make_agent(server)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    seen = []
    try:

        @agent.on_connected
        def connected():
            seen.append(signal.getsignal(signal.SIGINT))
            signal.raise_signal(signal.SIGINT)
            seen.append(agent.stats().life)
            agent.disconnect()

        run(agent)
        assert seen == [signal.SIG_IGN, "running"]
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_server_that_dies_while_a_handler_streams(make_agent):
    server = LocalServer(duplicate_window=0).start()
    agent, streaming = make_agent(server), threading.Event()
    results: list[str] = []
    agent.on_undelivered(lambda result: results.append(result.text))

    @agent.on_task
    def handle(task):
        for number in range(50):
            yield f"{number} "
            streaming.set()
            time.sleep(0.002)

    agent.connect(5)
    server.conversation().say("hi")
    assert streaming.wait(5)
    server.stop()
    begin = time.monotonic()
    agent.disconnect(2)
    assert time.monotonic() - begin < 3
    assert results == ["".join(f"{number} " for number in range(50))]
