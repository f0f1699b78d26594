"""Frames in a pipe."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arinova_agent_sync.executors.processes.process_messages import (
    AgentLoaded,
    Frames,
    Printed,
    decode_from_worker,
    framed,
)
from arinova_agent_sync.executors.protocol import JobText, SeamMessage

MESSAGES: list[SeamMessage] = [
    Printed("stdout", "hi\n"),
    AgentLoaded(1, None),
    JobText("j", 1, 1, "ü" * 300),
    Printed("stderr", ""),
]


@given(st.lists(st.integers(1, 400)))
def test_messages_come_out_whole_however_they_are_cut(sizes: list[int]) -> None:
    data = b"".join(map(framed, MESSAGES))
    frames, found = Frames(), []
    for size in [*sizes, len(data)]:
        found += [decode_from_worker(frame) for frame in frames.feed(data[:size])]
        data = data[size:]
    assert found == MESSAGES
