"""``arinova-agent playground``: the command."""

from __future__ import annotations

import ipaddress
import re
import signal
import sys
import threading
import webbrowser
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import cast

import click

from ..local import Generation
from .agents import Changed, InProcess, Runner
from .child import InChild
from .child_main import split
from .playground import Playground, RunnerMaker
from .reload import reloading

_NAMES = ("Iris", "Otto", "Wren", "Milo", "Juno", "Hugo", "Nora", "Emil")


@click.command()
@click.argument("targets", metavar="[TARGET]...", nargs=-1)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Where to listen; a free port by default."
)
@click.option(
    "--host", default="127.0.0.1", help="An address of this machine alone, such as 127.0.0.1 or ::1."
)
@click.option("--no-browser", is_flag=True, help="Print the address and open no browser.")
@click.option("--reload", is_flag=True, help="Restart the agent when a Python file beside it changes.")
@click.option(
    "--data", type=click.Path(dir_okay=False, path_type=Path), help="Keep the conversations in this file."
)
@click.option(
    "--generation",
    type=click.Choice(["march", "august"]),
    default="march",
    show_default=True,
    help="Which Arinova server to be like.",
)
@click.option(
    "--agents",
    "number",
    type=click.IntRange(1, len(_NAMES)),
    help="How many agents to start of one TARGET, for a group; 2 of the sample agent by default.",
)
def command(
    targets: tuple[str, ...],
    port: int,
    host: str,
    no_browser: bool,
    reload: bool,
    data: Path | None,
    generation: str,
    number: int | None,
) -> None:
    """Chat with an agent in the browser, on an Arinova server of its own.

    TARGET is a file, such as my_agent.py, or module:attribute; a sample agent without one. Several targets meet
    in a group.
    """
    if not _is_loopback(host):
        raise click.BadParameter("only addresses of this machine are served", param_hint="--host")
    if number is not None and len(targets) > 1:
        raise click.UsageError("--agents takes one TARGET")
    if reload and not targets:
        raise click.UsageError("--reload needs a TARGET")
    agents = _agents(targets, number)
    try:
        playground = Playground(
            agents,
            port=port,
            host=host,
            generation=cast(Generation, generation),
            data=data,
            source=", ".join(targets) or "sample agent",
        )
        playground.start()
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {host} port {port}: {error.strerror or error}"
        ) from error
    with ExitStack() as ending:
        ending.callback(playground.stop)
        if reload:
            folders = {_folder(target) for target in targets}
            ending.enter_context(reloading(sorted(folders), playground.restart_agents))
        click.echo(f"Playground: {playground.url}")
        click.echo("Ctrl-C ends it.")
        sys.stdout.flush()
        if not no_browser:
            webbrowser.open(playground.url)
        _wait_for_signal()
    click.echo("")


def _agents(targets: Sequence[str], number: int | None) -> dict[str, RunnerMaker]:
    if not targets:
        return dict.fromkeys(_NAMES[: number or 2], _sample)
    if len(targets) == 1:
        name = _name(targets[0])
        names = [name] if (number or 1) == 1 else [f"{name}{place}" for place in range(1, (number or 1) + 1)]
        return {each: partial(_child, targets[0]) for each in names}
    agents: dict[str, RunnerMaker] = {}
    for target in targets:
        name, place = _name(target), 2
        while name in agents:
            name, place = f"{_name(target)}{place}", place + 1
        agents[name] = partial(_child, target)
    return agents


def _name(target: str) -> str:
    """Return a name that can be mentioned: one word."""
    name, attribute = split(target)
    path = Path(name)
    stem = attribute or (path.stem if path.suffix == ".py" else name.rpartition(".")[2])
    words = [word for word in re.split(r"[\W_]+", stem) if word]
    return "".join(word[:1].upper() + word[1:] for word in words) or "Agent"


def _folder(target: str) -> Path:
    name, _ = split(target)
    path = Path(name)
    return path.resolve().parent if path.suffix == ".py" else Path.cwd()


def _sample(server_url: str, bot_token: str, changed: Changed) -> Runner:
    from .sample import make_agent

    return InProcess(lambda: make_agent(server_url, bot_token), changed)


def _child(target: str, server_url: str, bot_token: str, changed: Changed) -> Runner:
    return InChild(target, server_url, bot_token, changed)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _wait_for_signal() -> None:
    """Return at Ctrl-C or SIGTERM."""
    ended = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: ended.set()) for number in numbers]
    try:
        ended.wait()
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
