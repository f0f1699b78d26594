"""What a TARGET names: which agents are found, when the work is done, what is told when there are none."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import arinova_agent_sync
from arinova_agent_sync import ArinovaAgent
from arinova_agent_sync.cli.target import TargetError, folder_of, name_of, split, with_agents
from arinova_agent_sync.local import LocalServer

from .conftest import ECHO, Write

URL, TOKEN = "http://127.0.0.1:1", "ari_of_the_test"


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Forget the modules of a test, and see that nothing stays changed."""
    monkeypatch.setenv("ARINOVA_SERVER_URL", "http://127.0.0.1:2")
    monkeypatch.setenv("ARINOVA_BOT_TOKEN", "ari_of_the_environment")
    modules, path, arguments = set(sys.modules), list(sys.path), list(sys.argv)
    run, start = arinova_agent_sync.run, ArinovaAgent._start
    yield
    for name in (
        set(sys.modules) - modules
    ):  # those of this package that came along would come back as other ones
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    assert (sys.path, sys.argv) == (path, arguments)
    assert (arinova_agent_sync.run, ArinovaAgent._start) == (run, start)
    assert os.environ["ARINOVA_BOT_TOKEN"] == "ari_of_the_environment"


def loaded(target: object, **options: object) -> list[ArinovaAgent]:
    """Return the agents that the work is given."""
    given: list[ArinovaAgent] = []
    with_agents(str(target), given.extend, **options)  # type: ignore[arg-type]
    return given


@pytest.mark.parametrize(
    ("source", "attribute"),
    [
        (ECHO, ""),
        (ECHO + "\n    same = agent", ""),
        (ECHO + "\n    agent.run()", ""),
        (ECHO + "\n    import arinova_agent_sync; arinova_agent_sync.run(agent)", ""),
        (ECHO + "\n    from arinova_agent_sync import run; run(agent)", ""),
        (ECHO + "\n    if __name__ == '__main__': raise SystemExit", ""),
        (ECHO + "\n    other = ArinovaAgent()", ":agent"),
        (ECHO + "\n    other = ArinovaAgent()\n    other.run()", ":agent"),
        (ECHO + "\n    def make(): return agent", ":make"),
        (ECHO + "\n    def main(): agent.run()", ":main"),
        (ECHO + "\n    agent.run()\n    def make(): return agent", ":make"),
    ],
)
def test_an_agent_is_found(write: Write, source: str, attribute: str) -> None:
    (agent,) = loaded(f"{write(source)}{attribute}")
    assert agent._settings.bot_token == "ari_of_the_environment"


def test_an_agent_gets_the_server_and_token_that_are_given_whatever_it_was_made_with(write: Write) -> None:
    path = write(
        """
        import os, sys
        from arinova_agent_sync import ArinovaAgent
        agent = ArinovaAgent(server_url="https://example.com", bot_token="ari_of_another_server")
        seen = os.environ["ARINOVA_SERVER_URL"], os.environ["ARINOVA_BOT_TOKEN"], list(sys.argv)
        """
    )
    (agent,) = loaded(path, server_url=URL, bot_token=TOKEN)
    assert (agent._settings.server_url, agent._credentials.token) == (URL, TOKEN)
    assert sys.modules["my_agent"].seen == (URL, TOKEN, [str(path)])


def test_an_agent_that_connects_while_its_file_is_loaded_goes_to_the_given_server(
    write: Write, server: LocalServer
) -> None:
    path = write(
        """
        from arinova_agent_sync import ArinovaAgent
        agent = ArinovaAgent(server_url="https://example.com", bot_token="ari_of_another_server")
        agent.connect(10)
        """
    )
    (agent,) = loaded(path, server_url=server.url, bot_token=server.bot_token)
    try:
        assert agent.connected
    finally:
        agent.disconnect()


