"""The options that several commands have: how they are given, and how they are checked."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import click

from .. import settings
from ..settings import BOT_TOKEN_VARIABLE, SERVER_URL_VARIABLE
from . import logs

Function = TypeVar("Function", bound=Callable[..., object])

_TOKEN_BYTES = 4096  # a file that is longer is no token


def seconds(value: object) -> float:
    """Return a time that was given as the value of an option; raise BadParameter for anything else."""
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not 0.0 < number <= threading.TIMEOUT_MAX:
        raise click.BadParameter(f"it must be a number of seconds above 0, such as 30 or 2.5, not {value!r}")
    return number


def whole(least: int, most: int) -> Callable[[object], int]:
    """Return what takes a whole number from ``least`` to ``most`` as the value of an option."""

    def checked(value: object) -> int:
        try:
            number = int(str(value))
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise click.BadParameter(f"it must be a whole number from {least} to {most}, not {value!r}")
        return number

    return checked


class ListenAddress(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def address(value: object) -> ListenAddress:
    """Return PORT or HOST:PORT as the value of an option; without a host only this machine is answered."""
    host, colon, port = str(value).rpartition(":")
    if not colon:
        host = "127.0.0.1"
    elif host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host or not port.isascii() or not port.isdecimal() or int(port[:6]) > 65_535:
        raise click.BadParameter(
            f"it must be a port from 0 to 65535, or HOST:PORT such as 0.0.0.0:8080, not {value!r}"
        )
    return ListenAddress(host, int(port))


def wrong(option: str, problem: str) -> click.BadParameter:
    """Return the error about an option, or an environment variable, that cannot be used as it was given."""
    return click.BadParameter(problem, param_hint=f"'{option}'")


def _checked_url(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:  # noqa: ARG001
    if value == "":
        raise click.BadParameter("it is empty; a URL is needed, such as https://chat.arinova.ai")
    try:
        return None if value is None else settings.server_url(value)
    except ValueError as error:
        raise click.BadParameter(_of_option(error)) from None


def _checked_data(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:  # noqa: ARG001
    if value is None:
        return None
    path = Path(value)
    if not value:
        raise click.BadParameter("it is empty; the name of a file is needed, such as chat.db")
    if not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.parent}; make it first")
    return path


def _of_option(error: ValueError) -> str:
    """Return what is wrong with a setting without its name in Python: the option's stands before it."""
    return str(error).partition(" ")[2]


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
        "--data",
        type=click.Path(dir_okay=False),
        callback=_checked_data,
        metavar="FILE",
        help=f"Keep {kept} in this file.",
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


def unusable_data(path: Path | None, error: OSError | ValueError) -> click.BadParameter:
    """Return the error about a file of --data that the embedded server refuses."""
    # Its own texts begin with the whole path, those of the system have it behind them.
    problem = getattr(error, "strerror", None) or str(error)
    return wrong("--data", f"{path}: {problem.removeprefix(str(Path(path or '').absolute())).strip()}")


def given_tokens(files: Sequence[Path], tokens: Sequence[str]) -> list[str]:
    """Return the tokens that were given by options; raise UsageError for none that can be one."""
    if files and tokens:
        raise click.UsageError("--token-file and --bot-token exclude each other: give one of them")
    for token in tokens:
        _check_token("--bot-token", token)
    return [_from_file(path) for path in files] or list(tokens)


def required_url(given: str | None) -> str:
    """Return the server's URL of the option or the environment; raise UsageError if there is none."""
    url = given or os.environ.get(SERVER_URL_VARIABLE)
    if not url:
        raise click.UsageError(f"no server is named: give --server-url or set {SERVER_URL_VARIABLE}")
    try:
        return settings.server_url(url)
    except ValueError as error:
        raise wrong(SERVER_URL_VARIABLE, _of_option(error)) from None


def required_token() -> str:
    """Return the bot token of the environment; raise UsageError if there is none."""
    token = os.environ.get(BOT_TOKEN_VARIABLE)
    if not token:
        raise click.UsageError(
            f"no bot token is given: give --token-file or set {BOT_TOKEN_VARIABLE}; with --no-auth none is needed"
        )
    _check_token(BOT_TOKEN_VARIABLE, token)
    return token


def _check_token(source: str, token: str) -> None:
    if not token:
        raise wrong(source, "it is empty")
    try:
        settings.bot_token(token)
    except ValueError as error:
        raise wrong(source, f"a token {_of_option(error)}") from None


def _from_file(path: Path) -> str:
    option = "--token-file"
    try:
        with path.open("rb") as file:
            data = file.read(_TOKEN_BYTES + 1)
    except OSError as error:
        raise wrong(option, f"{path} cannot be read: {error.strerror}") from None
    if len(data) > _TOKEN_BYTES:
        raise wrong(option, f"{path} is not a token file: it is longer than {_TOKEN_BYTES} bytes")
    token = data.decode("utf-8", "replace").strip()
    if not token:
        raise wrong(option, f"{path} is empty")
    _check_token(option, token)
    return token
