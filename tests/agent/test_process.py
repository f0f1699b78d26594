"""Signals, the interpreter's exit and fork: each in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest

RUNNING = """
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    @agent.on_task
    def handle(task):
        say("started")
        time.sleep(float(task.content))
        return "finished"

    @agent.on_connected
    def connected():
        say("connected")

    agent.run()
    say("restored" if before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) else "lost")
"""

RAN_OUT = (
    "the program has come to its end, and its agent with it: agent.run() or agent.wait() keeps it connected"
)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_lets_handlers_finish(server, script, number):
    program = script(RUNNING)
    assert program.line() == "connected"
    reply = server.conversation().say("0.3")
    assert program.line() == "started"
    program.signal(number)
    assert (reply.wait(5), reply.text) == ("completed", "finished")
    errors = "connected as Agent\nfinishing 1 answer; Ctrl-C again to leave\n"
    assert program.end() == (0, "restored", errors)


def test_a_second_signal_leaves_now(server, script):
    program = script(RUNNING)
    assert program.line() == "connected"
    reply = server.conversation().say("60")
    assert program.line() == "started"
    program.signal(signal.SIGINT)
    while server.conversation().say("0").wait(5) != "error":
        pass  # until one is refused: the first signal was taken
    program.signal(signal.SIGINT)
    begin = time.monotonic()
    code, output, _ = program.end()
    assert (code, output.splitlines()[-1]) == (0, "restored")
    assert time.monotonic() - begin < 5
    assert reply.wait(5) == "error"


def test_a_signal_while_connecting_ends_run(script):
    program = script(
        """
        import socket
        listener = socket.create_server(("127.0.0.1", 0))
        agent = ArinovaAgent(server_url="http://127.0.0.1:%d" % listener.getsockname()[1])
        agent.on_task(lambda task: "hi")
        def accept():
            peer, _ = listener.accept()  # run() connects, so it has taken the signals over
            say("go")
            peer.recv(10_000)
            peer.recv(1)
            peer.close()
        threading.Thread(target=accept).start()
        agent.run()
        listener.close()
        say("over")
        """
    )
    assert program.line() == "go"
    program.signal(signal.SIGINT)
    code, output, errors = program.end()
    assert (code, output) == (0, "over")
    assert errors == "stopping; Ctrl-C again to leave now\n"


def test_run_raises_what_stopped_the_agent(script):
    program = script(
        """
        agent = ArinovaAgent(bot_token="ari_wrong")
        try:
            agent.run()
        except Exception as error:
            say(type(error).__name__)
        """
    )
    assert program.end()[:2] == (0, "AuthenticationError")


@pytest.mark.slow
@pytest.mark.parametrize(
    "stuck",
    ["time.sleep(600)", "\n                while True: pass", "\n                while True: print(end='')"],
    ids=["asleep", "spinning", "printing"],
)
def test_the_process_ends_beside_a_handler_that_never_returns(server, script, stuck):
    program = script(
        f"""
        agent._settings = __import__("msgspec").structs.replace(agent._settings, exit_timeout=0.5)

        @agent.on_task
        def handle(task):
            say("stuck")
            if True: {stuck}

        agent.connect(5)
        say("connected")
        sys.stdin.readline() if False else threading.Event().wait(1.0)
        """
    )
    assert program.line() == "connected"
    server.conversation().say("hi")
    assert program.line() == "stuck"
    code, _, errors = program.end()
    assert code == 0
    *said, left = errors.splitlines()
    assert said == [RAN_OUT, "finishing 1 answer; Ctrl-C again to leave"]
    assert re.fullmatch(r"left behind, since they did not end in time: the handler of task \S+", left)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        ("pass", 0, [RAN_OUT]),
        ("sys.exit(3)", 3, [RAN_OUT]),
        ("agent.disconnect()", 0, []),
        ("del sys.stderr; sys.stderr = None", 0, []),
        ("sys.ps1 = '>>> '", 0, []),
        ("import logging; logging.basicConfig(level='WARNING')", 0, []),
        ("threading.Thread(target=agent.run, daemon=True).start(); time.sleep(0.1)", 0, []),
    ],
)
def test_a_script_that_ends_in_connect_says_that_it_ran_out(script, end, code, said):
    program = script(
        f"""
        agent.on_task(lambda task: "hi")
        agent.connect(5)
        {end}
        """
    )
    ended = program.end()
    assert (ended[0], ended[2].splitlines()) == (code, said)


@pytest.mark.slow
def test_ctrl_c_in_a_with_block_says_what_it_waits_for(server, script):
    program = script(
        """
        @agent.on_task
        def handle(task):
            say("started")
            time.sleep(0.3)
            return "finished"

        with agent:
            say("connected")
            agent.wait()
        """
    )
    assert program.line() == "connected"
    reply = server.conversation().say("hi")
    assert program.line() == "started"
    program.signal(signal.SIGINT)
    assert (reply.wait(5), reply.text) == ("completed", "finished")
    errors = program.end()[2].splitlines()
    assert (errors[0], errors[-1]) == ("finishing 1 answer; Ctrl-C again to leave", "KeyboardInterrupt")
    assert RAN_OUT not in errors


@pytest.mark.slow
def test_one_that_fails_shows_its_error_alone(script):
    program = script('agent.on_task(lambda task: "hi")\nagent.connect(5)\n1 / 0')
    code, _, errors = program.end()
    assert (code, errors.splitlines()[-1]) == (1, "ZeroDivisionError: division by zero")
    assert RAN_OUT not in errors


@pytest.mark.slow
def test_at_the_interpreters_exit_running_handlers_finish(server, script):
    program = script(
        """
        started = threading.Event()

        @agent.on_task
        def handle(task):
            started.set()
            time.sleep(0.3)
            return "finished"

        agent.connect(5)
        say("connected")
        started.wait(10)
        """
    )
    assert program.line() == "connected"
    reply = server.conversation().say("hi")
    assert (reply.wait(5), reply.text) == ("completed", "finished")
    assert program.end()[0] == 0


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_is_as_new_and_leaves_the_parents_connection_alone(server, script):
    other = server.add_agent("Child")
    program = script(
        f"""
        import stat

        def is_socket(descriptor):
            try:
                return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
            except OSError:
                return False

        agent.on_task(lambda task: "parent")
        agent.connect(5)
        assert any(map(is_socket, range(3, 256)))
        child = os.fork()
        if child == 0:
            assert agent.stats().threads == 0, agent.stats()
            assert not any(map(is_socket, range(3, 256)))
            assert not agent.connected
            agent.disconnect()
            fresh = ArinovaAgent(bot_token={other.token!r})
            fresh.on_task(lambda task: "child")
            fresh.connect(5)
            say("connected")
            fresh.wait(2)
            os._exit(0)
        say("parent")
        agent.wait(30)
        """
    )
    assert {program.line(), program.line()} == {"connected", "parent"}
    assert server.conversation().say("hi").wait(5) == "completed"
    reply = server.conversation(agent=other).say("hi")
    assert (reply.wait(5), reply.text) == ("completed", "child")
    assert server.agent_connected
    program.process.kill()


def test_importing_loads_neither_asyncio_nor_an_http_library(script):
    program = script(
        """
        heavy = {"asyncio", "urllib3", "http.server", "concurrent.futures"} & set(sys.modules)
        say(sorted(heavy))
        """
    )
    assert program.end() == (0, "[]", "")


@pytest.mark.slow
def test_running_an_agent_loads_no_asyncio(server, script):
    program = script(
        """
        agent.on_task(lambda task: iter(["a", "b"]))
        agent.connect(5)
        say("connected")
        agent.wait(0.5)
        agent.disconnect()
        say(sorted({"asyncio", "urllib3", "http.server"} & set(sys.modules)))
        """
    )
    assert program.line() == "connected"
    assert server.conversation().say("hi").wait(5) == "completed"
    assert program.end() == (0, "[]", "")
