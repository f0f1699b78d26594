"""What the command line, the testing kit and the playground may do with an agent, and its users may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from . import agent as agent_module
from .agent import ArinovaAgent
from .credentials import Credentials
from .handlers import TaskHandler
from .runtime.callbacks import Listeners
from .settings import Settings
from .task import Task

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


def listeners_and_handlers_of(agent: ArinovaAgent) -> tuple[Listeners, Callable[[Task], TaskHandler | None]]:
    """Return who listens to an agent's events, and what finds the handler of a task."""
    return agent._listeners, agent._handlers.find


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
def before_starts(function: Callable[[ArinovaAgent], None]) -> Iterator[None]:
    """Call a function with every agent that is about to start, on the thread that starts it."""
    with _registered(agent_module.before_start, function):
        yield


@contextmanager
def instead_of_run(function: Callable[[Sequence[ArinovaAgent]], bool]) -> Iterator[None]:
    """Offer a function the agents of every ``run()``, on the thread that calls it.

    Args:
        function: returns True if it has run them; what it raises comes out of ``run()``. Of several functions the
            latest is asked first.
    """
    with _registered(agent_module.instead_of_run, function):
        yield


@contextmanager
def _registered(functions: list[Function], function: Function) -> Iterator[None]:
    functions.append(function)
    try:
        yield
    finally:
        functions.remove(function)
