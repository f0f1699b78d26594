"""What each frame of an authenticated agent means. Values in, changes of the chat out; not thread-safe."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from .chat import Chat
from .records import ActionCalled, AgentAccount, Connection, Deliver, Frame, Task, as_uuid
from .telemetry import TelemetryRow, record

REPORTS = (
    "action_progress",
    "agent_stream_gap",
    "heartbeat_commands",
    "hud_update",
    "register_commands",
    "task_queued",
    "task_update",
    "tool_call_report",
)


@dataclass(frozen=True)
class Report:
    """Show one frame that an agent tells about itself, such as "hud_update"."""

    agent_id: str
    frame: Frame

    @property
    def type(self) -> str:
        """The frame's type."""
        return str(self.frame["type"])


@dataclass
class Incoming:
    """Apply agents' frames to a chat.

    Attributes:
        chat: the state that they change.
        telemetry: what was stored of agents' telemetry.
        reports: the other frames that agents tell about themselves. The March 2026 server ignores these here, and
            takes two of them on a socket of their own.
    """

    chat: Chat
    telemetry: list[TelemetryRow] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)

    def report(self, agent: AgentAccount, frame: Frame) -> None:
        """Keep what an agent tells about itself."""
        self.reports.append(Report(agent.agent_id, frame))

    def receive(self, connection: Connection, agent: AgentAccount, frame: Frame) -> None:
        """Do what one frame asks for; an unknown or malformed one is ignored."""
        chat = self.chat
        match frame.get("type"):
            case "ping":
                chat.want(Deliver(connection, {"type": "pong"}))
            case "agent_chunk" | "agent_heartbeat" as kind:
                # Whose frame it is decides the agent's id, not the connection: a replaced one still counts.
                task, chunk = self._pending(frame), frame.get("chunk")
                if task is None or task.agent is not agent:
                    return
                if kind == "agent_heartbeat":
                    chat.heartbeat(task)
                elif isinstance(chunk, str):
                    chat.chunk(task, chunk)
            case "agent_complete":
                if (task := self._ended(agent, frame)) is not None:
                    mentions = frame.get("mentions")
                    named = mentions if isinstance(mentions, list) else ()
                    named = [each for each in named if isinstance(each, str)]
                    chat.complete(task, _text(frame.get("content"), ""), named)
            case "agent_error":
                if (task := self._ended(agent, frame)) is not None:
                    if chat.rules.august and frame.get("reason") == "cancelled":
                        chat.stop_by_agent(task)
                    else:
                        chat.fail(task, _text(frame.get("error"), "Unknown error"))
            case "agent_send":
                self._send(agent, frame)
            case "agent_telemetry":
                record(self.telemetry, agent.agent_id, frame.get("event"), frame.get("data"))
            case "action_call" if chat.rules.august:
                chat.want(ActionCalled(connection, agent, frame))
            case str(kind) if chat.rules.august and kind in REPORTS:
                self.report(agent, frame)

    def _send(self, agent: AgentAccount, frame: Frame) -> None:
        # No answer, whatever is wrong: a blank text, an id that is no UUID, a foreign conversation.
        content, place = frame.get("content"), frame.get("conversationId")
        if not isinstance(content, str) or not content.strip():
            return
        conversation = self.chat.conversations.get(as_uuid(place) or "")
        if conversation is None or agent not in conversation.agents:
            return
        reply_to = frame.get("replyTo") if self.chat.rules.august else None
        reply_to = reply_to if isinstance(reply_to, str) else None
        self.chat.send(agent, conversation, content, reply_to, by_name=False)

    def _ended(self, agent: AgentAccount, frame: Frame) -> Task | None:
        task = self._pending(frame)
        if task is not None and task.agent is not agent:
            # The March 2026 server takes the entry out before it looks whose it is.
            self.chat.vanish(task)
            return None
        return task

    def _pending(self, frame: Frame) -> Task | None:
        task_id = frame.get("taskId")
        return self.chat.pending.get(task_id) if isinstance(task_id, str) else None


def parsed(text: str) -> Frame | None:
    """Return the JSON object in a text, None for anything that the March 2026 server drops without a word.

    Its parser is stricter than Python's: no NaN or Infinity, no number beyond a float's range, no half of a
    surrogate pair.
    """
    try:
        frame = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return frame if isinstance(frame, dict) else None


def _text(value: object, default: str) -> str:
    return value if isinstance(value, str) else default
