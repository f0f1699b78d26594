"""``arinova-agent chat``: a chat with an agent in the terminal, on an embedded server."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, cast

import click

from ..agent import ArinovaAgent
from ..errors import ArinovaError
from ..local import Generation, LocalConversation, LocalServer
from . import logs, parrot
from .conversing import converse
from .options import embedded_options, log_level_option, unusable_data
from .plainchat import CONNECTS_WITHIN, DONE, FAILED
from .target import TargetError, name_of, with_agents
from .terminal import Interrupts, let_go_of_output, show_any_text, visible

_STOPS_WITHIN = 2.0  # seconds

UNUSABLE = 2  # exit code


@click.command("chat")
@click.argument("target", required=False)
@embedded_options(kept="the conversation")
@log_level_option("warning")
def command(target: str | None, data: Path | None, generation: str, log_level: str) -> None:
    """Chat with an agent in the terminal, on an Arinova server inside this process.

    TARGET is a file, such as my_agent.py, or a module; with :attribute, the agent or the function that makes it. A
    sample agent without one.

    Ctrl-C or /cancel stops the answer that comes; Ctrl-D or /quit ends the chat, and so does Ctrl-C when nothing
    comes. Other slash commands go to the agent. Tab completes commands and @names, the arrows bring back what was
    said, and what is typed while an answer comes waits in the server's queue.

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
        interrupts: told what signals do.

    Attributes:
        code: the exit code.
    """

    def __init__(self, *, server: LocalServer, name: str, interrupts: Interrupts) -> None:
        self.code = DONE
        self._server = server
        self._name = name
        self._keyboard = sys.stdin  # which the target may not have any more when the chat begins
        self._interrupts = interrupts

    def hold(self, agents: Sequence[ArinovaAgent]) -> None:
        """Connect the agent and let a person, or a pipe, talk with it."""
        (agent,) = agents
        with ExitStack() as ending:
            ending.callback(_end, agent)
            agent.connect(CONNECTS_WITHIN)
            if self._keyboard is not None and self._keyboard.isatty():
                self._greet()
            self.code = converse(
                server=self._server,
                conversation=self._conversation(),
                agent=agent,
                name=self._name,
                keyboard=self._keyboard,
                interrupts=self._interrupts,
            )

    def _conversation(self) -> LocalConversation:
        """Return the latest one with this agent alone: a file of --data may hold those of others, too."""
        mine = self._server.agent.agent_id
        for each in reversed(self._server.conversations):
            if each.type == "h2a" and each.members[0].agent_id == mine:
                return each
        return self._server.conversation()

    def _greet(self) -> None:
        commands = ", ".join(f"/{skill['id']}" for skill in self._server.skills())
        click.echo(f"{self._name} is on a server in this process, and nobody else can reach it.", err=True)
        if commands:
            click.echo(visible(f"It knows {commands}."), err=True)
        click.echo("Ctrl-C or /cancel stops an answer; Ctrl-D or /quit ends the chat.\n", err=True)


def _end(agent: ArinovaAgent) -> None:
    agent.disconnect(_STOPS_WITHIN)
    # Inside the target's own run() it does not wait: for all that it can see, it is called by a signal handler.
    with suppress(ArinovaError):
        agent.wait(_STOPS_WITHIN)
