"""The demo: an embedded server, an agent on it, and a chat with it in the terminal.

Without a terminal, in a pipe or in CI, it plays a short conversation instead.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..agent import ArinovaAgent
from ..local import LocalReply, LocalServer
from .conversing import converse, is_screen
from .parrot import NAME, make_agent
from .terminal import Interrupts, let_go_of_output, show_any_text

PROMPT = "you   > "
ANSWER = f"{NAME} > "

# What is said, and the word of the answer at which the stop button is pressed.
SCRIPT = (
    ("Hello there!", None),
    ("Do you understand what I say?", None),
    ("/count 100", "7"),
    ("/recall", None),
)


def main() -> int:
    """Run the demo; return the exit code."""
    show_any_text()
    interrupts = Interrupts()
    interrupts.listen()
    try:
        return chat(interrupts) if is_screen(sys.stdin) else play(interrupts)
    except KeyboardInterrupt:
        return 128 + (interrupts.last or signal.SIGINT)
    except BrokenPipeError:  # such as by "| head"
        let_go_of_output()
        return 1


def chat(interrupts: Interrupts) -> int:
    """Let a person talk with the agent until Ctrl-D, Ctrl-C where nothing is to be stopped, or SIGTERM."""
    with _stage(pause=0.07) as (server, agent):
        print("Say something, such as /count 50. Ctrl-C stops an answer, Ctrl-D ends the demo.\n", flush=True)
        conversation = server.conversation()
        code = converse(
            server=server,
            conversation=conversation,
            agent=agent,
            name=NAME,
            keyboard=sys.stdin,
            interrupts=interrupts,
        )
    print("Bye. README.md shows how to write an agent of your own.")
    return code


def play(interrupts: Interrupts) -> int:
    """Play the scripted conversation; return 0 if every answer came to the end that it should."""
    with _stage(pause=0.01) as (server, _):
        print("There is no terminal to chat in, so here is a short conversation.\n")
        conversation = server.conversation()
        fine = True
        for said, stop_at in SCRIPT:
            print(f"{PROMPT}{said}")
            reply = conversation.say(said)
            with interrupts.stopping(reply):
                show(reply, stop_at)
            fine = fine and reply.status == ("cancelled" if stop_at else "completed")
            if interrupts.last is not None:
                raise KeyboardInterrupt
    return 0 if fine else 1


def show(reply: LocalReply, stop_at: str | None = None) -> None:
    """Print an answer while it comes; press the stop button at a word, if there is one."""
    print(ANSWER, end="", flush=True)
    shown = ""
    for piece in reply:
        print(piece, end="", flush=True)
        shown += piece
        if stop_at is not None and stop_at in shown.split():
            reply.cancel()
    if reply.status == "cancelled":
        print(" [stopped]", end="")
    elif reply.status != "completed":
        print(f" [{reply.error or 'no answer'}]", end="")
    print("\n", flush=True)


@contextmanager
def _stage(pause: float) -> Iterator[tuple[LocalServer, ArinovaAgent]]:
    """Run a server with the agent on it, and tell each step."""
    print("1  An Arinova server starts in this process ...", end="", flush=True)
    with LocalServer(agent_name=NAME, duplicate_window=0) as server:
        print(f" {server.url}")
        print(f"2  {NAME}, an agent, connects to it ...", end="", flush=True)
        agent = make_agent(server.url, server.bot_token, pause)
        try:  # no "with", which would tell of the answer that is broken off
            agent.connect()
            print(" connected")
            print(f"3  A chat with {NAME} begins; nobody else can reach it.\n")
            yield server, agent
        finally:
            agent.disconnect()


if __name__ == "__main__":
    sys.exit(main())
