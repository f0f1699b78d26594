"""The group of all sub-commands. Each is imported when it is asked for: they need very different things."""

from __future__ import annotations

from importlib import import_module

import click

from .._version import __version__

_COMMANDS = {
    "run": (".cli.run", "Run agents on an Arinova server."),
    "chat": (".cli.chat", "Chat with an agent in the terminal; needs no server and no account."),
    "playground": (".playground.command", "Chat with an agent in the browser, and see every frame."),
    "doctor": (".cli.doctor", "Find out why an agent cannot connect."),
}


class _LazyGroup(click.Group):
    """A group that knows its sub-commands by name, and what they are good for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(_COMMANDS[cmd_name][0], __name__.partition(".")[0])
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, purpose) for name, (_, purpose) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="arinova-agent")
def group() -> None:
    """Work with agents for Arinova Chat.

    A TARGET is a file with an agent in it, such as my_agent.py, a module, or one of them with :attribute, which is
    an agent or a function that makes one.
    """
