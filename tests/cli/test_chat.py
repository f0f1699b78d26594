"""``arinova-agent chat`` line by line: in a pipe, and on a terminal that can show nothing but lines."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from arinova_agent_sync.cli.chat import command as chat_command

from .conftest import ECHO, ROOT, Command, Write
from .terminals import CTRL_C, CTRL_D, Terminal

Start = Callable[..., Command]

SLOW = """
    from arinova_agent_sync import ArinovaAgent, Skill

    agent = ArinovaAgent(skills=[Skill("shout", "Shout", "Say it loudly")])


    @agent.on_task
    def handle(task):
        for number in range(int(task.content)):
            yield f"{number} "
            task.cancelled.wait(0.02)


    @agent.on_command("shout")
    def shout(task):
        return task.arguments.upper()
"""


def test_a_pipe_gets_answers_and_nothing_else(command: Start, write: Write) -> None:
    write(ECHO)
    piped = command("chat", "my_agent.py", keyboard=True)
    piped.type("one\n\n/two\nthree")
    piped.hang_up()
    assert piped.exit_code() == 0
    assert (piped.out.text, piped.err.text) == ("echo: one\necho: /two\necho: three\n", "")


BESIDE = """
    import time
    from arinova_agent_sync import ArinovaAgent

    agent = ArinovaAgent()
    agent.on_task(lambda task: f"echo: {task.content}")


    def main():
        with agent:
            try:
                while True:
                    time.sleep(3600.0)
            finally:
                print("ended", flush=True)
