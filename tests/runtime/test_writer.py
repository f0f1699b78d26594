"""What reaches the kernel when many threads write through a socket that takes a few bytes at a time and breaks."""

from __future__ import annotations

import json
import random
import socket
import sys
import threading
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.net import happy_eyeballs
from arinova_agent_sync.protocol import poison
from arinova_agent_sync.runtime import writer

from ..conftest import holding


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
    # All the cuts may hit one frame by chance, which would be dropped as one that breaks connections.
    monkeypatch.setattr(poison, "_MOST", 5)

    @settings(max_examples=40, deadline=None)
    @example(answers=[[]], cuts=[542, 542, 542], seed=0, pile_up=0.0)
    @given(
        answers=ANSWERS,
        cuts=st.lists(st.integers(1, 2_500), max_size=4),
        seed=st.integers(0, 2**32),
        pile_up=st.sampled_from((0.0, writer._PILE_UP)),  # at 0 each chunk is for its own thread to write
    )
    def check(answers: list[list[str]], cuts: list[int], seed: int, pile_up: float) -> None:
        wire = Wire(cuts, seed)
        monkeypatch.setattr(writer, "_PILE_UP", pile_up)
        monkeypatch.setattr(
            happy_eyeballs, "socket", SimpleNamespace(**{**vars(socket), "socket": wire.socket})
        )
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
            # Sent again, perhaps; on this server what a connection may have swallowed is told as a gap.
            assert set(kinds[kinds.index("agent_complete") :]) <= {"agent_complete", "agent_stream_gap"}
            assert "agent_error" not in kinds
            for guesses in (True, False):
                assert heard(frames, task_id, guesses=guesses) == "".join(texts)

    with LocalServer(generation="august", duplicate_window=0) as server:
        check()


@pytest.fixture
def eager_switching():
    """Let threads take turns as often as the interpreter can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.slow
@pytest.mark.parametrize("in_the_middle", [False, True])
def test_many_threads_stream_one_answer(eager_switching, make_agent, in_the_middle):
    senders, pieces = 6, 2_000
    accepted: list[list[str]] = [[] for _ in range(senders)]

    with LocalServer(generation="august") as server:
        agent = make_agent(server)

        @agent.on_task
        def handle(task):
            def send(number: int) -> None:
                for count in range(pieces):
                    task.send_chunk(f"{number}:{count};")
                    accepted[number].append(f"{number}:{count}")
                    if in_the_middle and number + 1 == senders and count == pieces // 4:
                        task.send_complete()

            threads = [threading.Thread(target=send, args=(number,)) for number in range(senders)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        agent.connect(10)
        reply = server.conversation().say("all at once")
        assert reply.wait(30) == "completed"
        agent.disconnect(5)
        kinds = [frame.type for frame in server.frames if frame.direction == "in"]
        completion = next(frame for frame in server.frames if frame.type == "agent_complete")

    assert kinds[kinds.index("agent_complete") :].count("agent_chunk") == 0
    assert completion["content"] == reply.text
    heard = reply.text.split(";")[:-1]
    for number in range(senders):
        mine = [piece for piece in heard if piece.startswith(f"{number}:")]
        assert mine == accepted[number][: len(mine)]
        assert in_the_middle or len(mine) == pieces


class Interrupted(list):  # type: ignore[type-arg]
    """Pieces of which each comes a moment after something else happened, once."""

    def __init__(self, meanwhile):
        super().__init__()
        self.meanwhile = meanwhile

    def append(self, piece):
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            thread = threading.Thread(target=meanwhile)
            thread.start()
            thread.join()
        super().append(piece)


def interrupt(context, meanwhile):
    """Have something happen between a sender's look at the open run and its piece."""
    waiting = context._running.answer.pending
    assert waiting is not None, "the pieces came too slowly to pile up"
    waiting.fresh = Interrupted(meanwhile)


@pytest.fixture
def answered(monkeypatch, make_agent):
    """Run a task whose pieces pile up until something writes them; return how it was completed."""
    monkeypatch.setattr(writer, "_PILE_UP", 10.0)
    monkeypatch.setattr(writer, "_LATE", 10.0)

    def answered(handle) -> tuple[str, list[str]]:
        with LocalServer() as server:
            agent = make_agent(server)
            agent.on_task(handle)
            agent.connect(10)
            reply = server.conversation().say("count")
            assert reply.wait(10) == "completed"
            agent.disconnect(5)
            completions = [frame["content"] for frame in server.frames if frame.type == "agent_complete"]
            return reply.text, completions

    return answered


def test_a_piece_that_comes_just_after_its_run_was_written(answered):
    def handle(task):
        task.send_chunk("one, ")
        task.send_chunk("two, ")
        interrupt(task._context, task._context._writer.flush)
        task.send_chunk("three, ")
        task.send_chunk("four")

    whole = "one, two, three, four"
    assert answered(handle) == (whole, [whole])


def test_a_piece_that_comes_just_after_the_end_is_no_part_of_the_answer(answered):
    def handle(task):
        out = task._context._writer
        task.send_chunk("one, ")
        task.send_chunk("two")
        interrupt(task._context, task.send_complete)
        with holding(out):  # the end waits for the wire
            task.send_chunk(", three")
        out.flush()

    assert answered(handle) == ("one, two", ["one, two"])
