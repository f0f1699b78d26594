"""What the command line, the testing kit and the playground may do with an agent, and its users may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from . import hooks
from .agent import ArinovaAgent
from .credentials import Credentials
from .handlers import HandlerTable
from .runtime.callbacks import Listeners
from .settings import Settings

if TYPE_CHECKING:
    from .runtime.engine import Engine

Function = TypeVar("Function")


def settings_of(agent: ArinovaAgent) -> Settings:
    """Return what an agent was made with, or redirected to."""
    return agent._settings


def token_of(agent: ArinovaAgent) -> str:
    """Return the token in use, which is a claimed one once there is one."""
    return agent._credentials.token


def engine_of(agent: ArinovaAgent) -> Engine | None:
    """Return what runs an agent, None before it was started."""
    return agent._engine


def start(agent: ArinovaAgent) -> Engine:
    """Start an agent without waiting for its connection."""
    return agent._start()


def listeners_of(agent: ArinovaAgent) -> Listeners:
    """Return who listens to an agent's events."""
    return agent._listeners


def credentials_of(agent: ArinovaAgent) -> Credentials:
    """Return the token in use and the HTTP client."""
    return agent._credentials


def handlers_of(agent: ArinovaAgent) -> HandlerTable:
    """Return which handler answers which task."""
    return agent._handlers


def made_at(agent: ArinovaAgent) -> tuple[str, int, int] | None:
    """Return the module and line that made an agent, and how often before; None outside of a module's loading."""
    return agent._made_at


def redirect(agent: ArinovaAgent, **changes: Any) -> Callable[[], None]:
    """Let an agent that is not connected use another server; return what restores its settings.

    Args:
        agent: the agent.
        changes: settings that are checked already, such as ``server_url`` and ``bot_token``.
    """
    settings, credentials = agent._settings, agent._credentials
    wanted = replace(settings, **changes)
    if wanted != settings:
        agent._settings, agent._credentials = wanted, Credentials(wanted)

    def restore() -> None:
        agent._settings, agent._credentials = settings, credentials

    return restore


@contextmanager
def when_made(function: Callable[[ArinovaAgent], None]) -> Iterator[None]:
    """Call a function with every agent that is made."""
    with _registered(hooks.when_made, function):
        yield


@contextmanager
def before_starts(function: Callable[[ArinovaAgent], None]) -> Iterator[None]:
    """Call a function with every agent that is about to start, on the thread that starts it."""
    with _registered(hooks.before_start, function):
        yield


@contextmanager
def instead_of_run(function: Callable[[Sequence[ArinovaAgent]], bool]) -> Iterator[None]:
    """Offer a function the agents of every ``run()``, on the thread that calls it.

    Args:
        function: returns True if it has run them; what it raises comes out of ``run()``. Of several functions the
            latest is asked first.
    """
    with _registered(hooks.instead_of_run, function):
        yield


@contextmanager
def _registered(functions: list[Function], function: Function) -> Iterator[None]:
    functions.append(function)
    try:
        yield
    finally:
        functions.remove(function)