"""


@pytest.mark.slow
def test_an_example_that_connects_its_agent_itself_answers_and_ends(command: Start) -> None:
    piped = command("chat", ROOT / "examples" / "background.py", keyboard=True)
    piped.type("hi\n")
    piped.hang_up()
    assert piped.exit_code() == 0
    assert re.fullmatch(r"connected\nThe main thread has counted to \d+\.\nended\n", piped.out.text)
    assert piped.err.text == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("end", "attribute"),
    [("main()", ""), ("try: main()\n    except KeyboardInterrupt: pass", ""), ("", ":main")],
)
def test_a_target_that_goes_on_by_itself_is_interrupted_after_the_chat(
    command: Start, write: Write, end: str, attribute: str
) -> None:
    path = write(f"{BESIDE}\n    {end}")
    piped = command("chat", f"{path}{attribute}", keyboard=True)
    piped.type("one\ntwo\n")
    piped.out.expect("echo: one\necho: two\n")
    piped.hang_up()
    assert piped.exit_code() == 0
    assert (piped.out.text, piped.err.text) == ("echo: one\necho: two\nended\n", "")


@pytest.mark.slow
def test_a_target_that_leaves_its_agent_connected_is_chatted_with(command: Start, write: Write) -> None:
    path = write(f"{BESIDE}\n    agent.connect()\n    time.sleep(1.0)")
    piped = command("chat", path, keyboard=True)
    piped.type("one\n")
    piped.out.expect("echo: one\n")
    piped.type("two\n")
    piped.out.expect("echo: two\n")
    piped.hang_up()
    assert (piped.exit_code(), piped.err.text) == (0, "")


@pytest.mark.slow
def test_a_program_at_the_other_end_of_the_pipe_sees_an_answer_grow_and_stops_it(
    command: Start, write: Write
) -> None:
    write(SLOW)
    piped = command("chat", "my_agent.py", keyboard=True)
    piped.type("1000\n")
    piped.out.expect("0 1 2 ")
    piped.type("/cancel\n2\n")
    piped.err.expect("[stopped]")
    piped.out.expect("\n0 1 \n")
    piped.type("/quit\n")
    assert piped.exit_code() == 0


def test_a_failed_answer_fails_the_command(command: Start, write: Write) -> None:
    write(SLOW)
    piped = command("chat", "my_agent.py", keyboard=True)
    piped.type("nonsense\n1\n")
    piped.hang_up()
    assert piped.exit_code() == 1
    assert piped.out.text == "0 \n"
    assert "ValueError: invalid literal" in piped.err.text
    assert "[error: invalid literal" in piped.err.text


def test_a_dismissed_answer_is_none_and_no_failure(command: Start, write: Write) -> None:
    write(ECHO.replace('return f"echo: {task.content}"', "task.dismiss()"))
    piped = command("chat", "my_agent.py", keyboard=True)
    piped.type("hi\n")
    piped.hang_up()
    assert piped.exit_code() == 0
    assert (piped.out.text, piped.err.text) == ("", "[no answer]\n")


def test_an_agent_that_leaves_is_told(command: Start, write: Write) -> None:
    source = """
    import sys
    import threading


    def watch():
        agent.wait()
        print("it has gone", file=sys.stderr)


    @agent.on_command("leave")
    def leave(task):
        threading.Thread(target=watch).start()
        agent.disconnect()
        return "Goodbye."
    """
    write(ECHO + source)
    piped = command("chat", "my_agent.py", keyboard=True)
    piped.type("/leave\n")
    piped.err.expect("it has gone")
    piped.type("still there?\n")
    assert piped.exit_code() == 1
    assert (piped.out.text, "The agent is stopped." in piped.err.text) == ("Goodbye.\n", True)


@pytest.mark.slow
def test_ctrl_c_ends_a_pipe_even_if_a_handler_hangs(command: Start, write: Write) -> None:
    write(ECHO.replace("return", "yield 'begun'; import time; time.sleep(600); yield"))
    piped = command("chat", "my_agent.py", keyboard=True)
    piped.type("hi\nnever said\n")
    piped.out.expect("begun")
    piped.interrupt()
    assert piped.exit_code() == 128 + signal.SIGINT
    assert piped.out.text == "begun\n"
    assert "Traceback" not in piped.err.text


@pytest.mark.slow
def test_a_target_of_another_server_that_runs_itself_is_chatted_with_here(
    command: Start, write: Write
) -> None:
    source = ECHO.replace("ArinovaAgent()", 'ArinovaAgent(server_url="https://example.com", bot_token="x")')
    write(source + "\n    agent.run()\n    print('the target goes on')")
    piped = command("chat", "my_agent.py", keyboard=True, HTTP_PROXY="http://127.0.0.1:9", NO_PROXY="")
    piped.type("hi\n")
    piped.hang_up()
    assert piped.exit_code() == 0
    assert (piped.out.text, piped.err.text) == ("echo: hi\nthe target goes on\n", "")


@pytest.mark.slow
def test_data_keeps_the_conversation(command: Start, write: Write, tmp_path: Path) -> None:
    write(ECHO.replace("task.content", "[message.content for message in task.history]"))
    for said in ("one", "two"):
        piped = command("chat", "my_agent.py", "--data", "chat.db", keyboard=True)
        piped.type(f"{said}\n")
        piped.hang_up()
        assert piped.exit_code() == 0
    assert "one" in piped.out.text
    write(ECHO, "another.py")
    piped = command("chat", "another.py", "--data", "chat.db", keyboard=True)
    piped.type("three\n")
    piped.hang_up()
    assert (piped.exit_code(), piped.out.text) == (0, "echo: three\n")
    (tmp_path / "broken.db").write_text("this is no database, and long enough to be seen as none" * 100)
    piped = command("chat", "my_agent.py", "--data", "broken.db")
    assert piped.exit_code() == 2
    assert "'--data': broken.db: is no data of an embedded server" in piped.err.text
    assert "Traceback" not in piped.err.text


@pytest.mark.slow
@pytest.mark.parametrize("keys", [CTRL_C, CTRL_D])
def test_a_terminal_without_a_cursor_is_a_chat_line_by_line(keys: bytes, write: Write) -> None:
    terminal = Terminal(sys.executable, "-m", "arinova_agent_sync", "chat", str(write(SLOW)))
    try:
        terminal.expect("MyAgent is on a server in this process")
        terminal.expect("you     > ")
        terminal.type("30\n")
        terminal.expect(" 2 ")
        terminal.type("/shout later\n")
        terminal.expect(" 29 \n")
        terminal.expect("you     > /shout later\nMyAgent > LATER\n")
        terminal.expect("you     > ")
        terminal.type("1000\n")
        terminal.expect(" 5 ")
        terminal.type(CTRL_C)
        terminal.expect("[stopped]")
        terminal.expect("you     > ")
        terminal.type("/cancel\n")
        terminal.expect("There is no answer to stop.")
        terminal.expect("you     > ")
        terminal.type(keys)
        assert terminal.exit_code() == 0
    finally:
        terminal.close()
    assert "Traceback" not in terminal.shown
    assert "\x1b" not in terminal.shown


def test_a_target_that_is_not_there_is_told(command: Start) -> None:
    piped = command("chat", "no_such_file.py")
    assert piped.exit_code() == 2
    assert "Error: There is no file no_such_file.py" in piped.err.text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["a", "b"], "unexpected extra argument (b)"),
        (["--generation", "june"], "'--generation': 'june' is not one of 'march', 'august'"),
        (["--log-level", "loud"], "'--log-level': 'loud' is not one of"),
        (["--data", "no_folder/chat.db"], "'--data': there is no folder no_folder; make it first"),
        (["--data", "."], "'--data': File '.' is a directory"),
        (["--data", ""], "'--data': it is empty"),
    ],
)
def test_wrong_arguments_are_told(arguments: list[str], problem: str) -> None:
    result = CliRunner().invoke(chat_command, arguments)
    assert result.exit_code == 2
    assert problem in result.output
