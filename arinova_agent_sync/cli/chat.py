"""``arinova-agent chat``: a chat with an agent in the terminal, on an embedded server."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import click

from ..agent import ArinovaAgent
from ..errors import ArinovaError
from ..local import Generation, LocalConversation, LocalReply, LocalServer
from . import logs, parrot
from .lines import CANCEL, QUIT, Lines
from .options import embedded_options, log_level_option, unusable_data
from .target import TargetError, name_of, with_agents
from .terminal import Interrupts, let_go_of_output, own_terminal, show_any_text, ticks

_CONNECTS_WITHIN = 10.0  # seconds
_STOPS_WITHIN = 2.0  # seconds
_PATIENCE = 86_400.0  # seconds between two pieces of an answer; whoever has less presses Ctrl-C

DONE = 0
FAILED = 1
UNUSABLE = 2


@click.command("chat")
@click.argument("target", required=False)
@embedded_options(kept="the conversation")
@log_level_option("warning")
def command(target: str | None, data: Path | None, generation: str, log_level: str) -> None:
    """Chat with an agent in the terminal, on an Arinova server inside this process.

    TARGET is a file, such as my_agent.py, or a module; with :attribute, the agent or the function that makes it. A
    sample agent without one.

    Ctrl-C or /cancel stops an answer. Ctrl-C, Ctrl-D or /quit at the prompt ends the chat. Other slash commands go
    to the agent.

    In a pipe each line is a message, and standard output has the answers alone:

    \b
        echo "good morning" | arinova-agent chat my_agent.py

    \b
    Exit codes:
      0    the chat is over
      1    an answer failed (in a pipe)
      2    wrong usage, or the TARGET cannot be used
      130  Ctrl-C (in a pipe), or while the TARGET was loaded
    """
    show_any_text()
    logs.set_up(log_level, "text")
    interrupts = Interrupts()
    interrupts.listen()
    try:
        code = _chat(target, data, cast(Generation, generation), interrupts)
    except KeyboardInterrupt:
        code = 128 + (interrupts.last or signal.SIGINT)
    except BrokenPipeError:  # such as by "| head"
        let_go_of_output()
        code = FAILED
    sys.exit(code)


def _chat(target: str | None, data: Path | None, generation: Generation, interrupts: Interrupts) -> int:
    name = parrot.NAME if target is None else name_of(target)
    options: dict[str, Any] = {} if data is None else {"data": data}
    try:
        server = LocalServer(agent_name=name, generation=generation, duplicate_window=0, **options).start()
    except (OSError, ValueError) as error:
        raise unusable_data(data, error) from error
    chat = _Chat(server=server, name=name, interrupts=interrupts)
    try:
        with_agents(
            parrot.TARGET if target is None else target,
            chat.hold,
            server_url=server.url,
            bot_token=server.bot_token,
            embedded=True,
        )
    except (TargetError, ArinovaError) as error:
        click.echo(f"Error: {error}", err=True)
        return UNUSABLE
    finally:
        server.stop()
    return chat.code


class _Chat:
    """One chat, from its first line to its last.

    Args:
        server: what the agent connects to.
        name: the agent's.
        interrupts: told which answer streams, so that Ctrl-C stops it.

    Attributes:
        code: the exit code.
    """

    def __init__(self, *, server: LocalServer, name: str, interrupts: Interrupts) -> None:
        self.code = DONE
        self._server = server
        self._name = name
        self._interrupts = interrupts
        width = max(len(name), len("you"))
        self._answers = f"{name:<{width}} > "
        self._lines = Lines(f"{'you':<{width}} > ")
        self._shows = sys.stdout.isatty()

    def hold(self, agents: Sequence[ArinovaAgent]) -> None:
        """Connect the agent and let a person, or a pipe, talk with it."""
        (agent,) = agents
        with ExitStack() as ending:
            ending.callback(agent.disconnect, _STOPS_WITHIN)
            agent.connect(_CONNECTS_WITHIN)
            if threading.current_thread() is not threading.main_thread():
                self._lines.read_plainly()  # the target's own code has the main thread
            elif self._lines.typed:
                ending.enter_context(own_terminal())
                ending.enter_context(ticks())
            if self._lines.typed:
                self._greet()
            conversations = self._server.conversations
            self._talk(agent, conversations[-1] if conversations else self._server.conversation())

    def _greet(self) -> None:
        commands = ", ".join(f"/{skill['id']}" for skill in self._server.skills())
        _note(f"{self._name} is on a server in this process, and nobody else can reach it.\n")
        if commands:
            _note(f"It knows {commands}.\n")
        _note("Ctrl-C or /cancel stops an answer; Ctrl-D or /quit ends the chat.\n\n")

    def _talk(self, agent: ArinovaAgent, conversation: LocalConversation) -> None:
        interrupts, lines = self._interrupts, self._lines
        while not (interrupts.last == signal.SIGTERM and lines.typed):
            try:
                said = lines.next()
            except KeyboardInterrupt:
                if not lines.typed:
                    raise
                said = None
            if said is None:
                if lines.typed:
                    _note("\n")
                break
            if said == QUIT:
                break
            if said == CANCEL:
                _note("There is no answer to stop.\n")
            elif said and agent.stats().life in ("stopped", "failed"):
                _note("The agent is stopped.\n")
                self._fail()
                break
            elif said:
                self._ask(conversation, said)
                if interrupts.last is not None and not lines.typed:
                    raise KeyboardInterrupt

    def _ask(self, conversation: LocalConversation, said: str) -> None:
        try:
            reply = self._interrupts.reply = conversation.say(said, wait_for_agent=_CONNECTS_WITHIN)
        except TimeoutError:
            _note("The agent is not connected.\n")
            self._fail()
            return
        try:
            with self._lines.watched(reply.cancel):
                self._show(reply)
        finally:
            self._interrupts.reply = None

    def _show(self, reply: LocalReply) -> None:
        out, last = sys.stdout, "\n"
        if self._shows:
            out.write(self._answers)
            last = ""
        out.flush()
        for piece in reply.pieces(_PATIENCE):
            out.write(piece)
            out.flush()
            last = piece or last
        note = _about(reply)
        if note and self._shows:
            _note(f" {note}" if last else note)
        if not last.endswith("\n"):
            out.write("\n")
        if self._shows:
            out.write("\n")
        out.flush()
        if note and not self._shows:
            _note(f"{note}\n")
        if reply.status not in ("completed", "cancelled", "deleted"):
            self._fail()

    def _fail(self) -> None:
        if not self._lines.typed:
            self.code = FAILED


def _about(reply: LocalReply) -> str:
    """Return what is to be said about an answer beside its text."""
    if reply.status == "completed":
        return ""
    if reply.status == "cancelled":
        return "[stopped]"
    return f"[error: {reply.error}]" if reply.error else "[no answer]"


def _note(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
