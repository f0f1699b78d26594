"""Stops in programs of their own: signal handlers, second signals, multiprocessing, the interpreter's exit."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

# A signal comes in the middle of whatever the main thread does, again and again.
DISCONNECT_IN_A_SIGNAL_HANDLER = """
    import itertools
    streamed = []

    def send():
        try:
            agent.send_message("11111111-1111-4111-8111-111111111111", "x")
        except Exception:
            pass  # over HTTP, once the socket is gone: there is no such conversation

    @agent.on_task
    def handle(task):
        task.detach()
        streamed.append(task)

    signal.signal(signal.SIGALRM, lambda *_: agent.disconnect(0.3))
    for round in range({rounds}):
        agent.connect(5)
        signal.setitimer(signal.ITIMER_REAL, 0.001 + 0.0007 * (round % 7))
        begin = time.monotonic()
        while not agent.wait(1e-6):
            {call}
            if time.monotonic() - begin > 4:
                say("it goes on")
                os._exit(1)
    say("ended")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "call",
    [
        "agent.wait(1e-6)",
        "agent.stats()",
        "repr(agent), agent.connected",
        "streamed and streamed[-1].send_chunk('x')",
        "send()",
    ],
    ids=["wait", "stats", "repr", "send_chunk", "send_message"],
)
def test_disconnect_in_a_signal_handler_ends_the_agent(server, script, call):
    rounds = 8 if "streamed" in call else 30
    body = DISCONNECT_IN_A_SIGNAL_HANDLER.replace("{call}", call).replace("{rounds}", str(rounds))
    if "streamed" in call:
        body = body.replace(
            "agent.connect(5)\n", "agent.connect(5)\n        say('connected'); sys.stdin.readline()\n"
        )
        program = script(body, stdin=True)
        for _ in range(rounds):
            assert program.line() == "connected"
            server.conversation().say("hi")
            program.say("")
    else:
        program = script(body)
    code, output, errors = program.end(50)
    assert (code, output.splitlines()[-1:]) == (0, ["ended"])
    # What was sent in the last moment may not have arrived, which is said.
    assert [
        line for line in errors.splitlines() if not line.endswith(("may not have arrived", "be delivered"))
    ] == []


def test_disconnect_in_a_signal_handler_during_connect_calls_it_off(script):
    program = script(
        """
        import socket
        from arinova_agent_sync import ConnectionLost
        listener = socket.create_server(("127.0.0.1", 0))
        agent = ArinovaAgent(server_url="http://127.0.0.1:%d" % listener.getsockname()[1])
        agent.on_task(lambda task: "hi")
        signal.signal(signal.SIGTERM, lambda *_: agent.disconnect(1))
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        try:
            agent.connect(20)
        except ConnectionLost as error:
            say(error)
        listener.close()
        """
    )
    begin = time.monotonic()
    code, output, _ = program.end()
    assert (code, output) == (0, "disconnect() called")
    assert time.monotonic() - begin < 8


STREAMING = """
    @agent.on_task
    def handle(task):
        task.send_chunk("half an answer")
        say("streamed")
        time.sleep(60)

    @agent.on_connected
    def connected():
        say("connected")

    agent.run()
    say("over")
"""


def test_a_second_signal_keeps_what_was_streamed(server, script):
    program = script(STREAMING)
    assert program.line() == "connected"
    reply = server.conversation().say("hi")
    assert program.line() == "streamed"
    program.signal(signal.SIGTERM)
    late = server.conversation()
    while late.say("late").wait(5) != "error":
        pass  # until one is refused: the first signal was taken
    program.signal(signal.SIGTERM)
    assert (reply.wait(5), reply.text) == ("completed", "half an answer")
    code, output, _ = program.end()
    assert (code, output.splitlines()[-1]) == (0, "over")


def test_signals_in_a_hurry_end_run_once(server, script):
    program = script(STREAMING)
    assert program.line() == "connected"
    server.conversation().say("hi")
    assert program.line() == "streamed"
    for _ in range(20):
        program.signal(signal.SIGINT)
        time.sleep(0.002)
        if program.process.poll() is not None:
            break
    begin = time.monotonic()
    program.end()
    assert time.monotonic() - begin < 5


