"""What an agent says beside the answers to its tasks: messages, action calls, reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .action_results import ActionCallResult
from .credentials import Credentials
from .errors import ConnectionLost
from .protocol import frames
from .protocol.json_values import checked_object, clean_text
from .reports import hud_update, task_update, telemetry, tool_call_report

if TYPE_CHECKING:
    from .api import ArinovaClient
    from .runtime.engine import Engine


class Speaker:
    """The share of ArinovaAgent that is told in whole frames: no thread, no life of its own."""

    _credentials: Credentials
    _engine: Engine | None

    @property
    def api(self) -> ArinovaClient:
        """The HTTP client: usable from anywhere, before ``connect`` and after ``disconnect`` too."""
        return self._credentials.api

    def send_message(self, conversation_id: str, content: str, reply_to: str | None = None) -> None:
        """Send a message that answers no task: over the socket, else over HTTP.

        Args:
            conversation_id: where to; on the socket the server drops the message in silence if the agent is no
                member there.
            content: the text.
            reply_to: id of the message to reply to; the March 2026 server ignores it.

        Raises TypeError or ValueError for blank or other values; ApiError if it went over HTTP and failed.
        """
        conversation_id = clean_text("conversation_id", conversation_id)
        content = clean_text("content", content)
        if not content.strip():
            raise ValueError("content must not be blank")
        if reply_to is not None:
            reply_to = clean_text("reply_to", reply_to)
        engine = self._engine
        if engine is None or not engine.send_now(frames.agent_send(conversation_id, content, reply_to)):
            self.api.messages.send(conversation_id, content, reply_to=reply_to)

    def call_action(
        self,
        action: str,
        arguments: Mapping[str, object] | None = None,
        *,
        call_id: str | None = None,
        task_id: str | None = None,
        conversation_id: str | None = None,
        message_id: str | None = None,
        parent_call_id: str | None = None,
        reason: str | None = None,
        metadata: Mapping[str, object] | None = None,
        dry_run: bool | None = None,
        timeout: float | None = None,
    ) -> ActionCallResult:
        """Run an action on the platform and wait for its result (August 2026 servers).

        Args:
            action: its name, such as "note.create".
            arguments: a JSON object.
            call_id: by default a new one.
            dry_run: only check.
            timeout: seconds to wait for the result, 60 by default.

        Returns the result, whose status may be "error" or "requires_confirmation" too. Raises ActionTimeout,
        ActionError without a connection or when it is lost meanwhile, TypeError or ValueError for arguments
        that JSON cannot say.
        """
        return self._running().actions.call(
            action,
            {} if arguments is None else arguments,
            {
                "call_id": call_id,
                "task_id": task_id,
                "conversation_id": conversation_id,
                "message_id": message_id,
                "parent_call_id": parent_call_id,
                "reason": reason,
                "metadata": metadata,
                "dry_run": dry_run,
                "timeout": timeout,
            },
        )

    def report_action_progress(
        self,
        call_id: str,
        action: str,
        progress: Mapping[str, object],
        *,
        task_id: str | None = None,
        conversation_id: str | None = None,
    ) -> None:
        """Report how far an action call is; raise ConnectionLost without a connection."""
        payload = frames.frame(
            "action_progress",
            id=clean_text("call_id", call_id),
            action=clean_text("action", action),
            progress=checked_object(progress, "progress"),
            taskId=None if task_id is None else clean_text("task_id", task_id),
            conversationId=None
            if conversation_id is None
            else clean_text("conversation_id", conversation_id),
        )
        self._running().actions.progress(payload)

    def send_telemetry(self, event: str, data: Mapping[str, object] | None = None) -> None:
        """Send a telemetry event; it waits for a connection if there is none.

        Args:
            event: such as "session_start", "llm_output", "tool_call".
            data: a JSON object, such as ``{"sessionId": "s1", "usage": {"input": 10, "output": 20}}``. Numbers
                must be numbers: the March 2026 server takes others for missing.
        """
        self._running().send(telemetry(event, data))

    def send_hud(self, data: Mapping[str, object], conversation_id: str | None = None) -> None:
        """Show a JSON object in the conversation's head-up display (August 2026 servers)."""
        self._running().send(hud_update(data, conversation_id))

    def send_task_update(
        self,
        status: str,
        *,
        task: str | None = None,
        duration_ms: int | None = None,
        cost_usd: float | None = None,
        num_turns: int | None = None,
        agent_name: str | None = None,
    ) -> None:
        """Report on a piece of work of the agent's own (August 2026 servers).

        Args:
            status: "started" (with task, what it is) or "completed" (with the numbers).
            agent_name: by default the name that the server knows the agent by.
        """
        engine = self._running()
        name = agent_name if agent_name is not None else (engine.state.agent_name or "agent")
        engine.send(task_update(name, status, task, duration_ms, cost_usd, num_turns))

    def report_tool_call(
        self,
        *,
        session_id: str,
        turn_id: str,
        seq_order: int,
        tool_name: str,
        input: object,
        success: bool,
        output: object = None,
        duration_ms: int | None = None,
        error: str | None = None,
        message_id: str | None = None,
    ) -> None:
        """Report a call of a tool that a model made (August 2026 servers); input and output are JSON values."""
        report = {
            "sessionId": session_id,
            "turnId": turn_id,
            "seqOrder": seq_order,
            "toolName": tool_name,
            "input": input,
            "output": output,
            "durationMs": duration_ms,
            "success": success,
            "error": error,
            "messageId": message_id,
        }
        self._running().send(tool_call_report(report))

    def _running(self) -> Engine:
        engine = self._engine
        if engine is None or engine.state.over:
            raise ConnectionLost("the agent is not connected; call connect() first")
        return engine
