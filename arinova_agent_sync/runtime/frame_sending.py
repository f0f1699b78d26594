"""Frames that answer no task and carry no message: reports, telemetry."""

from __future__ import annotations

from ..errors import ConnectionLost
from ..log import logger
from ..protocol.frames import check_size
from .state import DISCONNECTED, State
from .writer import Writer


def send_frame(state: State, writer: Writer, payload: bytes) -> None:
    """Send a frame, on the next connection if there is none.

    Args:
        state: the agent's state.
        writer: its writer.
        payload: the frame.

    Raises ConnectionLost if there will be no connection any more, ValueError for a frame that is too large.
    """
    check_size(payload, state.settings.max_outgoing_bytes)
    with state.lock:
        if state.closing or state.over:
            raise ConnectionLost(DISCONNECTED)
        kept = state.outbox.add_frame(payload)
    writer.flush_frames()
    if not kept:
        logger.warning("a frame was dropped: too much waits for the connection (max_buffered_bytes)")
