"""The options that several commands have: how they are given, and how they are checked."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from .. import settings
from ..settings import BOT_TOKEN_VARIABLE, SERVER_URL_VARIABLE
from . import logs

Function = TypeVar("Function", bound=Callable[..., object])

_TOKEN_BYTES = 4096  # a file that is longer is no token


def _checked_url(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:  # noqa: ARG001
    try:
        return None if value is None else settings.server_url(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def server_options(*, several: bool) -> Callable[[Function], Function]:
    """Add --server-url, --token-file and --bot-token to a command.

    Args:
        several: whether the token may be given several times.
    """
    each = " Once for each TARGET, in their order, if there are several." if several else ""
    options = (
        click.option(
            "--server-url",
            callback=_checked_url,
            metavar="URL",
            help=f"The server, such as https://chat.arinova.ai; {SERVER_URL_VARIABLE} by default.",
        ),
        click.option(
            "--token-file",
            "token_files",
            type=click.Path(dir_okay=False, allow_dash=False, path_type=Path),
            multiple=several,
            help=f"Read the bot token from this file; {BOT_TOKEN_VARIABLE} is used by default.{each}",
        ),
        click.option(
            "--bot-token",
            "bot_tokens",
            metavar="TOKEN",
            multiple=several,
            help="The bot token itself. Everybody on this machine can read it in the list of processes: "
            f"rather use --token-file or {BOT_TOKEN_VARIABLE}.",
        ),
    )

    def add(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def embedded_options(*, kept: str) -> Callable[[Function], Function]:
    """Add --data and --generation, of the server that a command brings along.

    Args:
        kept: what the file keeps, in words.
    """
    data = click.option(
        "--data", type=click.Path(dir_okay=False, path_type=Path), help=f"Keep {kept} in this file."
    )
    generation = click.option(
        "--generation",
        type=click.Choice(["march", "august"]),
        default="march",
        show_default=True,
        help="Which Arinova server to be like.",
    )
    return lambda function: data(generation(function))


def log_level_option(default: str) -> Callable[[Function], Function]:
    """Add --log-level."""
    return click.option(
        "--log-level",
        type=click.Choice(logs.LEVELS, case_sensitive=False),
        default=default,
        show_default=True,
        help="What to write to standard error.",
    )


def given_tokens(files: Sequence[Path], tokens: Sequence[str]) -> list[str]:
    """Return the tokens that were given by options; raise UsageError for none that can be one."""
    if files and tokens:
        raise click.UsageError("--token-file and --bot-token exclude each other: give one of them")
    found = [_from_file(path) for path in files] or list(tokens)
    for token in found:
        try:
            settings.bot_token(token)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    return found


def required_url(given: str | None) -> str:
    """Return the server's URL of the option or the environment; raise UsageError if there is none."""
    try:
        return settings.server_url(given)
    except ValueError as error:
        source = f" ({SERVER_URL_VARIABLE})" if os.environ.get(SERVER_URL_VARIABLE) else ""
        text = str(error).replace("pass server_url=", "give --server-url")
        raise click.UsageError(f"{text}{source}") from None


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_TOKEN_BYTES + 1)
    except OSError as error:
        raise click.UsageError(f"the token file {path} cannot be read: {error.strerror}") from None
    if len(data) > _TOKEN_BYTES:
        raise click.UsageError(f"{path} is not a token file: it is longer than {_TOKEN_BYTES} bytes")
    token = data.decode("utf-8", "replace").strip()
    if not token:
        raise click.UsageError(f"the token file {path} is empty")
    return token
