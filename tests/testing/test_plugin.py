"""The pytest plugin, in pytest runs of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = "pytester"

ROOT = Path(__file__).parents[2]
PLUGIN = "arinova_agent_sync.pytest_plugin"

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run tests with the plugin in a process of its own, where a proxy is set that is of no use on this machine."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(source: str, **files: str) -> pytest.RunResult:
        pytester.makepyfile(test_it=source, **files)
        return pytester.runpytest_subprocess("-p", PLUGIN, "-W", "error", "-p", "no:cacheprovider")

    return run


@pytest.mark.slow
def test_an_agent_answers_on_the_server(run: Run) -> None:
    result = run(
        """
        import threading

        def test_it_answers(arinova_server, arinova_agent):
            agent = arinova_agent(lambda task: task.content.upper())
            assert agent.connected
            conversation = arinova_server.conversation()
            for _ in range(2):  # the same text twice
                reply = conversation.say("hello")
                assert (reply.wait(), reply.text) == ("completed", "HELLO")

        def test_nothing_is_left():
            names = [thread.name for thread in threading.enumerate()]
            assert not any(name.startswith("arinova") for name in names), names

        def test_options(arinova_server, arinova_agent):
            def handle(task):
                raise ValueError("internal")

            arinova_agent(handle, error_text="Sorry.")
            reply = arinova_server.conversation().say("hello")
            assert (reply.wait(), reply.text) == ("error", "Sorry.")

        def test_two_agents(arinova_server, arinova_agent):
            bob = arinova_server.add_agent("Bob")
            arinova_agent(lambda task: "Ann", max_workers=1)
            arinova_agent(lambda task: "Bob", bot_token=bob.token)
            for account, name in ((None, "Ann"), (bob, "Bob")):
                assert list(arinova_server.conversation(account).say("who?")) == [name]
        """
    )
    result.assert_outcomes(passed=4)


@pytest.mark.slow
def test_an_agent_of_the_program_speaks_with_the_server_for_one_test(run: Run) -> None:
    result = run(
        """
        import pytest
        from program import agent

        @pytest.mark.parametrize("time", [1, 2])
        def test_it_answers(arinova_server, arinova_agent, time):
            assert arinova_agent(agent) is agent
            reply = arinova_server.conversation().say("/draw a cat")
            assert (reply.wait(), reply.text) == ("completed", "a cat")
            agent.send_message(arinova_server.conversation().id, "more")
            assert agent.connected

        def test_it_is_as_before():
            assert repr(agent) == "ArinovaAgent('https://chat.example.com', stopped, down)"
            assert agent._settings.reconnect_interval == 5.0
            assert agent._credentials.token == "ari_of_the_program"

        def test_wrong_use(arinova_server, arinova_agent):
            with pytest.raises(TypeError, match="max_workers: options are for an agent that is made here"):
                arinova_agent(agent, max_workers=1)
            arinova_agent(agent)
            with pytest.raises(ValueError, match="this account has a connected agent.*add_agent"):
                arinova_agent(agent)
            token = arinova_server.add_agent("Bob").token
            with pytest.raises(ValueError, match="this agent is connected already"):
                arinova_agent(agent, bot_token=token)
            with pytest.raises(TypeError, match="arinova_agent needs a function that takes a task"):
                arinova_agent("hello", bot_token=token)
        """,
        program="""
        from arinova_agent_sync import ArinovaAgent

        agent = ArinovaAgent(server_url="https://chat.example.com", bot_token="ari_of_the_program")
        agent.on_command("draw", lambda task: task.arguments)
        agent.on_task(lambda task: "else")
        """,
    )
    result.assert_outcomes(passed=4)


@pytest.mark.slow
def test_the_server_can_be_another_one(run: Run) -> None:
    result = run(
        """
        import pytest
        from arinova_agent_sync.local import LocalServer

        @pytest.fixture
        def arinova_server():
            with LocalServer(agent_name="Zoe") as server:
                yield server

        def test_it(arinova_agent):
            assert arinova_agent(lambda task: "").agent_name == "Zoe"
        """
    )
    result.assert_outcomes(passed=1)


def test_without_the_extra_tests_fail_and_say_what_to_install(run: Run) -> None:
    result = run(
        """
        import sys
        sys.modules["uvicorn"] = None

        from arinova_agent_sync.testing import run_task

        def test_run_task_needs_it_not():
            assert run_task(lambda task: "fine").text == "fine"

        def test_it(arinova_agent):
            pass
        """
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ['no arinova_server: *needs: pip install -e "*[[]playground[]]"'], consecutive=True
    )


@pytest.mark.slow
def test_the_documented_tests_pass(run: Run) -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    (source,) = re.findall(
        r"^<!-- compiled only: pytest runs it -->\n```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL
    )
    run(source).assert_outcomes(passed=2)


def test_the_fixtures_are_listed_with_what_they_do(pytester: pytest.Pytester, run: Run) -> None:
    shown = pytester.runpytest_subprocess("-p", PLUGIN, "--fixtures", "-q").stdout.str()
    assert re.search(r"arinova_server .*\n    An Arinova server in this process", shown)
    assert re.search(r"arinova_agent .*\n    Connect agents to", shown)


def test_loading_the_plugin_loads_neither_the_kit_nor_the_server() -> None:
    program = (
        "import pytest, sys, arinova_agent_sync; before = set(sys.modules); "
        f"import {PLUGIN}; print(set(sys.modules) - before)"
    )
    process = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout == f"{{'{PLUGIN}'}}\n"


def test_pytest_finds_the_plugin_of_an_installed_package() -> None:
    declared = re.search(
        r"^\[project\.entry-points\.pytest11\]\n(\w+) = \"([\w.]+)\"$",
        (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert declared is not None and declared[2] == PLUGIN
    for installed in entry_points(group="pytest11", name=declared[1]):
        assert installed.value == PLUGIN
