"""What reaches the kernel when many threads write through a socket that takes a few bytes at a time and breaks."""

from __future__ import annotations

import json
import random
import socket
import threading
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.runtime import dial, writer


class Wire:
    """Every byte that the sockets made through it took.

    Args:
        cuts: how many bytes the first sockets take before they break; those after them take everything.
        seed: of how many bytes each call takes, none among them.
    """

    def __init__(self, cuts: list[int], seed: int) -> None:
        self.taken: list[bytearray] = []
        self.cuts = cuts
        self.random = random.Random(seed)

    def socket(self, family: int, kind: int, protocol: int) -> TrickleSocket:
        return TrickleSocket(self, family, kind, protocol)

    def frames(self) -> list[dict[str, object]]:
        """Return the JSON frames that were taken whole, the older connections' first."""
        return [frame for taken in self.taken for frame in whole_frames(bytes(taken))]


class TrickleSocket(socket.socket):
    def __init__(self, wire: Wire, family: int, kind: int, protocol: int) -> None:
        super().__init__(family, kind, protocol)
        self.wire = wire
        self.left = wire.cuts[len(wire.taken)] if len(wire.taken) < len(wire.cuts) else None
        self.taken = bytearray()
        wire.taken.append(self.taken)

    def send(self, data: bytes, flags: int = 0) -> int:
        size = self.wire.random.choice((0, 1, 2, 3, 7, 40, 300))
        if self.left is not None:
            size = min(size, self.left)
            if not self.left:
                raise ConnectionResetError("cut")
            self.left -= min(size, len(data))
        if not size:
            raise BlockingIOError
        count = super().send(data[:size], flags)
        self.taken += data[:count]
        return count


def whole_frames(data: bytes) -> list[dict[str, object]]:
    """Decode a client's masked frames behind its upgrade request, but for a last one that was cut off."""
    at = data.find(b"\r\n\r\n") + 4 or len(data)
    found = []
    while at + 2 <= len(data):
        opcode, size, head = data[at] & 0x0F, data[at + 1] & 0x7F, 2
        if size > 125:
            head = 4 if size == 126 else 10
            size = int.from_bytes(data[at + 2 : at + head], "big")
        key, begin = data[at + head : at + head + 4], at + head + 4
        body = data[begin : begin + size]
        if len(body) < size or len(key) < 4:
            break
        if opcode == 1:
            found.append(json.loads(bytes(byte ^ key[place % 4] for place, byte in enumerate(body))))
        at = begin + size
    return found


def heard(frames: list[dict[str, object]], task_id: str, *, guesses: bool) -> str:
    """Put a task's answer together as a server does that guesses which chunks repeat the text so far, or not."""
    text = ""
    for frame in frames:
        if frame.get("taskId") == task_id and frame["type"] == "agent_chunk":
            chunk = str(frame["chunk"])
            text = chunk if guesses and text and chunk.startswith(text) else text + chunk
        elif frame.get("taskId") == task_id and frame["type"] == "agent_complete":
            text = text or str(frame["content"])
    return text


ANSWERS = st.lists(st.lists(st.text("ab\u20ac\U0001f600", max_size=12), max_size=40), min_size=1, max_size=4)


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_or_late(monkeypatch, make_agent):
    @settings(max_examples=40, deadline=None)
    @given(
        answers=ANSWERS,
        cuts=st.lists(st.integers(1, 2_500), max_size=4),
        seed=st.integers(0, 2**32),
        pile_up=st.sampled_from((0.0, writer._PILE_UP)),  # at 0 each chunk is for its own thread to write
    )
    def check(answers: list[list[str]], cuts: list[int], seed: int, pile_up: float) -> None:
        wire = Wire(cuts, seed)
        monkeypatch.setattr(writer, "_PILE_UP", pile_up)
        monkeypatch.setattr(dial, "socket", SimpleNamespace(**{**vars(socket), "socket": wire.socket}))
        together = threading.Barrier(len(answers))
        agent = make_agent(server, rescue_results=False, auth_attempts=1000)

        @agent.on_task
        def handle(task):
            together.wait(10)
            for text in answers[int(task.content)]:
                task.send_chunk(text)

        agent.connect(10)
        replies = [server.conversation().say(str(number)) for number in range(len(answers))]
        for reply, texts in zip(replies, answers, strict=True):
            assert reply.wait(10) == ("completed" if any(texts) else "deleted")
        agent.disconnect(5)

        frames = wire.frames()
        for reply, texts in zip(replies, answers, strict=True):
            task_id = reply.message_id
            kinds = [frame["type"] for frame in frames if frame.get("taskId") == task_id]
            assert kinds.count("agent_complete") == 1
            assert kinds[-1] == "agent_complete"
            assert {"agent_error", "agent_stream_gap"}.isdisjoint(kinds)
            for guesses in (True, False):
                assert heard(frames, task_id, guesses=guesses) == "".join(texts)

    with LocalServer(generation="august", duplicate_window=0) as server:
        check()
