"""``arinova-agent run``: agents on a server, from the command line to the exit code."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from arinova_agent_sync.cli.logs import Origins
from arinova_agent_sync.cli.run import _Runner
from arinova_agent_sync.cli.run import command as run
from arinova_agent_sync.local import LocalServer

from .conftest import ECHO, PATIENCE, Command, Write
from .terminals import CTRL_C, Terminal

Start = Callable[..., Command]


@pytest.fixture
def token_file(server: LocalServer, tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{server.bot_token}\n")
    return path


def test_an_agent_answers_until_ctrl_c(command: Start, server: LocalServer, write: Write) -> None:
    write(ECHO)
    running = command("run", "my_agent.py", ARINOVA_SERVER_URL=server.url, ARINOVA_BOT_TOKEN=server.bot_token)
    running.err.expect(f"INFO     connecting to {server.url}")
    running.err.expect("INFO     connected as Agent")
    reply = server.conversation().say("hi")
    assert reply.wait() == "completed"
    assert reply.text == "echo: hi"
    running.interrupt()
    assert running.exit_code() == 0
    assert "Traceback" not in running.err.text
    assert (running.out.text, server.bot_token in running.err.text) == ("", False)


@pytest.mark.parametrize("target", ["my_agent.py", "my_agent.py:agent", "my_agent"])
def test_handlers_run_in_processes(
    command: Start, server: LocalServer, write: Write, token_file: Path, target: str
) -> None:
    write(
        """
        import os
        from arinova_agent_sync import ArinovaAgent
        agent = ArinovaAgent()
        agent.on_task(lambda task: f"{os.getpid()} echo: {task.content}")
        """
    )
    options = "--server-url", server.url, "--token-file", token_file
    running = command("run", target, "--processes", "2", *options)
    reply = server.conversation().say("hi", wait_for_agent=PATIENCE)
    assert reply.wait() == "completed"
    assert "echo: hi" in reply.text
    assert not reply.text.startswith(str(running.process.pid))
    running.interrupt()
    assert running.exit_code() == 0


def test_handlers_that_cannot_run_in_processes(
    command: Start, server: LocalServer, write: Write, token_file: Path
) -> None:
    write(
        """
        from arinova_agent_sync import ArinovaAgent
        def make():
            agent = ArinovaAgent()
            agent.on_task(lambda task: "hi")
            return agent
        """
    )
    options = "--server-url", server.url, "--token-file", token_file
    running = command("run", "my_agent.py:make", "--processes", "2", *options)
    running.err.expect("another process cannot find make.<locals>.<lambda>")
    assert running.exit_code() == 2


@pytest.mark.slow
def test_sigterm_lets_a_handler_finish_and_what_the_target_does_after_its_run_is_done(
    command: Start, server: LocalServer, write: Write, token_file: Path
) -> None:
    write(
        """
        from arinova_agent_sync import ArinovaAgent
        agent = ArinovaAgent()
        @agent.on_task
        def handle(task):
            yield "begun, "
            task.cancelled.wait(0.5)
            yield "finished"
        agent.run()
        print("the target goes on")
        """
    )
    running = command("run", "my_agent.py", "--server-url", server.url, "--token-file", token_file)
    reply = server.conversation().say("hi", wait_for_agent=PATIENCE)
    reply.wait_for_text("begun")
    running.process.send_signal(signal.SIGTERM)
    assert reply.wait() == "completed"
    assert reply.text == "begun, finished"
    assert running.exit_code() == 0
    assert running.out.text == "the target goes on\n"


def test_a_second_ctrl_c_leaves_at_once_past_a_handler_that_hangs(
    command: Start, server: LocalServer, write: Write, token_file: Path
) -> None:
    write(
        """
        import time
        from arinova_agent_sync import ArinovaAgent
        agent = ArinovaAgent()
        @agent.on_task
        def handle(task):
            yield "begun"
            time.sleep(600)
        """
    )
    running = command("run", "my_agent.py", "--server-url", server.url, "--token-file", token_file)
    server.conversation().say("hi", wait_for_agent=PATIENCE).wait_for_text("begun")
    running.interrupt()
    running.err.expect("Ctrl-C again to leave")
    running.interrupt()
    assert running.exit_code() == 130


def test_several_targets_share_a_process_and_the_log_says_whose_a_line_is(
    command: Start, server: LocalServer, write: Write, tmp_path: Path, token_file: Path
) -> None:
    bob = server.add_agent("Bob", "ari_bob")
    (tmp_path / "bob").write_text("ari_bob")
    for name in ("one.py", "two.py"):
        write(
            f"""
            import logging
            from arinova_agent_sync import ArinovaAgent
            agent = ArinovaAgent()
            @agent.on_task
            def handle(task):
                logging.getLogger("mine").info("working")
                return "{name}"
            agent.run()
            """,
            name,
        )
    tokens = ["--token-file", token_file, "--token-file", tmp_path / "bob"]
    running = command("run", "one.py", "two.py", "--server-url", server.url, *tokens)
    assert server.conversation(bob).say("hi", wait_for_agent=PATIENCE).wait() == "completed"
    assert server.conversation(bob).say("you?").wait_for_text("two.py")
    running.err.expect("[Bob] mine: working")
    assert server.conversation().say("you?", wait_for_agent=PATIENCE).wait_for_text("one.py")
    running.err.expect("[Agent] mine: working")
    running.interrupt()
    assert running.exit_code() == 0


def test_the_log_as_json_has_a_line_for_everything(
    command: Start, server: LocalServer, write: Write, token_file: Path
) -> None:
    write(
        """
        import logging, threading, warnings
        from arinova_agent_sync import ArinovaAgent
        agent = ArinovaAgent()
        @agent.on_task
        def handle(task):
            logging.getLogger("mine").info("two\\nlines")
            warnings.warn("beware")
            thread = threading.Thread(target=lambda: 1 / 0, name="side")
            thread.start()
            thread.join()
            raise ValueError("oh no")
        """
    )
    running = command(
        "run", "my_agent.py", "--server-url", server.url, "--token-file", token_file, "--log-format", "json"
    )
    reply = server.conversation().say("hi", wait_for_agent=PATIENCE)
    assert reply.wait() == "error"
    running.interrupt()
    assert running.exit_code() == 0
    lines = [json.loads(line) for line in running.err.text.splitlines()]
    about = {"agent": "Agent", "task": reply.message_id}
    (mine,) = (line for line in lines if line["logger"] == "mine")
    assert mine | about | {"message": "two\nlines", "level": "info"} == mine
    (failed,) = (line for line in lines if "its handler raised" in line["message"])
    assert failed | about | {"level": "error"} == failed
    assert "ValueError: oh no" in failed["exception"]
    assert any(
        "ZeroDivisionError" in line.get("exception", "") and "side" in line["message"] for line in lines
    )
    assert any("beware" in line["message"] for line in lines)


def test_the_log_in_a_terminal_is_for_people(server: LocalServer, write: Write, token_file: Path) -> None:
    path = write(ECHO.replace('return f"echo: {task.content}"', "raise ValueError(task.content)"))
    terminal = Terminal(
        *(sys.executable, "-m", "arinova_agent_sync", "run", str(path)),
        *("--server-url", server.url, "--token-file", str(token_file)),
    )
    try:
        terminal.expect("INFO     connected as Agent\n")
        server.conversation().say("a [bold]word[/bold]\x1b[2J")
        terminal.expect("ERROR    task ")
        terminal.expect("\nTraceback (most recent call last):\n")
        terminal.expect("\nValueError: a [bold]word[/bold]␛[2J\n")
        terminal.type(CTRL_C)
        terminal.expect("INFO     ended\n")
        assert terminal.exit_code() == 0
    finally:
        terminal.close()


def test_a_refused_token(command: Start, server: LocalServer, write: Write) -> None:
    write(ECHO)
    running = command("run", "my_agent.py", "--server-url", server.url, "--bot-token", "ari_wrong")
    assert running.exit_code() == 3
    assert "the server refused the token: Invalid bot token" in running.err.text
    assert "Traceback" not in running.err.text
    assert "ari_wrong" not in running.err.text


@pytest.mark.slow
def test_no_connection_in_time(command: Start, write: Write) -> None:
    write(ECHO)
    with socket.create_server(("127.0.0.1", 0)) as unanswering:
        port = unanswering.getsockname()[1]
        running = command(
            "run",
            "my_agent.py",
            *("--server-url", f"http://127.0.0.1:{port}", "--bot-token", "ari_x", "--give-up-after", "0.3"),
        )
        assert running.exit_code() == 4
    assert "there was no connection within 0.3 s: giving up" in running.err.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "code", "problem"),
    [
        ("x = 1", 2, "Error: my_agent.py has no ArinovaAgent"),
        ("1 / 0", 2, "ZeroDivisionError"),
        (ECHO + "\n    agent.disconnect()\n    agent.run()\n    1 / 0", 5, "my_agent.py failed:"),
        (ECHO + "\n    agent.run()\n    raise SystemExit(7)", 7, ""),
    ],
)
@pytest.mark.parametrize("format", ["text", "json"])
def test_a_target_that_is_wrong(
    command: Start,
    server: LocalServer,
    write: Write,
    token_file: Path,
    source: str,
    code: int,
    problem: str,
    format: str,
) -> None:
    write(source)
    running = command(
        *(
            "run",
            "my_agent.py",
            "--server-url",
            server.url,
            "--token-file",
            token_file,
            "--log-format",
            format,
        )
    )
    if code in (5, 7):
        running.err.expect("connected")
        running.interrupt()
    assert running.exit_code() == code
    if format == "json":
        assert all(json.loads(line) for line in running.err.text.splitlines())
    assert problem.removeprefix("Error: " if format == "json" else "") in running.err.text


def test_a_file_that_runs_itself_beside_a_guard_runs_once(
    command: Start, server: LocalServer, write: Write, token_file: Path
) -> None:
    write(ECHO + "\n    if __name__ == '__main__':\n        print('guarded')\n        agent.run()")
    running = command("run", "my_agent.py", "--server-url", server.url, "--token-file", token_file)
    running.err.expect("connected as")
    running.interrupt()
    assert running.exit_code() == 0
    assert running.err.text.count("connecting to") == 1
    assert running.out.text == ""


@pytest.mark.slow
def test_reload_starts_anew_when_a_file_changes_and_ctrl_c_ends_both_processes(
    command: Start, server: LocalServer, write: Write, token_file: Path
) -> None:
    path = write(ECHO.replace("echo:", "before:"))
    running = command(
        *("run", "--reload", "my_agent.py", "--server-url", server.url, "--token-file", token_file)
    )
    running.err.expect("connected as")
    conversation = server.conversation()
    assert conversation.say("hi").wait_for_text("before: hi")
    path.write_text("broken(")
    running.err.expect("a file changed: starting anew")
    running.err.expect("SyntaxError")
    running.err.expect("ended with exit code 2; it is started anew when a file changes")
    write(ECHO.replace("echo:", "after:"))
    running.err.expect("connected as")
    assert conversation.say("hi", wait_for_agent=PATIENCE).wait_for_text("after: hi")
    running.interrupt()
    assert running.exit_code() == 0
    assert "Ctrl-C again to leave" in running.err.text  # one signal, not two
    assert "leaving now" not in running.err.text
    server.wait_for_disconnect()


@pytest.mark.slow
def test_sigterm_to_the_supervisor_and_its_death_end_the_agent(
    command: Start, server: LocalServer, write: Write, token_file: Path
) -> None:
    write(ECHO)
    arguments = ("run", "--reload", "my_agent.py", "--server-url", server.url, "--token-file", token_file)
    for times, number in enumerate((signal.SIGTERM, signal.SIGKILL), 1):
        running = command(*arguments)
        server.wait_for_agent(PATIENCE, times=times)
        os.kill(running.process.pid, number)
        assert running.exit_code() == (0 if number == signal.SIGTERM else -signal.SIGKILL)
        server.wait_for_disconnect()


@pytest.mark.slow
def test_one_that_stands_by_takes_over_and_is_not_given_up(
    command: Start, server: LocalServer, write: Write, token_file: Path, tmp_path: Path
) -> None:
    write(ECHO)
    options = "--standby", "--server-url", server.url, "--token-file", token_file, "--give-up-after", "0.3"
    first = command("run", "my_agent.py", *options, ARINOVA_STANDBY_DIR=str(tmp_path))
    first.err.expect("connected as")
    second = command("run", "my_agent.py", *options, ARINOVA_STANDBY_DIR=str(tmp_path))
    second.err.expect("standing by")
    second.process.poll()
    with pytest.raises(subprocess.TimeoutExpired):
        second.process.wait(0.4)
    first.process.kill()
    second.err.expect("connected as")
    second.interrupt()
    assert second.exit_code() == 0


def test_standby_without_a_folder_for_its_lock(
    command: Start, server: LocalServer, write: Write, token_file: Path, tmp_path: Path
) -> None:
    write(ECHO)
    options = "--standby", "--server-url", server.url, "--token-file", token_file
    running = command("run", "my_agent.py", *options, ARINOVA_STANDBY_DIR=str(tmp_path / "missing"))
    assert running.exit_code() == 2
    assert "standby=True needs a lock file (No such file or directory)" in running.err.text
    assert str(tmp_path / "missing") in running.err.text


def test_agents_that_were_told_to_stop_before_they_started_stop(server: LocalServer, write: Write) -> None:
    path = str(write(ECHO, "told_to_stop.py"))
    runner = _Runner(
        [path], server_url=server.url, tokens=[server.bot_token], give_up_after=None, origins=Origins()
    )
    assert not runner.stop(0.0)
    runner.run()
    assert runner.code == 0
    del sys.modules["told_to_stop"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "Missing argument 'TARGET...'"),
        (["a.py", "--server-url", "ftp://x"], "'--server-url': must start with https://"),
        (["a.py", "--server-url", ""], "'--server-url': it is empty"),
        (
            ["a.py", "--bot-token", "ari_x", "--bot-token", "ari_y"],
            "1 TARGET and 2 tokens: give --token-file",
        ),
        (["a.py", "b.py", "--bot-token", "ari_x"], "2 TARGETs and 1 token: give --token-file"),
        (["a.py", "--bot-token", "ari_x", "--token-file", "x"], "give one of them"),
        (
            ["a.py", "--token-file", "no_such_file"],
            "'--token-file': no_such_file cannot be read: No such file",
        ),
        (["a.py", "--token-file", "."], "'--token-file': File '.' is a directory"),
        (["a.py", "--token-file", "empty"], "'--token-file': empty is empty"),
        (["a.py", "--token-file", "long"], "'--token-file': long is not a token file: it is longer than"),
        (["a.py", "--bot-token", "ari_ x"], "'--bot-token': a token may contain printable ASCII"),
        (["a.py", "--bot-token", ""], "'--bot-token': it is empty"),
        (["a.py", "--log-level", "loud"], "'--log-level': 'loud' is not one of"),
        (["a.py", "--log-format", "xml"], "'--log-format': 'xml' is not one of"),
        (["a.py", "--relod"], "--relod"),
        (["a.py", "--reload"], "There is no file a.py."),
        *(
            (["a.py", "--give-up-after", wrong], "'--give-up-after': it must be a number of seconds above 0")
            for wrong in ("x", "0", "-1", "nan", "inf", "")
        ),
        *(
            (["a.py", "--processes", wrong], "'--processes': it must be a whole number from 1 to 1000, not")
            for wrong in ("x", "0", "1.5", "1001")
        ),
        *(
            (["a.py", "--health", wrong], "'--health': it must be a port from 0 to 65535, or HOST:PORT")
            for wrong in ("x", "", "-1", "65536", "1" * 5000, "host:", ":80", "²")
        ),
    ],
)
def test_wrong_arguments_are_told(
    arguments: list[str], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "long").write_text("x" * 5000)
    result = CliRunner().invoke(run, arguments)
    assert result.exit_code == 2
    assert problem in result.output
    assert "ari_ x" not in result.output


@pytest.mark.parametrize(
    ("environment", "option"),
    [({}, "--server-url"), ({"ARINOVA_SERVER_URL": "http://127.0.0.1:1"}, "--token-file")],
)
def test_what_the_file_does_not_say_may_be_an_option(
    command: Start, write: Write, environment: dict[str, str], option: str
) -> None:
    write(ECHO)
    running = command("run", "my_agent.py", **environment)
    assert running.exit_code() == 2
    assert "is missing: pass" in running.err.text
    last = running.err.text.splitlines()[-1]
    assert last == f"Or give {option}. To try the agent without a server, use: arinova-agent chat"


def test_two_agents_with_one_token_are_refused(command: Start, server: LocalServer, write: Write) -> None:
    write(ECHO, "one.py")
    write(ECHO, "two.py")
    given = {"ARINOVA_SERVER_URL": server.url, "ARINOVA_BOT_TOKEN": server.bot_token}
    running = command("run", "one.py", "two.py", **given)
    assert running.exit_code() == 2
    assert "two of the agents have the same token" in running.err.text


def test_help_tells_the_exit_codes() -> None:
    result = CliRunner().invoke(run, ["--help"])
    assert result.exit_code == 0
    assert "130  left at once" in result.output
