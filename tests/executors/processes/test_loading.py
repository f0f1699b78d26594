"""Which files a process loads, how far, and what is said where that fails."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time

import pytest

from arinova_agent_sync import ExecutorError, ProcessExecutor

from .test_process_executor import is_alive, wait_until


def run_program(tmp_path, server, text, *, command=("program.py",), timeout=30):
    """Run a program that connects an agent and answers one message; return what it printed."""
    (tmp_path / "program.py").write_text(textwrap.dedent(text))
    environment = {"ARINOVA_SERVER_URL": server.url, "ARINOVA_BOT_TOKEN": server.bot_token, "PATH": ""}
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def answer(tmp_path, server, text, **options):
    program = run_program(tmp_path, server, text, **options)
    try:
        reply = server.conversation().say("hi", wait_for_agent=15)
        reply.wait(10)
        return reply
    finally:
        program.kill()
        program.communicate()


AGENT = """
    import os
    from arinova_agent_sync import ArinovaAgent, ProcessExecutor
    agent = ArinovaAgent(executor=ProcessExecutor(1), {options})
    class Shop:
        def handle(self, task):
            return f"{{__name__}} {{os.getpid() != {pid}}}"
    {register}
    {start}
"""


@pytest.mark.parametrize(
    ("register", "start", "options"),
    [
        ("agent.on_task(Shop().handle)", "agent.run()", ""),
        ("agent.on_task(Shop().handle)", "if __name__ == '__main__': agent.run()", ""),
        ("agent.on_task(lambda task: Shop().handle(task))", "agent.connect(); agent.wait()", ""),
        (
            "agent.on_task(lambda task: Shop().handle(task))",
            "agent.__enter__().wait()",
            "error_text=lambda e: 'x'",
        ),
        ("@agent.on_task\n    def handle(task):\n        return Shop().handle(task)", "agent.run()", ""),
    ],
)
def test_a_main_script_is_loaded_up_to_its_start(tmp_path, server, register, start, options):
    text = AGENT.format(options=options, register=register, start=start, pid="0")
    reply = answer(tmp_path, server, text)
    assert (reply.status, reply.text) == ("completed", "__mp_main__ True")


def test_several_agents_of_one_line(tmp_path, server):
    text = """
        from arinova_agent_sync import ArinovaAgent, ProcessExecutor
        agents = [ArinovaAgent(executor=ProcessExecutor(1)) for _ in range(3)]
        for number, agent in enumerate(agents):
            agent.on_task(lambda task, number=number: f"agent {number}")
        agents[1].run()
    """
    assert answer(tmp_path, server, text).text == "agent 1"


def test_an_agent_under_the_guard_with_handlers_at_the_top(tmp_path, server):
    text = """
        import os
        from arinova_agent_sync import ArinovaAgent, ProcessExecutor
        def handle(task):
            return __name__
        if __name__ == "__main__":
            agent = ArinovaAgent(executor=ProcessExecutor(1))
            agent.on_task(handle)
            agent.run()
    """
    assert answer(tmp_path, server, text).text == "__mp_main__"


def test_a_module_that_python_was_given_with_m(tmp_path, server):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "words.py").write_text("WORD = 'relative'")
    (tmp_path / "shop" / "bot.py").write_text(
        textwrap.dedent("""
        from arinova_agent_sync import ArinovaAgent, ProcessExecutor
        from .words import WORD
        agent = ArinovaAgent(executor=ProcessExecutor(1))
        agent.on_task(lambda task: WORD)
        agent.run()
        """)
    )
    assert answer(tmp_path, server, "", command=("-m", "shop.bot")).text == "relative"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("agent.on_task(make())\nagent.run()", "another process cannot find make.<locals>.handle"),
        (
            "if __name__ == '__main__':\n    agent = ArinovaAgent(executor=ProcessExecutor(1))\n"
            "    agent.on_task(lambda task: 'x')\n    agent.run()",
            "made no agent at line",
        ),
        (
            "agent.on_task(handle)\nif __name__ != '__main__': raise KeyError('not here')\nagent.run()",
            "KeyError: 'not here'",
        ),
        (
            "agent.on_task(handle)\nif __name__ != '__main__': raise SystemExit(3)\nagent.run()",
            "SystemExit(3)",
        ),
        (
            "agent.on_task(handle)\nimport os\nif __name__ != '__main__': os._exit(4)\nagent.run()",
            "ended while it loaded them (exit code 4)",
        ),
    ],
)
def test_what_cannot_be_loaded_is_an_error_of_connect(tmp_path, server, text, said):
    head = textwrap.dedent("""
        from arinova_agent_sync import ArinovaAgent, ProcessExecutor
        def make():
            def handle(task): return "x"
            return handle
        def handle(task): return "x"
        def new(): return ArinovaAgent(executor=ProcessExecutor(1))
        agent = new()
    """)
    program = run_program(tmp_path, server, head + text)
    output, _ = program.communicate(timeout=30)
    assert said in output
    assert "ExecutorError" in output
    assert program.returncode == 1


def test_a_process_that_is_killed_while_it_loads_is_replaced(tmp_path, server):
    text = """
        import os, signal
        from pathlib import Path
        from arinova_agent_sync import ArinovaAgent, ProcessExecutor
        agent = ArinovaAgent(executor=ProcessExecutor(1))
        if __name__ != "__main__" and not Path("mark").exists():
            Path("mark").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        @agent.on_task
        def handle(task):
            return "loaded"
        agent.run()
    """
    assert answer(tmp_path, server, text).text == "loaded"


def test_standard_input_has_no_file(tmp_path, server):
    text = textwrap.dedent("""
        from arinova_agent_sync import ArinovaAgent, ProcessExecutor
        agent = ArinovaAgent(server_url="http://127.0.0.1:1", bot_token="x", executor=ProcessExecutor(1))
        def handle(task): return "x"
        agent.on_task(handle)
        agent.connect()
    """)
    done = subprocess.run([sys.executable, "-"], input=text, capture_output=True, text=True, timeout=30)
    assert (
        "ExecutorError: handlers of a notebook, of an interactive session or of standard input" in done.stderr
    )


def test_a_closure_here(server, make_agent):
    agent = make_agent(server, executor=ProcessExecutor(1))
    agent.on_task(lambda task: "x")
    with pytest.raises(
        ExecutorError, match=r"another process cannot find .*<lambda>: define handlers at the top"
    ):
        agent.connect(5)


def test_no_process_outlives_a_gateway_that_is_killed(tmp_path, server):
    text = """
        import os, time
        from arinova_agent_sync import ArinovaAgent, ProcessExecutor
        agent = ArinovaAgent(executor=ProcessExecutor(2))
        @agent.on_task
        def handle(task):
            yield f"{os.getpid()} "
            time.sleep(60)
        agent.run()
    """
    program = run_program(tmp_path, server, text)
    try:
        pids = [int(server.conversation().say("hi", wait_for_agent=15).wait_for_text(" ")) for _ in range(2)]
        assert all(map(is_alive, pids))
    finally:
        program.kill()
        began = time.monotonic()
        program.communicate()
    wait_until(lambda: not any(map(is_alive, pids)))
    assert time.monotonic() - began < 1.0
