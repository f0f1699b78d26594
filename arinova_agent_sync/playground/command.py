"""``arinova-agent playground``: the command."""

from __future__ import annotations

import errno
import ipaddress
import re
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import cast

import click

from ..cli.options import embedded_options, unusable_data, whole, wrong
from ..cli.target import TargetError, file_of, folder_of, name_of
from ..local import Generation
from ..runtime.foreground import Events, signals_to
from .agents import Changed, InProcess, Runner
from .browser import BrowserLink
from .child import InChild
from .playground import Playground, RunnerMaker
from .reload import reloading

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_NAMES = ("Iris", "Otto", "Wren", "Milo", "Juno", "Hugo", "Nora", "Emil")


@click.command("playground")
@click.argument("targets", metavar="[TARGET]...", nargs=-1)
@click.option(
    "--port", type=whole(0, 65535), default=0, metavar="PORT", help="Where to listen; a free port by default."
)
@click.option(
    "--host", default="127.0.0.1", help="An address of this machine alone, such as 127.0.0.1 or ::1."
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    metavar="NAME",
    multiple=True,
    help="A further name of the page, such as a reverse proxy's; may be given several times.",
)
@click.option("--no-browser", is_flag=True, help="Print the address and open no browser.")
@click.option("--reload", is_flag=True, help="Restart the agent when a Python file beside it changes.")
@embedded_options(kept="the conversations and their files")
@click.option(
    "--agents",
    "number",
    type=whole(1, len(_NAMES)),
    metavar="N",
    help="How many agents to start of one TARGET, for a group; 2 of the sample agent by default.",
)
def command(
    targets: tuple[str, ...],
    port: int,
    host: str,
    allowed_hosts: tuple[str, ...],
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
        raise wrong("--host", f"{host!r} must be an address of this machine alone, such as 127.0.0.1 or ::1")
    for name in allowed_hosts:
        if not _HOST_NAME.fullmatch(name):
            raise wrong(
                "--allow-host", f"{name!r} must be a host name, such as chat.example.com, without port"
            )
    if number is not None and len(targets) > 1:
        raise click.UsageError("--agents takes one TARGET")
    if reload and not targets:
        raise click.UsageError("--reload needs a TARGET")
    try:
        for target in targets:
            file_of(target)
    except TargetError as error:
        raise click.UsageError(str(error)) from None
    agents = {name: _told(name, make) for name, make in _agents(targets, number).items()}
    try:
        playground = Playground(
            agents,
            port=port,
            host=host,
            generation=cast(Generation, generation),
            data=data,
            source=", ".join(targets) or "sample agent",
            allowed_hosts=allowed_hosts,
        )
    except (OSError, ValueError) as error:
        raise unusable_data(data, error) from error
    try:
        playground.start()
    except OSError as error:
        raise _unusable_address(host, port, error) from error
    with ExitStack() as ending:
        ending.callback(playground.stop)
        if reload:
            folders = {folder_of(target) for target in targets}
            ending.enter_context(reloading(sorted(folders), playground.restart_agents))
        # From the first word on, so that an early Ctrl-C ends it no less cleanly.
        events = ending.enter_context(closing(Events()))
        ending.enter_context(signals_to(events))
        click.echo(f"Playground: {playground.url}")
        click.echo("Ctrl-C ends it.")
        sys.stdout.flush()
        if not no_browser:
            link = ending.enter_context(closing(BrowserLink(playground.url)))
            opened = link.send()
            click.echo(
                "The page opens in your browser; if it does not, open the address above."
                if opened
                else "No browser could be opened: open the address above yourself."
            )
            sys.stdout.flush()
        events.get(None)
    click.echo("")


def _unusable_address(host: str, port: int, error: OSError) -> click.BadParameter:
    if error.errno == errno.EADDRINUSE:
        problem = f"another program listens on port {port}; leave --port out for a free one"
        return wrong("--port", problem)
    option = "--host" if error.errno == errno.EADDRNOTAVAIL else "--port"
    return wrong(option, f"cannot listen on {host} port {port}: {error.strerror or error}")


def _agents(targets: Sequence[str], number: int | None) -> dict[str, RunnerMaker]:
    if not targets:
        return dict.fromkeys(_NAMES[: number or 2], _sample)
    if len(targets) == 1:
        name = name_of(targets[0])
        names = [name] if (number or 1) == 1 else [f"{name}{place}" for place in range(1, (number or 1) + 1)]
        return {each: partial(_child, targets[0]) for each in names}
    agents: dict[str, RunnerMaker] = {}
    for target in targets:
        name, place = name_of(target), 2
        while name in agents:
            name, place = f"{name_of(target)}{place}", place + 1
        agents[name] = partial(_child, target)
    return agents


def _told(name: str, make: RunnerMaker) -> RunnerMaker:
    """Let the terminal tell, too, why an agent cannot run."""

    def make_told(server_url: str, bot_token: str, changed: Changed) -> Runner:
        lock = threading.Lock()
        last: str | None = None

        def tell() -> None:
            nonlocal last
            changed()
            state = runner.state()
            problem = state["problem"] if state["state"] == "failed" else None
            with lock:
                fresh, last = problem != last, problem
            if fresh and problem is not None:
                click.echo(f"{name}: {problem}", err=True)

        runner = make(server_url, bot_token, tell)
        return runner

    return make_told


def _sample(server_url: str, bot_token: str, changed: Changed) -> Runner:
    from .sample import make_agent

    return InProcess(lambda: make_agent(server_url, bot_token), changed)


def _child(target: str, server_url: str, bot_token: str, changed: Changed) -> Runner:
    return InChild(target, server_url=server_url, bot_token=bot_token, changed=changed)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
