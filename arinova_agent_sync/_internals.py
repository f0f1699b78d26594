"""What the command line, the testing kit and the playground may do with an agent, and its users may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from .agent import ArinovaAgent
from .credentials import Credentials
from .handlers import TaskHandler
from .runtime.listeners import Listeners
from .settings import Settings
from .task import Task

if TYPE_CHECKING:
    from .runtime.engine import Engine


def settings_of(agent: ArinovaAgent) -> Settings:
    """Return what an agent was made with, or led to."""
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


def manners_of(agent: ArinovaAgent) -> tuple[Listeners, Callable[[Task], TaskHandler | None]]:
    """Return who listens to an agent's events, and what finds the handler of a task."""
    return agent._listeners, agent._handlers.find


def lead(agent: ArinovaAgent, **changes: Any) -> Callable[[], None]:
    """Let an agent that is not connected speak with another server; return what leads it back.

    Args:
        agent: whom.
        changes: settings that are checked already, such as ``server_url`` and ``bot_token``.
    """
    settings, account = agent._settings, agent._credentials
    wanted = replace(settings, **changes)
    if wanted != settings:
        agent._settings, agent._credentials = wanted, Credentials(wanted)

    def lead_back() -> None:
        agent._settings, agent._credentials = settings, account

    return lead_back


@contextmanager
def before_starts(function: Callable[[ArinovaAgent], None]) -> Iterator[None]:
    """Call a function with every agent that is about to be started, by whomever."""
    start = ArinovaAgent._start

    def start_then(self: ArinovaAgent) -> Engine:
        function(self)
        return start(self)

    ArinovaAgent._start = start_then  # type: ignore[method-assign]
    try:
        yield
    finally:
        ArinovaAgent._start = start  # type: ignore[method-assign]