POOL = """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    def square(number):
        return number * number

    @agent.on_task
    def handle(task):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return str(pool.submit(square, 7).result())

    @agent.on_connected
    def connected():
        say("connected")
"""


def test_a_child_of_multiprocessing_works_behind_the_guard(server, script, tmp_path):
    program = script(POOL + '\n    if __name__ == "__main__":\n        agent.run()\n', tmp_path / "agent.py")
    assert program.line() == "connected"
    reply = server.conversation().say("hi")
    assert (reply.wait(20), reply.text) == ("completed", "49")
    program.signal(signal.SIGINT)
    assert program.end()[0] == 0
    assert [frame.type for frame in server.frames].count("agent_auth") == 1


@pytest.mark.slow
def test_a_child_of_multiprocessing_without_the_guard_is_told(server, script, tmp_path):
    program = script(POOL + "\n    agent.run()\n", tmp_path / "agent.py")
    assert program.line() == "connected"
    reply = server.conversation().say("hi")
    assert reply.wait(20) == "error"
    program.signal(signal.SIGINT)
    code, _, errors = program.end()
    assert code == 0
    assert "RuntimeError: a process that multiprocessing started runs the main script again" in errors
    assert 'if __name__ == "__main__":' in errors
    assert [frame.type for frame in server.frames].count("agent_auth") == 1


POOLS_AT_EXIT = """
    import asyncio
    from concurrent.futures import ThreadPoolExecutor
    started = threading.Event()
    pool = ThreadPoolExecutor(4)

    {handler}

    agent.connect(5)
    say("connected")
    started.wait(10)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    (3, 12, 0) <= sys.version_info < (3, 12, 3),
    reason="these start no thread from the moment on when the main thread ends (CPython issue 113964)",
)
@pytest.mark.parametrize(
    "handler",
    [
        """
    @agent.on_task
    async def handle(task):
        started.set()
        await asyncio.sleep(0.3)
        return await asyncio.to_thread(str, 49)
""",
        """
    @agent.on_task
    def handle(task):
        started.set()
        time.sleep(0.3)
        return pool.submit(str, 49).result()
""",
        """
    @agent.on_task
    def handle(task):
        started.set()
        time.sleep(0.3)
        found = []
        thread = threading.Thread(target=lambda: found.append("49"))
        thread.start()
        thread.join()
        return found[0]
""",
    ],
    ids=["to_thread", "pool", "thread"],
)
def test_thread_pools_work_while_the_interpreter_exits(server, script, handler):
    program = script(POOLS_AT_EXIT.replace("\n    {handler}\n", handler))
    assert program.line() == "connected"
    reply = server.conversation().say("hi")
    assert (reply.wait(8), reply.text) == ("completed", "49")
    assert program.end()[0] == 0


def test_a_fork_in_a_handler_leaves_the_parent_alone(server, script):
    program = script(
        """
        @agent.on_task
        def handle(task):
            child = os.fork()
            if child == 0:
                try:
                    agent.disconnect(1)
                    assert agent.wait(1)
                    task.send_chunk("from the child")
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
            return "from the parent"

        @agent.on_connected
        def connected():
            say("connected")

        agent.run()
        """
    )
    assert program.line() == "connected"
    for _ in range(3):
        reply = server.conversation().say("hi")
        assert (reply.wait(5), reply.text) == ("completed", "from the parent")
    assert [frame.type for frame in server.frames].count("agent_auth") == 1
    program.signal(signal.SIGINT)
    assert program.end()[0] == 0


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the system does not tell")
def test_two_thousand_lives_leave_memory_flat(server, script):
    program = script(
        """
        import gc

        def memory():
            gc.collect()
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024, len(gc.get_objects())

        def live(times):
            for _ in range(times):
                agent = ArinovaAgent(shutdown_timeout=5.0)
                agent.on_task(lambda task: "x")
                agent.connect(5)
                agent.disconnect(1)
            return memory()

        live(300)
        print(*live(200), *live(1500), threading.active_count())
        """
    )
    code, output, errors = program.end(120)
    assert code == 0, errors
    size, objects, size_after, objects_after, threads = map(int, output.split())
    assert threads == 1
    assert objects_after - objects < 50
    print("KiB and objects", output)
    assert size_after - size < 2_048  # KiB
