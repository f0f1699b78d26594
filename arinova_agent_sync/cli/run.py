"""``arinova-agent run``: agents on a real server."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from .. import _internals, argument_checks
from ..agent import ArinovaAgent
from ..errors import AuthenticationError, ExecutorError
from ..executors.processes.process_executor import ProcessExecutor
from ..net.unusable import UnusableSetting
from ..runtime import foreground
from ..runtime.engine import Engine
from ..runtime.standby import LockFileError
from ..shadows import HiddenModule
from . import logs
from .give_up import GiveUpAfter
from .lifeline import Lifeline
from .options import (
    ListenAddress,
    address,
    given_tokens,
    log_level_option,
    seconds,
    server_options,
    whole,
    wrong,
)
from .target import TargetError, file_of, with_agents

if TYPE_CHECKING:
    from .health import Health

logger = logging.getLogger("arinova_agent_sync.cli")

ENDED = 0
UNUSABLE = 2
REFUSED = 3
UNREACHABLE = 4
CRASHED = 5
INTERRUPTED = 130


@click.command("run", short_help="Run agents on an Arinova server.")
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@server_options(several=True)
@click.option(
    "--give-up-after",
    type=seconds,
    metavar="SECONDS",
    help="End, with exit code 4, if an agent has not been connected by then. Else it goes on trying.",
)
@click.option(
    "--processes",
    type=whole(1, 1_000),
    metavar="N",
    help="Run handlers in N processes instead of on threads; they load the TARGETs, too.",
)
@click.option(
    "--standby",
    is_flag=True,
    help="Wait while another process of this machine is connected with the same token, and take its place.",
)
@click.option(
    "--health",
    type=address,
    metavar="[HOST:]PORT",
    help="Answer /healthz (is it connected?) and /metrics (for Prometheus) there; without HOST this machine alone.",
)
@log_level_option("info")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Lines for people, or a JSON object a line.",
)
@click.option("--reload", is_flag=True, help="Start anew when a Python file beside a TARGET changes.")
@click.option("--lifeline", type=int, hidden=True)
def command(
    targets: tuple[str, ...],
    server_url: str | None,
    token_files: tuple[Path, ...],
    bot_tokens: tuple[str, ...],
    give_up_after: float | None,
    processes: int | None,
    standby: bool,
    health: ListenAddress | None,
    log_level: str,
    log_format: str,
    reload: bool,
    lifeline: int | None,
) -> None:
    """Run agents on an Arinova server until Ctrl-C.

    TARGET is a file, such as my_agent.py, or a module; with :attribute, the agent or the function that makes it.
    Several TARGETs share this process. Each needs a bot token of its own, of the options or of its file.

    The first Ctrl-C or SIGTERM lets running handlers finish for shutdown_timeout seconds (30 unless the agent says
    otherwise), the second leaves at once.

    \b
    Exit codes:
      0    ended by a signal, or the agent disconnected
      2    wrong usage, or the TARGET cannot be used
      3    the server refused the token
      4    no connection within --give-up-after
      5    it crashed
      130  left at once: a second signal, or Ctrl-C while a TARGET was loaded
    """
    tokens = _tokens_of(targets, given_tokens(token_files, bot_tokens))
    if reload:
        try:
            for target in targets:
                file_of(target)
        except TargetError as error:  # nothing would ever change
            raise click.UsageError(str(error)) from None
        if health is not None:  # the other process listens; here it is seen whether one can
            _listen(health).close()
    log_format_ = cast(logs.Format, log_format)
    origins = logs.set_up(log_level, log_format_)
    if reload:
        from .supervisor import supervise

        sys.exit(supervise(targets))
    runner = _Runner(
        targets,
        server_url=server_url,
        tokens=tokens,
        give_up_after=give_up_after,
        executor=None if processes is None else ProcessExecutor(processes),
        standby=argument_checks.standby("--standby", standby),
        origins=origins,
    )
    if lifeline is not None:
        Lifeline(lifeline, runner.stop).start()
    with nullcontext() if health is None else _answering(health):
        code = _exit_code(runner, log_format_)
    sys.exit(code)


@contextmanager
def _answering(address: ListenAddress) -> Iterator[None]:
    """Tell who asks how the agents are that start meanwhile."""
    with closing(_listen(address)) as health, _internals.before_starts(health.add):
        health.start()
        logger.info("health: http://%s/healthz and /metrics", health.address)
        yield


def _listen(address: ListenAddress) -> Health:
    from .health import Health  # here: it needs prometheus_client

    try:
        return Health(address)
    except OSError as error:
        raise wrong("--health", f"cannot listen on {address}: {error.strerror or error}") from None


def _tokens_of(targets: Sequence[str], tokens: Sequence[str]) -> Sequence[str | None]:
    if not tokens:
        return [None] * len(targets)
    if len(tokens) != len(targets):
        raise click.UsageError(
            f"{_counted(len(targets), 'TARGET')} and {_counted(len(tokens), 'token')}: give --token-file (or "
            "--bot-token) once for each TARGET, in their order"
        )
    return tokens


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _exit_code(runner: _Runner, format: logs.Format) -> int:
    try:
        runner.run()
    except TargetError as error:
        if format == "json":
            logger.critical("%s", error)
        else:
            click.echo(f"Error: {error}{_hint(error)}", err=True)
        return CRASHED if error.late else UNUSABLE
    except KeyboardInterrupt:
        return INTERRUPTED
    except AuthenticationError:
        pass  # the log has told
    except (ExecutorError, HiddenModule, LockFileError, UnusableSetting) as error:
        logger.error("%s", error)
        return UNUSABLE
    except click.UsageError:
        raise
    except Exception:
        logger.critical("the agent crashed", exc_info=True)
        return CRASHED
    return runner.code


def _hint(error: TargetError) -> str:
    """Return what the command line offers besides what the error says."""
    cause = str(error.__cause__)
    for setting, option in (("server_url", "--server-url"), ("bot_token", "--token-file")):
        if isinstance(error.__cause__, ValueError) and cause.startswith(f"{setting} is missing"):
            return f"\nOr give {option}. To try the agent without a server, use: arinova-agent chat"
    return ""


class _Runner:
    """Load all targets, each inside the run() of the one before if it has one, and run their agents.

    Args:
        targets: which agents.
        server_url: where they connect, whatever they were made with; None leaves it as it is.
        tokens: one for each target; None leaves it as it is.
        give_up_after: seconds within which all must have been connected once; None for no limit.
        executor: where handlers run, whatever the agents were made with; None leaves it as it is.
        standby: whether agents wait for other processes with their tokens that were not made to.
        origins: notes in log records which agent they are about.

    Attributes:
        code: the exit code.
    """

    def __init__(
        self,
        targets: Sequence[str],
        *,
        server_url: str | None,
        tokens: Sequence[str | None],
        give_up_after: float | None,
        executor: ProcessExecutor | None = None,
        standby: bool = False,
        origins: logs.Origins,
    ) -> None:
        self.code = ENDED
        self._targets = targets
        self._server_url = server_url
        self._tokens = tokens
        self._give_up_after = give_up_after
        self._executor = executor
        self._standby = standby
        self._origins = origins
        self._lock = threading.Lock()  # guards the rest
        self._running: Sequence[ArinovaAgent] = ()
        self._engines: list[Engine] = []
        self._stop_within: float | None = None  # seconds; what was asked for, also of those that start later
        self._stopping = False
        self._gave_up = False

    def run(self) -> None:
        """Run until all agents have ended; raise what stopped them."""
        with _internals.before_starts(_stand_by) if self._standby else nullcontext():
            self._load(0, ())

    def stop(self, timeout: float | None) -> bool:
        """Let the agents end within so many seconds, by default their own; False if none runs yet."""
        with self._lock:
            self._stopping, self._stop_within = True, timeout
            engines, runs = list(self._engines), bool(self._running)
        for engine in engines:
            _stop(engine, timeout)
        return runs

    def _load(self, place: int, agents: Sequence[ArinovaAgent]) -> None:
        if place == len(self._targets):
            self._serve(agents)
            return
        with_agents(
            self._targets[place],
            lambda more: self._load(place + 1, [*agents, *more]),
            server_url=self._server_url,
            bot_token=self._tokens[place],
        )

    def _serve(self, agents: Sequence[ArinovaAgent]) -> None:
        if not agents:
            return  # they did it themselves
        _check_tokens(agents)
        if self._executor is not None:
            for agent in agents:
                _internals.redirect(agent, executor=self._executor, max_workers=self._executor.capacity)
        self._origins.watch(agents)
        for url in sorted({_internals.settings_of(agent).server_url for agent in agents}):
            logger.info("connecting to %s; Ctrl-C ends it", url)
        self.code = CRASHED
        try:
            starts = [partial(self._start, agent) for agent in agents]
            with self._watched(agents):
                signals = foreground.run(
                    starts, max(_internals.settings_of(agent).shutdown_timeout for agent in agents)
                )
        except AuthenticationError:
            self.code = REFUSED
            raise
        if self._gave_up:
            self.code = UNREACHABLE
        else:
            self.code = INTERRUPTED if signals > 1 else ENDED
        logger.info("ended")

    def _start(self, agent: ArinovaAgent) -> Engine:
        engine = _internals.start(agent)
        with self._lock:
            self._engines.append(engine)
            stopping, timeout = self._stopping, self._stop_within
        if stopping:
            _stop(engine, timeout)
        return engine

    @contextmanager
    def _watched(self, agents: Sequence[ArinovaAgent]) -> Iterator[None]:
        """Let ``stop`` reach the agents, and give up on them in time."""
        limit = None
        if self._give_up_after is not None:
            limit = GiveUpAfter(self._give_up_after, self._give_up)
            limit.start(agents)
        with self._lock:
            self._running = agents
        try:
            yield
        finally:
            with self._lock:
                self._running, self._engines = (), []
            if limit is not None:
                limit.end()

    def _give_up(self) -> None:
        with self._lock:
            self._gave_up = True
        logger.error("there was no connection within %g s: giving up", self._give_up_after)
        self.stop(0.0)


def _stand_by(agent: ArinovaAgent) -> None:
    _internals.redirect(agent, standby=True)


def _stop(engine: Engine, timeout: float | None) -> None:
    engine.shutdown.stop(engine.state.settings.shutdown_timeout if timeout is None else timeout)


def _check_tokens(agents: Sequence[ArinovaAgent]) -> None:
    identities = {(_internals.settings_of(agent).server_url, _internals.token_of(agent)) for agent in agents}
    if len(identities) < len(agents):
        raise click.UsageError(
            "two of the agents have the same token, and the server would send tasks to the latest connection only: "
            "give --token-file once for each TARGET, or bot_token= in their files"
        )
