"""``arinova-agent doctor``: find out why an agent cannot connect."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path

import click

from ..settings import BOT_TOKEN_VARIABLE, Settings
from .checks import Checkup, Finding, failures
from .options import given_tokens, required_token, required_url, seconds, server_options
from .terminal import visible

_MARKS = {
    "ok": ("ok", "green"),
    "warn": ("warn", "yellow"),
    "fail": ("FAIL", "red"),
    "skip": ("skip", "cyan"),
}
_WIDTH = 14  # of the longest name of a step
_NO_TOKEN = "none"
_INTERRUPTED = 130


@click.command("doctor")
@server_options(several=False)
@click.option(
    "--auth/--no-auth",
    "auth",
    default=None,
    help="Whether to authenticate. In a terminal it is asked for, elsewhere it is done by default.",
)
@click.option(
    "--timeout",
    type=seconds,
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long all of it may take.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def command(
    server_url: str | None,
    token_files: Path | None,
    bot_tokens: str | None,
    auth: bool | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Find out why an agent cannot connect: try every step on the way to the server, and say what to do.

    Authenticating takes the place of a running connection of the same agent: that one stays open, gets no more
    messages, and the answers that it is giving fail. --no-auth leaves this step out, and the agent alone.

    \b
    Exit codes:
      0    nothing failed
      1    something failed
      2    wrong usage
      130  Ctrl-C
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show "→" shows "?"
    url = required_url(server_url)
    token = _token(token_files, bot_tokens, auth)
    if not as_json:
        click.echo(f"Checking {url}\n")
    if token is not None and auth is None:
        auth = _consent()
    checkup = Checkup(
        Settings(server_url=url, bot_token=token or _NO_TOKEN),
        has_token=token is not None,
        authenticates=token is not None and auth is not False,
        timeout=timeout,
    )
    findings = []
    try:
        for finding in checkup.run():
            findings.append(finding)
            if not as_json:
                _print(finding)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    failed = failures(findings)
    if as_json:
        checks = [asdict(finding) for finding in findings]
        click.echo(json.dumps({"server": url, "ok": not failed, "checks": checks}, ensure_ascii=False))
    elif failed:
        click.echo("\nBegin with the first line that says FAIL.")
    else:
        click.echo("\nNothing is wrong.")
    sys.exit(1 if failed else 0)


def _token(file: Path | None, given: str | None, auth: bool | None) -> str | None:
    """Return the token, None if there is none and none is needed."""
    tokens = given_tokens([] if file is None else [file], [] if given is None else [given])
    if tokens:
        return tokens[0]
    if auth is False and not os.environ.get(BOT_TOKEN_VARIABLE):
        return None
    return required_token()


def _consent() -> bool:
    """Ask, where there is somebody to ask, whether the agent may be taken the place of."""
    warning = "Authenticating takes the place of a running connection of the same agent."
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        click.echo(f"{warning} --no-auth leaves it out.", err=True)
        return True
    try:
        return click.confirm(f"{warning} Go on with it?", default=False)
    except click.Abort:
        sys.exit(_INTERRUPTED)


def _print(finding: Finding) -> None:
    mark, colour = _MARKS[finding.status]
    taken = "" if finding.seconds is None else click.style(f"  {finding.seconds * 1000:.0f} ms", dim=True)
    detail = visible(finding.detail)  # which may hold what a server says
    click.echo(f"{click.style(f'{mark:<4}', fg=colour)}  {finding.name:<{_WIDTH}}  {detail}{taken}")
    if finding.advice:
        click.echo(f"{'':{_WIDTH + 8}}→ {visible(finding.advice)}")
