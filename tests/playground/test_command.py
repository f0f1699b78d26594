"""The command as a process, and what it makes of its arguments."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from arinova_agent_sync.playground.command import _agents, command

from .conftest import PATIENCE

RUN = "from arinova_agent_sync.playground.command import command; command()"


@pytest.fixture
def start(tmp_path):
    """Start the command; return its process and the address that it prints.

    With a browser its command line is given instead of the option that opens none.
    """
    processes = []
    (tmp_path / "temporary").mkdir()

    def start(*arguments, browser=None):
        options = ["--no-browser"] if browser is None else []
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, *options, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(["", *sys.path]),
                "HOME": str(tmp_path),
                "TMPDIR": str(tmp_path / "temporary"),
                "BROWSER": browser or "",
            },
            start_new_session=True,
        )
        processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.fullmatch(r"Playground: (http://127\.0\.0\.1:(\d+))/playground/\?token=(\S+)\n", line)
        assert match, line + process.stdout.read()
        return process, Address(*match.groups())

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


class Address:
    """Stands for a playground in another process."""

    def __init__(self, base, port, token):
        self.url = f"{base}/playground/?token={token}"


@pytest.mark.slow
def test_the_sample_agent_answers_and_an_interrupt_ends_everything_cleanly(start, open_tab):
    process, address = start()
    tab = open_tab(address)
    tab.open()
    tab.until(lambda: all(agent["connected"] for agent in tab.sections["agents"]))
    tab.say("hi")
    assert "sample agent" in tab.until(lambda: tab.answers("completed"))[0]["text"]
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert "Traceback" not in process.stdout.read()


@pytest.mark.slow
def test_reload_restarts_the_agent_of_a_changed_file_and_keeps_the_conversation(start, open_tab, tmp_path):
    source = """
        from arinova_agent_sync import ArinovaAgent
        agent = ArinovaAgent()
        agent.on_task(lambda task: "{}")
    """
    path = tmp_path / "parrot_agent.py"
    path.write_text(textwrap.dedent(source).format("before"))
    process, address = start("parrot_agent.py", "--reload")
    tab = open_tab(address)
    tab.open()
    tab.until(lambda: tab.sections["agents"][0]["connected"])
    assert tab.sections["agents"][0]["name"] == "ParrotAgent"
    tab.say("one")
    tab.until(lambda: [each["text"] for each in tab.answers("completed")] == ["before"])
    path.write_text(textwrap.dedent(source).format("after"))
    tab.until(lambda: tab.sections["agents"][0]["restarts"] >= 1 and tab.sections["agents"][0]["connected"])
    tab.say("two")
    tab.until(lambda: [each["text"] for each in tab.answers("completed")] == ["before", "after"])
    path.write_text("broken(")
    tab.until(lambda: "SyntaxError" in (tab.sections["agents"][0]["problem"] or ""))
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    output = process.stdout.read()
    assert "ParrotAgent: parrot_agent.py cannot be loaded" in output
    assert "arinova_agent_sync" not in output


BROWSER = """
import json, os, stat, sys, urllib.parse
path = urllib.parse.urlsplit(sys.argv[1]).path
seen = {
    "given": sys.argv[1:],
    "modes": [stat.S_IMODE(os.stat(each).st_mode) for each in (path, os.path.dirname(path))],
    "path": path,
    "page": open(path).read(),
}
json.dump(seen, open("seen.json", "w"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("snap", [False, True])
def test_the_browser_is_led_to_the_page_by_a_file_that_nobody_else_can_read(start, tmp_path, snap):
    (tmp_path / "browser.py").write_text(BROWSER)
    if snap:
        (tmp_path / "snap").mkdir()
    process, address = start(browser=f"{sys.executable} browser.py %s")
    output = process.stdout
    assert "Ctrl-C" in output.readline()
    assert "opens in your browser" in output.readline()
    seen = json.loads((tmp_path / "seen.json").read_text())
    token = address.url.partition("token=")[2]
    assert token not in " ".join(seen["given"])
    assert f'content="0; url={address.url}"' in seen["page"]
    assert seen["modes"] == [0o600, 0o700]
    file = Path(seen["path"])
    assert file.parent.parent == (tmp_path if snap else tmp_path / "temporary")
    assert file.exists()
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert not file.parent.exists()


def test_without_a_browser_the_address_is_left_to_the_user(start, tmp_path):
    process, _ = start(browser="no-such-browser-anywhere %s")
    assert "Ctrl-C" in process.stdout.readline()
    assert "No browser could be opened" in process.stdout.readline()
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.slow
def test_the_terminal_tells_why_an_agent_cannot_run(start, tmp_path):
    (tmp_path / "my_agent.py").write_text("x = 1\n")
    process, _ = start("my_agent.py:agent")
    assert "Ctrl-C" in process.stdout.readline()
    assert process.stdout.readline() == "Agent: There is no agent in my_agent.py.\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--host", "0.0.0.0"], "'--host': '0.0.0.0' must be an address of this machine alone"),
        (["--host", "example.com"], "'--host': 'example.com' must be an address of this machine alone"),
        (["--host", ""], "'--host': '' must be an address of this machine alone"),
        (["--port", "x"], "'--port': it must be a whole number from 0 to 65535, not 'x'"),
        (["--port", "70000"], "'--port': it must be a whole number from 0 to 65535, not '70000'"),
        (["--agents", "9"], "'--agents': it must be a whole number from 1 to 8, not '9'"),
        (["a.py", "b.py", "--agents", "2"], "--agents takes one TARGET"),
        (["--reload"], "--reload needs a TARGET"),
        (["--generation", "may"], "'may' is not one of"),
        (["--data", "no_folder/chats.db"], "'--data': there is no folder no_folder"),
        (["--data", ""], "'--data': it is empty"),
        (["--data", "."], "'--data': File '.' is a directory."),
        (["no_such_file.py"], "There is no file no_such_file.py."),
        (["no_such_file.py:agent", "--reload"], "There is no file no_such_file.py."),
        (["no_such_module"], "There is no file and no module no_such_module."),
        (["no such module"], "There is no file and no module no such module."),
        (["."], ". is a folder."),
    ],
)
def test_wrong_arguments_are_told(arguments, problem):
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert problem in result.output


def test_a_file_that_keeps_no_conversations_is_told(tmp_path):
    (tmp_path / "diary.txt").write_text("Dear diary, " * 100)
    result = CliRunner().invoke(command, ["--no-browser", "--data", str(tmp_path / "diary.txt")])
    assert result.exit_code == 2
    assert f"'--data': {tmp_path / 'diary.txt'}: is no data of an embedded server" in result.output


def test_a_port_that_is_taken_is_told(server):
    result = CliRunner().invoke(command, ["--no-browser", "--port", str(server.port)])
    assert result.exit_code == 2
    assert f"'--port': another program listens on port {server.port}; leave --port out" in result.output


def test_how_many_agents_there_are():
    assert list(_agents((), None)) == ["Iris", "Otto"]
    assert list(_agents((), 1)) == ["Iris"]
    assert list(_agents(("poet.py",), None)) == ["Poet"]
    assert list(_agents(("poet.py",), 2)) == ["Poet1", "Poet2"]
    assert list(_agents(("poet.py", "other/poet.py", "b.py"), None)) == ["Poet", "Poet2", "B"]


@pytest.mark.parametrize("name", ["https://chat.example", "chat.example:443", "", "*"])
def test_a_host_that_is_no_name_is_refused(name):
    result = CliRunner().invoke(command, ["--allow-host", name])
    assert result.exit_code == 2
    assert "--allow-host" in result.output
