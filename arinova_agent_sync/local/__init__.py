"""An Arinova server inside one's own process, to develop and test agents against.

It behaves like the real server of March 2026, down to its oddities, or shows what the clients of August 2026
expect. Users are played by plain function calls, and faults are injected by name::

    with LocalServer() as server:
        agent = ArinovaAgent(server_url=server.url, bot_token=server.bot_token)
        ...
        reply = server.conversation().say("hi")
        for piece in reply:
            print(piece, end="")

This is the only part of the package that loads asyncio, and only when it is imported.
"""

try:
    import python_multipart  # noqa: F401
    import starlette  # noqa: F401
    import uvicorn  # noqa: F401
    import websockets  # noqa: F401
except ImportError as error:
    from ..extras import install_command

    raise ImportError(f"the embedded server needs: {install_command('playground')}") from error

from .actions import ActionCall, ActionFunction, ActionReply, ActionStatus
from .agent_frames import Report
from .conversations import LocalConversation
from .faults import FaultName, GarbageKind, Injection
from .framelog import Direction, FrameRecord
from .owner import LocalCard, LocalFile, LocalMemory, LocalNote, Owner
from .records import AgentAccount, ConversationType, ListenMode, Message, MessageStatus, ReplyStatus
from .replies import LocalReply, Timings
from .rules import Generation
from .server import LocalServer
from .telemetry import TelemetryRow

__all__ = [
    "ActionCall",
    "ActionFunction",
    "ActionReply",
    "ActionStatus",
    "AgentAccount",
    "ConversationType",
    "Direction",
    "FaultName",
    "FrameRecord",
    "GarbageKind",
    "Generation",
    "Injection",
    "ListenMode",
    "LocalCard",
    "LocalConversation",
    "LocalFile",
    "LocalMemory",
    "LocalNote",
    "LocalReply",
    "LocalServer",
    "Message",
    "MessageStatus",
    "Owner",
    "ReplyStatus",
    "Report",
    "TelemetryRow",
    "Timings",
]
