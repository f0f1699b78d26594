"""``arinova-agent chat`` on a terminal of today."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import pytest

from .conftest import ECHO, Write
from .terminals import CTRL_C, CTRL_D, Screen

Chat = Callable[..., Screen]

UP, TAB, ALT_ENTER, BACKSPACE = "\x1b[A", "\t", "\x1b\r", "\x7f"

AGENT = """
    import time
    from arinova_agent_sync import ArinovaAgent, Skill

    agent = ArinovaAgent(skills=[Skill("shout", "Shout", "Say it loudly"), Skill("nothing", "Nothing", "Dismiss")])


    @agent.on_task
    def handle(task):
        for number in range(int(task.content)):
            yield f"{number} "
            task.cancelled.wait(0.02)


    @agent.on_command("shout")
    def shout(task):
        return task.arguments.upper()


    @agent.on_command("nothing")
    def nothing(task):
        task.dismiss()
"""
PROMPT = "you     >"


@pytest.fixture
def chat(screen: Chat) -> Chat:
    """Start a chat on a screen."""
    return lambda *arguments, **options: screen(
        *(sys.executable, "-m", "arinova_agent_sync", "chat", *map(str, arguments)), **options
    )


@pytest.mark.slow
def test_a_person_chats_while_answers_come_and_leaves(chat: Chat, write: Write) -> None:
    shown = chat(write(AGENT))
    shown.expect(
        "MyAgent is on a server in this process, and nobody else can reach it.\nIt knows /shout, /nothing.\n"
    )
    shown.expect_prompt(PROMPT)
    shown.type("1000\r")
    shown.expect("you     > 1000\nMyAgent > 0 1 2 3")
    shown.type("/shout later\r")
    shown.expect("\n\nyou     > /shout later [waiting]\n\nyou     >")
    shown.type("typed on")
    shown.expect_prompt("you     > typed on")
    shown.type(CTRL_C)
    shown.expect("[stopped]\n\nyou     > /shout later\nMyAgent > LATER\n\nyou     > typed on")
    assert "[waiting]" not in shown.shown
    shown.type(CTRL_C)  # nothing is to be stopped, so what is typed goes
    shown.expect_prompt(PROMPT)
    shown.type("1000\r")
    shown.expect("MyAgent > 0 1 2", times=2)
    shown.type("/cancel\r")
    shown.expect("[stopped]", times=2)
    shown.type("/cancel\r")
    shown.expect("There is no answer to stop.")
    shown.type("/nothing\r")
    shown.expect("you     > /nothing\n[MyAgent answered nothing]\n")
    shown.type("x\r")
    shown.expect("[error: invalid literal for int() with base 10: 'x']")
    shown.expect("ValueError: invalid literal")  # its traceback, above the prompt
    shown.expect_prompt(PROMPT)
    shown.type(CTRL_C)
    shown.expect("[Ctrl-C, and no answer to stop: the chat ends]")
    assert shown.exit_code() == 0


@pytest.mark.slow
@pytest.mark.parametrize("ending", [CTRL_D, "/quit\r", signal.SIGTERM, signal.SIGINT])
def test_it_ends_while_an_answer_comes(
    chat: Chat, write: Write, ending: bytes | str | signal.Signals
) -> None:
    shown = chat(write(AGENT))
    shown.expect_prompt(PROMPT)
    shown.type("1000\r2\r")
    shown.expect(" 3 ")
    shown.expect("[waiting]")
    if isinstance(ending, signal.Signals):
        os.kill(shown.process, ending)
    else:
        shown.type(ending)
    if ending == signal.SIGINT:  # no more than the key
        shown.expect("[stopped]\n\nyou     > 2\nMyAgent > 0 1\n")
        shown.type(CTRL_D)
    else:
        shown.expect("[stopped]\n\nyou     > 2\n[stopped before MyAgent got it]\n")
    assert shown.exit_code() == 0
    assert "Traceback" not in shown.shown


@pytest.mark.slow
def test_the_keyboard_completes_remembers_and_breaks_lines(chat: Chat, write: Write) -> None:
    shown = chat(write(AGENT))
    shown.expect_prompt(PROMPT)
    shown.type("/s")
    shown.expect("/shout  Say it loudly")
    shown.type(TAB)
    shown.expect_prompt("you     > /shout")
    shown.type("hello")
    shown.type(ALT_ENTER)
    shown.type("@M")
    shown.expect(" @MyAgent")
    shown.type(TAB)
    shown.expect_prompt("          @MyAgent")
    shown.type("\r")
    shown.expect("you     > /shout hello\n          @MyAgent\nMyAgent > HELLO\n@MYAGENT\n")
    shown.type(UP)
    shown.expect_prompt("          @MyAgent")
    shown.type(CTRL_C)
    shown.expect_prompt(PROMPT)
    shown.type("\x1b[200~/shout two\nlines\x1b[201~")  # pasted
    shown.type("\r")
    shown.expect("MyAgent > TWO\nLINES\n")
    shown.type(CTRL_D)
    assert shown.exit_code() == 0


@pytest.mark.slow
def test_an_agent_that_is_stopped_is_told(chat: Chat, write: Write) -> None:
    shown = chat(
        write(ECHO + "\n    agent.on_command('leave')(lambda task: agent.disconnect() or 'Goodbye.')\n")
    )
    shown.expect_prompt(PROMPT)
    shown.type("/leave\r")
    shown.expect("MyAgent > Goodbye.\n")
    shown.type("there?\r/quit\r")
    shown.expect("The agent is stopped.")
    assert shown.exit_code() == 0


@pytest.mark.slow
def test_a_handler_that_reads_the_keyboard_is_told_whose_it_is(chat: Chat, write: Write) -> None:
    shown = chat(write(ECHO.replace('return f"echo: {task.content}"', 'return input("May I? ")')))
    shown.expect_prompt(PROMPT)
    shown.type("hi\r")
    shown.expect("MyAgent > [error: what is typed goes to the chat, so a handler cannot read it")
    shown.expect_prompt(PROMPT)
    shown.type(CTRL_D)
    assert shown.exit_code() == 0


BESIDE = """
    import time
    from arinova_agent_sync import ArinovaAgent

    agent = ArinovaAgent()
    agent.on_task(lambda task: f"echo: {task.content}")
    with agent:
        try:
            print("its own loop", flush=True)
            WAITS
        finally:
            print("its own end", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("waits", ["time.sleep(600)", "input('Enter ends it')"])
@pytest.mark.parametrize("ending", [CTRL_C, CTRL_D, signal.SIGTERM])
def test_a_file_with_a_loop_of_its_own_is_chatted_with(
    chat: Chat, write: Write, waits: str, ending: bytes | signal.Signals
) -> None:
    shown = chat(write(BESIDE.replace("WAITS", waits)))
    shown.expect("its own loop")
    shown.expect_prompt(PROMPT)
    shown.type("hello\r")
    shown.expect("you     > hello\nMyAgent > echo: hello\n")
    shown.expect_prompt(PROMPT)
    if isinstance(ending, signal.Signals):
        os.kill(shown.process, ending)
    else:
        shown.type(ending)
    shown.expect("its own end")
    assert shown.exit_code() == 0
    assert "Traceback" not in shown.shown


@pytest.mark.slow
def test_what_a_program_prints_meanwhile_stands_above_the_prompt(chat: Chat, write: Write) -> None:
    source = """
    import sys

    @agent.on_task
    def handle(task):
        for number in range(40):
            print("printed", number)
            print("complained", number, file=sys.stderr)
            yield f"{number}\\n\\n"
            task.cancelled.wait(0.01)
    """
    shown = chat(write(ECHO + source), rows=12)
    shown.expect_prompt(PROMPT)
    shown.type("go\r")
    for number in range(40):
        shown.expect(f"\nprinted {number}\n")
        shown.expect(f"\ncomplained {number}\n")
    shown.expect("\n39\n")
    shown.expect_prompt(PROMPT)
    shown.type(CTRL_D)
    assert shown.exit_code() == 0
    lines = shown.shown.split("\n")
    assert [line for line in lines if line.startswith("printed")] == [
        f"printed {number}" for number in range(40)
    ]
    answer = [line.removeprefix("MyAgent > ") for line in lines]
    assert [line for line in answer if line.isdecimal()] == [str(number) for number in range(40)]


@pytest.mark.slow
def test_messages_of_its_own_accord_actions_and_what_the_server_changes_are_shown(
    chat: Chat, write: Write
) -> None:
    source = """
    @agent.on_task
    def handle(task):
        if task.content == "act":
            result = agent.call_action("weather.get", {"city": "Rome"}, task_id=task.task_id)
            return f"It is an {result.status}."
        agent.send_message(task.conversation_id, "*first* this")
        return "then that \\x1b[2J\\x1b]0;title\\x07"
    """
    shown = chat(write(ECHO + source), "--generation", "august")
    shown.expect_prompt(PROMPT)
    shown.type("hi\r")
    shown.expect("MyAgent > first this\n\n")
    shown.expect("MyAgent > then that ␛[2J␛]0;title␇\n\n")
    shown.type("act\r")
    shown.expect('[MyAgent calls weather.get {"city": "Rome"}]\n[weather.get: error there is no action')
    shown.expect("MyAgent > It is an error.")
    shown.type("a <script>b</script> c\r")
    shown.expect("you     > a  c\n[the server left out what a browser would run]\n")
    shown.type(CTRL_D)
    assert shown.exit_code() == 0