def test_the_work_is_done_inside_a_run_of_the_targets_own(write: Write) -> None:
    path = write(
        """
        events = []
        from arinova_agent_sync import ArinovaAgent
        agent = ArinovaAgent()
        try:
            events.append("opened")
            agent.run()
        finally:
            events.append("closed")
        """
    )
    seen: list[str] = []
    with_agents(str(path), lambda agents: seen.extend(sys.modules["my_agent"].events))
    assert seen == ["opened"]
    assert sys.modules["my_agent"].events == ["opened", "closed"]


def test_what_the_work_raises_passes_through_a_target_that_runs_itself(write: Write) -> None:
    def fail(agents: object) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        with_agents(str(write(ECHO + "\n    agent.run()")), fail)
    path = write(ECHO + "\n    try: agent.run()\n    except LookupError as error: caught = error", "other.py")
    with_agents(str(path), fail)
    assert isinstance(sys.modules["other"].caught, LookupError)


def test_a_target_that_fails_after_its_run_is_told_from_one_that_cannot_be_loaded(write: Write) -> None:
    with pytest.raises(TargetError, match=r"(?s)my_agent\.py failed:.*ZeroDivisionError") as caught:
        loaded(write(ECHO + "\n    agent.run()\n    1 / 0"))
    assert caught.value.late
    with pytest.raises(SystemExit):
        loaded(write(ECHO + "\n    agent.run()\n    raise SystemExit(3)", "other.py"))


def test_several_agents_of_one_target_where_they_may_be(write: Write) -> None:
    path = write(
        ECHO + "\n    other = ArinovaAgent()\n    from arinova_agent_sync import run; run(agent, other)"
    )
    assert len(loaded(path)) == 2
    with pytest.raises(TargetError, match=r"runs several agents\. Say which"):
        loaded(path, embedded=True)


def test_a_target_that_has_run_its_agent_to_its_end(write: Write, server: LocalServer) -> None:
    path = write(ECHO + "\n    with agent: pass")
    given = {"server_url": server.url, "bot_token": server.bot_token}
    assert loaded(path, **given) == []
    with pytest.raises(TargetError, match="has disconnected its agent already"):
        loaded(path, embedded=True, **given)


