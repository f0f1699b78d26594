"""The frames of the agent protocol: outgoing ones as JSON bytes with exact keys, incoming ones as objects.

An absent value means an absent key. Texts are expected to be clean already (see jsonvalues).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ..settings import Skill
from .json_values import JSONValue

ACTION_PROTOCOL_VERSION = "2026-05-05"
GAP_REASON = "offline_chunk_buffer_expired"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
encode_text = _encoder.encode


# A pair of surrogates, half of one, or any other escape; so a backslash that is escaped itself begins none.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)

PING = b'{"type":"ping"}'


def decode(data: bytes | bytearray) -> dict[str, object] | None:
    """Return the JSON object in a text message, None if it holds none.

    Half of a surrogate pair becomes U+FFFD: a task with one has to be answered like any other.
    """
    try:
        value = _decoder.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        repaired = _ESCAPE.sub(_whole_escape, data)
        return decode(repaired) if repaired != data else None
    return value if isinstance(value, dict) else None


def text(message: Mapping[str, object], key: str) -> str | None:
    """Return the string under a key, None if there is none."""
    value = message.get(key)
    return value if isinstance(value, str) else None


def _whole_escape(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape.lastgroup else escape[0]


def check_size(payload: bytes, most: int) -> None:
    """Raise ValueError for a frame of more than so many bytes: a server may break the connection over it."""
    if len(payload) > most:
        raise ValueError(
            f"this is a frame of {len(payload):,} bytes; the most is {most:,} (max_outgoing_bytes): "
            "send less at once"
        )


def frame(type: str, /, **fields: object) -> bytes:
    """Return a frame of that type; fields that are None are left out."""
    if None in fields.values():
        fields = {key: value for key, value in fields.items() if value is not None}
    return _encoder.encode({"type": type, **fields})


def agent_auth(token: str, skills: Sequence[Skill], version: str, platform: str) -> bytes:
    """Return the frame that must come first on a connection."""
    return frame(
        "agent_auth",
        botToken=token,
        skills=[{"id": s.id, "name": s.name, "description": s.description} for s in skills] or None,
        runtime={
            "name": "arinova-agent-sync",
            "version": version,
            "language": "python",
            "platform": platform,
        },
        capabilities={
            "actionCall": {
                "supported": True,
                "protocolVersion": ACTION_PROTOCOL_VERSION,
                "canEmitFrames": True,
                "supportsActionResultContinuation": True,
                "supportsGetSchema": True,
                "schemaCache": False,
            }
        },
    )


def chunk_prefix(task_id: str) -> bytes:
    """Return all of a task's chunk frames that comes before the text; the text and one brace follow."""
    return b'{"type":"agent_chunk","taskId":' + encode_text(task_id) + b',"chunk":'


def agent_complete(task_id: str, content: str, mentions: Sequence[str] | None) -> bytes:
    """Return the terminal frame of an answered task."""
    if mentions:
        return frame("agent_complete", taskId=task_id, content=content, mentions=list(mentions))
    return (
        b'{"type":"agent_complete","taskId":'
        + encode_text(task_id)
        + b',"content":'
        + encode_text(content)
        + b"}"
    )


def agent_error(task_id: str | None, error: str, reason: str | None = None) -> bytes:
    """Return the terminal frame of a failed task."""
    return frame("agent_error", taskId=task_id, error=error, reason=reason)


def agent_heartbeat(task_id: str) -> bytes:
    """Return the frame that resets the idle limit of a task (600 s on the March 2026 server)."""
    return frame("agent_heartbeat", taskId=task_id)


def agent_stream_gap(task_id: str) -> bytes:
    """Return the notice that some of a task's text was lost."""
    return frame("agent_stream_gap", taskId=task_id, reason=GAP_REASON)


def task_queued(task_id: str, conversation_id: str | None, position: int, total: int) -> bytes:
    """Return the notice that a task waits: its place in its conversation from 0, and how many wait in all."""
    where = b"" if conversation_id is None else b',"conversationId":' + encode_text(conversation_id)
    return b'{"type":"task_queued","taskId":%b%b,"queuePosition":%d,"globalQueueSize":%d}' % (
        encode_text(task_id),
        where,
        position,
        total,
    )


def agent_send(conversation_id: str, content: str, reply_to: str | None) -> bytes:
    """Return a message that answers no task."""
    return frame("agent_send", conversationId=conversation_id, content=content, replyTo=reply_to)


def register_commands(agent_id: str, skills: Iterable[Skill]) -> bytes:
    """Return the list of slash commands for a server that gave the agent its id."""
    commands = [{"name": skill.id, "description": skill.description} for skill in skills]
    return frame("register_commands", agentId=agent_id, commands=commands)


def heartbeat_commands(agent_id: str) -> bytes:
    """Return the frame that keeps the registered commands alive."""
    return frame("heartbeat_commands", agentId=agent_id)


def action_call(call_id: str, action: str, arguments: Mapping[str, JSONValue], **fields: object) -> bytes:
    """Return the request to run an action on the platform."""
    return frame("action_call", id=call_id, action=action, arguments=arguments, **fields)
