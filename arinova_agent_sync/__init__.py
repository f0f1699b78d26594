"""Connect a blocking Python program to Arinova Chat.

from arinova_agent_sync import ArinovaAgent

agent = ArinovaAgent(server_url="https://chat.arinova.ai", bot_token="ari_...")

@agent.on_task
def handle(task):
    yield f"You said: {task.content}"

agent.run()
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__
from .action_results import ActionCallResult, ActionConfirmation, ActionFailure
from .agent import ArinovaAgent, run
from .errors import (
    ActionError,
    ActionTimeout,
    ApiConnectionError,
    ApiError,
    ApiTimeoutError,
    ArinovaError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ConnectionLost,
    ConnectTimeout,
    ExecutorError,
    FrameTooLargeError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    RemoteHandlerError,
    ServerError,
    TaskCancelled,
    WorkerLost,
)
from .handlers import Reply
from .log import StandardError
from .payload import AvailableSkill, HistoryMessage, Member, ReplyTo
from .settings import Skill
from .surroundings import current_task
from .task import Task

__all__ = [
    "ActionCallResult",
    "ActionConfirmation",
    "ActionError",
    "ActionFailure",
    "ActionTimeout",
    "ApiConnectionError",
    "ApiError",
    "ApiTimeoutError",
    "ArinovaAgent",
    "ArinovaClient",
    "ArinovaError",
    "Attachment",
    "AuthenticationError",
    "AvailableSkill",
    "BadRequestError",
    "CeleryExecutor",
    "ConflictError",
    "ConnectTimeout",
    "ConnectionLost",
    "ExecutorError",
    "FrameTooLargeError",
    "HistoryMessage",
    "Member",
    "NotFoundError",
    "OnboardingSeed",
    "PermissionDeniedError",
    "ProcessExecutor",
    "ProtocolError",
    "RateLimitError",
    "RemoteHandlerError",
    "Reply",
    "ReplyTo",
    "ServerError",
    "Skill",
    "Stats",
    "Task",
    "TaskCancelled",
    "TokenClaim",
    "Undelivered",
    "WorkerLost",
    "__version__",
    "current_task",
    "interruptible",
    "run",
]

if TYPE_CHECKING:
    from .api import ArinovaClient
    from .attachments import Attachment
    from .executors.celery.celery_executor import CeleryExecutor
    from .executors.processes.process_executor import ProcessExecutor
    from .interrupts.clients import interruptible
    from .protocol.session import OnboardingSeed, TokenClaim
    from .runtime.rescue import Undelivered
    from .runtime.stats import Stats

# Imported when they are asked for, with what they need: few programs do, and the import is to be quick.
_LATER = {
    "ArinovaClient": ".api",
    "Attachment": ".attachments",
    "CeleryExecutor": ".executors.celery.celery_executor",
    "OnboardingSeed": ".protocol.session",
    "ProcessExecutor": ".executors.processes.process_executor",
    "Stats": ".runtime.stats",
    "TokenClaim": ".protocol.session",
    "Undelivered": ".runtime.rescue",
    "interruptible": ".interrupts.clients",
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        return getattr(import_module(_LATER[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


StandardError().install()