def test_modules_neighbours_and_files_that_bear_a_taken_name(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("ANSWER = 'mine'", "helper_of_mine.py")
    write(ECHO + "\n    import helper_of_mine\n    answer = helper_of_mine.ANSWER", "neighbour.py")
    monkeypatch.chdir(tmp_path)
    assert loaded("neighbour")[0] is sys.modules["neighbour"].agent
    assert loaded("neighbour:agent")[0] is sys.modules["neighbour"].agent
    assert loaded(write(ECHO, "json.py"))[0] is not loaded(write(ECHO, "queue.py"))[0]
    assert sys.modules["json"].__name__ == "json"
    assert not hasattr(sys.modules["json"], "agent")


def test_a_file_is_the_module_that_its_neighbours_import(write: Write) -> None:
    write("import my_agent", "helper_of_mine.py")
    path = write(
        "made = 0\n"
        + "from arinova_agent_sync import ArinovaAgent\nimport helper_of_mine\nagent = ArinovaAgent()"
    )
    (agent,) = loaded(path)
    assert sys.modules["helper_of_mine"].my_agent.agent is agent


@pytest.mark.parametrize(
    ("source", "attribute", "problem"),
    [
        (
            "x = 1",
            "",
            r"my_agent\.py has no ArinovaAgent at its module level\. Make one there, .*my_agent.py:f",
        ),
        (
            ECHO + "\n    b = ArinovaAgent()",
            "",
            r"has several agents\. Say which: .*my_agent\.py:agent or .*:b",
        ),
        ("x = 1", ":x", r"x of .*my_agent\.py is not an ArinovaAgent\.$"),
        ("def x(): pass", ":x", r"x of .*my_agent\.py is not an ArinovaAgent, and does not return one\.$"),
        ("x = 1", ":y", r"^There is no y in .*my_agent\.py\.$"),
        ("x = (", "", r"my_agent\.py cannot be loaded:\n.*  File .*my_agent\.py\", line 1\n.*SyntaxError"),
        ("raise KeyError('mine')", "", r"File .*my_agent\.py\", line 1, in <module>\n.*KeyError: 'mine'"),
        ("import sys; sys.exit(3)", "", r"my_agent\.py cannot be loaded:.*SystemExit: 3"),
        ("import no_such_module", "", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def make(): raise ValueError('from make')", ":make", "in make\n.*ValueError: from make"),
    ],
)
def test_what_is_wrong_is_told_with_the_users_own_lines_alone(
    write: Write, source: str, attribute: str, problem: str
) -> None:
    path = write(source)
    with pytest.raises(TargetError, match=f"(?s){problem}") as caught:
        loaded(f"{path}{attribute}")
    assert not caught.value.late
    assert "importlib" not in str(caught.value)
    assert 'target.py", line' not in str(caught.value)


def test_a_missing_setting_is_told_with_the_users_line(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARINOVA_SERVER_URL")
    with pytest.raises(
        TargetError, match=r"(?s)line 4, in <module>\n.*ValueError: server_url is missing"
    ) as caught:
        loaded(write(ECHO))
    assert "settings.py" not in str(caught.value)


def test_causes_are_shown_without_foreign_lines_too(write: Write) -> None:
    path = write(
        """
        from arinova_agent_sync import ArinovaAgent
        try:
            ArinovaAgent(max_workers=0)
        except ValueError as error:
            raise RuntimeError("no agent") from error
        """
    )
    with pytest.raises(TargetError, match=r"(?s)max_workers must be.*RuntimeError: no agent") as caught:
        loaded(path)
    assert "settings.py" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("no_such_file.py", "There is no file no_such_file.py"),
        ("no_such_module", "There is no file and no module no_such_module"),
        ("no_such_package.module:agent", "There is no file and no module no_such_package.module"),
        (".", "is a folder"),
    ],
)
def test_what_is_not_there(target: str, problem: str) -> None:
    with pytest.raises(TargetError, match=problem):
        loaded(target)


def test_ctrl_c_while_a_target_is_loaded_is_no_error_of_the_target(write: Write) -> None:
    with pytest.raises(KeyboardInterrupt):
        loaded(write("raise KeyboardInterrupt"))


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("my_agent.py", ("my_agent.py", "")),
        ("a/b.py:make", ("a/b.py", "make")),
        ("package.module:agent", ("package.module", "agent")),
        ("package.module", ("package.module", "")),
        (r"C:\agents\mine.py", (r"C:\agents\mine.py", "")),
    ],
)
def test_a_target_is_a_name_and_perhaps_an_attribute(target: str, parts: tuple[str, str]) -> None:
    assert split(target) == parts


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("my_agent.py", "MyAgent"),
        ("folder/echo.py", "Echo"),
        ("package.module", "Module"),
        ("package.module:poet", "Poet"),
        ("__.py", "Agent"),
    ],
)
def test_an_agent_is_called_after_its_target_in_one_word(target: str, name: str) -> None:
    assert name_of(target) == name


def test_a_target_imports_from_its_folder(tmp_path: Path) -> None:
    assert folder_of(f"{tmp_path}/my_agent.py:agent") == tmp_path
    assert folder_of("package.module") == Path.cwd()


def test_a_run_on_another_thread_is_the_real_one(write: Write, server: LocalServer) -> None:
    path = write(
        ECHO
        + """
    import threading
    thread = threading.Thread(target=agent.run)
    thread.start()
    """
    )

    def ask(agents: list[ArinovaAgent]) -> None:
        server.wait_for_agent()
        assert server.conversation().say("hi").wait() == "completed"
        agents[0].disconnect()
        sys.modules["my_agent"].thread.join()

    work: Callable[..., None] = ask
    with_agents(str(path), work, server_url=server.url, bot_token=server.bot_token)
