"""The demo: an embedded server, an agent on it, and a chat with it in the terminal.

Without a terminal, in a pipe or in CI, it plays a short conversation instead.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..local import LocalReply, LocalServer
from .parrot import NAME, make_agent
from .terminal import Interrupts, let_go_of_output, own_terminal, show_any_text, ticks

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
    chats = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    try:
        return chat(interrupts) if chats else play(interrupts)
    except KeyboardInterrupt:
        # That is how a chat ends; a conversation that should have been played to its end was not.
        return 0 if chats else 128 + (interrupts.last or signal.SIGINT)
    except BrokenPipeError:  # such as by "| head"
        let_go_of_output()
        return 1


def chat(interrupts: Interrupts) -> int:
    """Let a person talk with the agent until Ctrl-D, Ctrl-C at the prompt, or SIGTERM."""
    try:
        import readline  # noqa: F401 - gives input() its line editing; not there on Windows
    except ImportError:
        pass
    with own_terminal(), ticks(), _stage(pause=0.07) as server:
        print("Say something and press Enter. Ctrl-C stops an answer; at the prompt it ends the demo.\n")
        conversation = server.conversation()
        while interrupts.last != signal.SIGTERM:
            try:
                said = input(PROMPT).strip()
            # OSError: the terminal is gone. SystemError: Python 3.10's way to raise KeyboardInterrupt in readline.
            except (EOFError, KeyboardInterrupt, OSError, SystemError):
                print()
                break
            if said:
                interrupts.reply = conversation.say(said)
                show(interrupts.reply)
                interrupts.reply = None
        print("Bye. README.md shows how to write an agent of your own.")
    return 0


def play(interrupts: Interrupts) -> int:
    """Play the scripted conversation; return 0 if every answer came to the end that it should."""
    with _stage(pause=0.01) as server:
        print("There is no terminal to chat in, so here is a short conversation.\n")
        conversation = server.conversation()
        fine = True
        for said, stop_at in SCRIPT:
            print(f"{PROMPT}{said}")
            interrupts.reply = conversation.say(said)
            show(interrupts.reply, stop_at)
            fine = fine and interrupts.reply.status == ("cancelled" if stop_at else "completed")
            interrupts.reply = None
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
def _stage(pause: float) -> Iterator[LocalServer]:
    """Run a server with the agent on it."""
    server = LocalServer(agent_name=NAME, duplicate_window=0)
    with server, make_agent(server.url, server.bot_token, pause):
        print(f"An Arinova server runs in this process at {server.url}; {NAME} is connected to it.")
        yield server


if __name__ == "__main__":
    sys.exit(main())
