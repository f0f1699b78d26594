"""An agent in a process of its own: what of a target is run, what is told when it cannot be."""

import os
import textwrap
import threading

import pytest

from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.playground.child import InChild
from arinova_agent_sync.playground.reload import reloading

from .conftest import PATIENCE

AGENT = """
    from arinova_agent_sync import ArinovaAgent
    agent = ArinovaAgent()
    agent.on_task(lambda task: "{answer}")
"""


class Told:
    """Waits for a state of a runner."""

    def __init__(self):
        self._changed = threading.Condition()

    def __call__(self):
        with self._changed:
            self._changed.notify_all()

    def until(self, look):
        with self._changed:
            assert self._changed.wait_for(look, PATIENCE)


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def run(server: LocalServer, tmp_path, told):
    """Run the agent of a file."""
    runners = []

    def run(source, attribute="", name="my_agent.py"):
        (tmp_path / name).write_text(textwrap.dedent(source))
        runner = InChild(
            f"{tmp_path / name}{attribute}", server_url=server.url, bot_token=server.bot_token, changed=told
        )
        runners.append(runner)
        runner.start()
        return runner

    yield run
    for runner in runners:
        runner.stop(5.0)


@pytest.mark.parametrize(
    ("source", "attribute"),
    [
        (AGENT.format(answer="mine"), ""),
        (AGENT.format(answer="mine") + "\n    agent.run()", ""),
        (AGENT.format(answer="mine") + "\n    other = ArinovaAgent()", ":agent"),
        (
            """
            from arinova_agent_sync import ArinovaAgent
            def make():
                agent = ArinovaAgent(server_url="https://example.com", bot_token="ari_of_another_server")
                agent.on_task(lambda task: "mine")
                return agent
            """,
            ":make",
        ),
        (
            "from helper_of_mine import ANSWER\n"
            "from arinova_agent_sync import ArinovaAgent\n"
            "agent = ArinovaAgent()\n"
            "agent.on_task(lambda task: ANSWER)\n",
            "",
        ),
    ],
    ids=["plain", "runs itself", "one of two", "factory with another server", "imports its neighbour"],
)
def test_the_agent_of_a_target_answers(server, run, tmp_path, told, source, attribute):
    (tmp_path / "helper_of_mine.py").write_text('ANSWER = "mine"')
    runner = run(source, attribute)
    reply = server.conversation().say("hi", wait_for_agent=PATIENCE)
    assert reply.wait() == "completed"
    assert reply.text == "mine"
    told.until(lambda: runner.state()["state"] == "connected")
    assert runner.stats(PATIENCE)["tasks_completed"] == 1


@pytest.mark.slow
def test_a_target_that_connects_its_agent_and_goes_on_is_looked_at_and_ended_in_good_order(
    server, run, told, tmp_path
):
    ended = tmp_path / "ended"
    runner = run(
        AGENT.format(answer="mine")
        + f"""
    import time
    with agent:
        try:
            time.sleep(600)
        finally:
            open({str(ended)!r}, "w").close()
    """
    )
    reply = server.conversation().say("hi", wait_for_agent=PATIENCE)
    assert reply.wait() == "completed"
    told.until(lambda: runner.state()["state"] == "connected")
    assert runner.stats(PATIENCE)["tasks_completed"] == 1
    runner.stop(PATIENCE)
    assert ended.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "attribute", "problem"),
    [
        ("x = 1", "", "has no ArinovaAgent"),
        ("x = (", "", "SyntaxError"),
        ("raise KeyError('mine')", "", "KeyError: 'mine'"),
        ("import sys; sys.exit(3)", "", "SystemExit"),
        (AGENT.format(answer="") + "\n    b = ArinovaAgent()", "", "my_agent.py:agent or"),
        ("x = 1", ":x", "x of"),
        ("x = 1", ":y", "There is no y in"),
        ("def make(): raise ValueError('from make')", ":make", "ValueError: from make"),
    ],
)
def test_what_is_wrong_with_a_target_is_told_and_the_next_start_may_work(
    server, run, told, tmp_path, source, attribute, problem
):
    runner = run(source, attribute)
    told.until(lambda: runner.state()["state"] == "failed")
    assert problem in runner.state()["problem"]
    assert "child_main" not in runner.state()["problem"]
    if not attribute:
        (tmp_path / "my_agent.py").write_text(textwrap.dedent(AGENT.format(answer="better")))
        runner.restart()
        told.until(lambda: runner.state()["state"] == "connected")
        assert (runner.state()["problem"], runner.state()["restarts"]) == (None, 1)
        assert server.conversation().say("hi").wait() == "completed"


def test_a_file_that_is_not_there(server, told):
    runner = InChild("no_such_file.py", server_url=server.url, bot_token=server.bot_token, changed=told)
    runner.start()
    told.until(lambda: runner.state()["state"] == "failed")
    assert "There is no file no_such_file.py" in runner.state()["problem"]
    runner.stop(5.0)


@pytest.mark.slow
def test_an_agent_that_dies_is_told(server, run, told):
    source = """
        import os
        from arinova_agent_sync import ArinovaAgent
        agent = ArinovaAgent()
        agent.on_task(lambda task: os._exit(7))
    """
    runner = run(source)
    server.conversation().say("die", wait_for_agent=PATIENCE)
    told.until(lambda: runner.state()["state"] == "failed")
    assert "exit code 7" in runner.state()["problem"]
    assert runner.stats(1.0) is None


def test_the_error_of_a_handler_has_its_type_and_is_not_why_the_process_dies_later(server, run, told):
    source = """
        import os, signal
        from arinova_agent_sync import ArinovaAgent
        agent = ArinovaAgent()
        @agent.on_task
        def handle(task):
            if task.content == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyError("no such model")
    """
    runner = run(source)
    conversation = server.conversation()
    conversation.say("fail", wait_for_agent=PATIENCE)
    told.until(lambda: runner.state()["problem"] is not None)
    assert runner.state()["problem"].endswith("raise KeyError(\"no such model\")\nKeyError: 'no such model'")
    conversation.say("die")
    told.until(lambda: runner.state()["state"] == "failed")
    assert runner.state()["problem"] == "The agent's process was killed by SIGKILL."


@pytest.mark.slow
def test_a_stopped_runner_leaves_no_process_even_if_a_handler_hangs(server, run):
    source = """
        import os, time
        from arinova_agent_sync import ArinovaAgent
        agent = ArinovaAgent()
        @agent.on_task
        def handle(task):
            yield str(os.getpid())
            time.sleep(600)
    """
    runner = run(source)
    reply = server.conversation().say("pid", wait_for_agent=PATIENCE)
    pid = int(reply.wait_for_text(timeout=PATIENCE))
    runner.stop(5.0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_changed_file_is_seen(tmp_path):
    changed = threading.Event()
    path = tmp_path / "my_agent.py"
    with reloading([tmp_path], changed.set):
        # The watch begins on a thread of its own, so the first change may come too early for it.
        for number in range(int(PATIENCE / 0.5)):
            path.write_text(f"x = {number}")
            if changed.wait(0.5):
                break
        assert changed.is_set()


def test_an_agent_in_its_own_run_ends_before_its_program_does(run, told, capfd):
    runner = run(AGENT.format(answer="mine") + "\n    agent.run()")
    told.until(lambda: runner.state()["state"] == "connected")
    runner.stop(5.0)
    assert capfd.readouterr().err == ""
