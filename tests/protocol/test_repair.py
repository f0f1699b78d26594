"""Answers over connections that swallow frames: the server ends with what was said, or is told of a gap."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arinova_agent_sync.protocol import frames
from arinova_agent_sync.protocol.answer import Answer
from arinova_agent_sync.protocol.outbox import Outbox
from arinova_agent_sync.protocol.pieces import Chunks, Gap, OutgoingMessage, Passing, Piece, Terminal
from arinova_agent_sync.protocol.receipts import Receipts

ALL = 1 << 40
LARGEST_REPAIR = 1024 * 1024  # characters


class Server:
    """What a server makes of the frames that it reads.

    Args:
        detects: whether it takes a chunk that starts with all it has for the whole text, as the one of March 2026.
    """

    def __init__(self, detects: bool) -> None:
        self.detects = detects
        self.streamed: dict[str, str] = {}
        self.ended: dict[str, str] = {}
        self.gaps: set[str] = set()
        self.texts: list[str] = []  # of messages that answer no task

    def read(self, payload: bytes) -> bool:
        """Take a frame; return whether it is answered with a pong."""
        frame: dict[str, Any] = json.loads(payload)
        task_id = frame.get("taskId", "")
        match frame["type"]:
            case "ping":
                return True
            case "agent_stream_gap":
                self.gaps.add(task_id)
            case "agent_send":
                self.texts.append(frame["content"])
            case "agent_chunk" if task_id not in self.ended:
                had, chunk = self.streamed.get(task_id, ""), frame["chunk"]
                repeated = self.detects and had and chunk.startswith(had)
                self.streamed[task_id] = chunk if repeated else had + chunk
            case "agent_complete":
                self.ended.setdefault(task_id, self.streamed.get(task_id) or frame["content"])
            case "agent_error":
                self.ended.setdefault(task_id, frame["error"])
        return False


class Client:
    """The protocol's parts, and the connection's two ends.

    Args:
        server: who reads what leaves.
        count: how many tasks there are.
        max_bytes: of text that waits for a connection.
    """

    def __init__(self, server: Server, count: int, max_bytes: int = ALL) -> None:
        self.server = server
        self.outbox = Outbox(max_bytes, 1_000)
        self.answers = [Answer(f"t{number}") for number in range(count)]
        self.open = list(self.answers)
        self.said = ["" for _ in self.answers]
        self.told: set[str] = set()
        self.online = False
        self.receipts = Receipts()
        self.flying: deque[bytes] = deque()  # given to the kernel, and not read by the server
        self.failing: list[Piece] = []  # in the hands of a writer that will not get rid of them

    def connect(self) -> None:
        if not self.online:
            self.online, self.receipts = True, Receipts()
            self.outbox.go_online()
            self.outbox.repair(self.open, whole=self.server.detects)
            self.fail()

    def say(self, which: int, text: str) -> None:
        if self.answers[which] in self.open:
            self.outbox.add_chunk(self.answers[which], text)
            self.said[which] += text

    def end(self, which: int) -> None:
        answer = self.answers[which]
        if answer in self.open:
            self.open.remove(answer)
            answer.close_pending()
            payload = frames.agent_complete(answer.task_id, answer.text, ())
            self.outbox.add_terminal(Terminal(answer, payload, answer.text, answers=True))

    def ping(self) -> None:
        if self.online and self.outbox.add_ahead(Passing(frames.PING)):
            self.receipts.pinged(() if self.outbox.repairing else self.open)

    def write(self, most: int, left: int) -> None:
        """Write; the write fails after so many frames, and the writer needs a while to notice."""
        if not self.online:
            return
        self.fail()
        pieces = self.outbox.take(most)
        for piece in pieces:
            if isinstance(piece, (Terminal, OutgoingMessage, Gap)):
                self.receipts.written(piece)
        for piece in pieces:
            if isinstance(piece, Chunks):
                prefix = piece.answer.chunk_prefix or piece.answer.make_prefix()
                self.flying += [prefix + frames.encode_text(text) + b"}" for text in piece.texts[:left]]
                if left < len(piece.texts):
                    self.failing.append(Chunks(piece.answer, piece.texts[left:]))
                left -= min(left, len(piece.texts))
            elif left:
                self.flying.append(piece if isinstance(piece, bytes) else piece.payload)
                left -= 1
            else:
                self.failing.append(piece)
        if self.failing:
            self.drop(0, fail=False)

    # What often comes together: a walk of single steps seldom gets there.

    def stream(self, which: int, text: str) -> None:
        self.say(which, text)
        self.write(ALL, 1_000)

    def beat(self) -> None:
        self.ping()
        self.write(ALL, 1_000)

    def outage(self, count: int) -> None:
        self.drop(count)
        self.connect()

    def fail(self) -> None:
        """Have the writer put back what did not leave."""
        failing, self.failing = self.failing, []
        self.outbox.put_back(failing)

    def read(self, count: int) -> None:
        while self.flying and count:
            if self.server.read(self.flying.popleft()) and self.online:
                self.receipts.ponged()
            count -= 1

    def drop(self, count: int, *, fail: bool = True) -> None:
        """End the connection; the server reads so many frames of what is under way, and no pong comes through."""
        if self.online:
            self.online = False
            self.read(count)
            self.flying.clear()
            self.outbox.send_again(self.receipts.take_unproven())
            self.outbox.go_offline()
            if fail:
                self.fail()
        self.told.update(self.outbox.gaps, self.outbox.doubts)

    def settle(self) -> None:
        """Bring everything to its end on a network that is whole."""
        for which in range(len(self.answers)):
            self.end(which)
        self.connect()
        while self.outbox:
            self.write(ALL, 1 << 30)
        self.ping()
        self.write(ALL, 1 << 30)
        self.read(1 << 30)
        self.told.update(self.outbox.gaps, self.outbox.doubts)


TASKS = st.integers(0, 1)
FEW = st.integers(0, 5)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["say", "stream", "stream"]), TASKS, st.text("ab", min_size=1, max_size=4)),
        st.tuples(
            st.just("write"), st.sampled_from([1, 5, ALL]), st.sampled_from([0, 1, 2, 3, 1_000, 1_000])
        ),
        st.tuples(st.just("write"), st.just(ALL), st.just(1_000)),
        st.tuples(st.sampled_from(["read", "read", "drop", "outage", "outage"]), FEW),
        st.tuples(st.sampled_from(["connect", "ping", "beat", "beat"])),
        st.tuples(st.just("end"), TASKS),
    ),
    min_size=12,
    max_size=60,
)


@pytest.mark.slow
@pytest.mark.parametrize("max_bytes", [ALL, 8], ids=["much room", "little room"])
@pytest.mark.parametrize("detects", [True, False], ids=["detecting server", "plain server"])
def test_nothing_is_lost_in_silence(detects: bool, max_bytes: int) -> None:
    @settings(max_examples=300, deadline=None)
    @given(STEPS)
    def check(steps: list[tuple[Any, ...]]) -> None:
        server = Server(detects)
        client = Client(server, 2, max_bytes)
        for name, *arguments in steps:
            getattr(client, name)(*arguments)
        client.settle()
        assert len(client.receipts) == 0
        for answer, said in zip(client.answers, client.said, strict=True):
            task_id = answer.task_id
            if task_id in client.told:
                # A gap that comes behind the end of a task that had arrived after all is worth nothing, nor needed.
                assert task_id in server.gaps or server.ended[task_id] == said
            else:
                assert server.ended[task_id] == said
            if detects and max_bytes == ALL:
                assert task_id not in client.told

    check()


def swallowed(client: Client, text: str) -> None:
    """Say something that a connection swallows, and connect anew."""
    client.stream(0, text)
    client.outage(0)


def begun(*, detects: bool = True) -> Client:
    """Return a client whose answer has begun well."""
    client = Client(Server(detects), 1)
    client.connect()
    client.say(0, "one ")
    client.write(ALL, 1_000)
    client.read(1_000)
    return client


def test_text_that_was_swallowed_is_said_first_on_the_next_connection() -> None:
    client = begun()
    swallowed(client, "two ")
    client.say(0, "three")
    client.write(ALL, 1_000)
    assert [json.loads(frame)["chunk"] for frame in client.flying] == ["one two ", "three"]


def test_what_a_pong_has_proven_is_not_said_again() -> None:
    client = begun()
    client.ping()
    client.write(ALL, 1_000)
    client.read(1_000)
    client.drop(0)
    client.connect()
    assert not client.outbox


def test_a_repair_belongs_to_one_connection() -> None:
    client = begun()
    swallowed(client, "two ")
    client.drop(0)  # before it has left
    client.connect()
    client.say(0, "three")
    client.write(ALL, 1_000)
    client.read(1_000)
    assert client.server.streamed["t0"] == "one two three"


def test_a_ping_before_the_repair_proves_nothing_of_the_text() -> None:
    client = begun()
    swallowed(client, "two ")
    client.ping()
    client.server.read(frames.PING)
    client.receipts.ponged()
    assert client.answers[0].in_doubt


def test_a_write_that_fails_late_is_not_part_of_the_repair() -> None:
    client = begun()
    client.say(0, "two ")
    client.write(ALL, 0)  # fails, and puts its text back
    client.connect()
    client.write(ALL, 1_000)
    assert [json.loads(frame)["chunk"] for frame in client.flying] == ["one ", "two "]


@pytest.mark.parametrize("why", ["plain", "large"])
def test_what_cannot_be_repaired_is_told_once_and_counted(why: str) -> None:
    client = begun(detects=why != "plain")
    if why == "large":
        client.say(0, "x" * LARGEST_REPAIR)
        client.write(ALL, 1_000)
    for _ in range(2):
        swallowed(client, "two ")
        client.write(ALL, 1_000)
    kinds = [json.loads(frame)["type"] for frame in client.flying]
    assert kinds == ["agent_stream_gap"]  # sent again, since the second connection may have swallowed it
    assert (client.outbox.doubts, client.outbox.dropped) == (["t0", "t0"], 2)


def test_a_message_that_was_swallowed_is_looked_for_and_not_sent_again() -> None:
    client = begun()
    message = OutgoingMessage(frames.agent_send("c", "hi", None), "c", "hi", None, 0.0, "key")
    client.outbox.add_frame(message)
    client.write(ALL, 1_000)
    client.drop(0)
    assert client.outbox.size == len(message.payload)
    client.connect()
    client.write(ALL, 1_000)
    assert client.outbox.lost == [message._replace(again=True)]
    assert b"agent_send" not in b"".join(client.flying)
    assert (client.outbox.size, client.outbox.frame_bytes) == (0, 0)


def test_a_message_that_did_not_leave_is_sent_on_the_next_connection() -> None:
    client = begun()
    message = OutgoingMessage(frames.agent_send("c", "hi", None), "c", "hi", None, 0.0, "key")
    client.outbox.add_frame(message)
    client.write(ALL, 0)
    client.connect()
    client.write(ALL, 1_000)
    client.read(1_000)
    assert (client.server.texts, client.outbox.lost, client.outbox.frame_bytes) == (["hi"], [], 0)


def test_an_end_is_sent_again_until_it_is_proven() -> None:
    client = begun()
    client.end(0)
    for _ in range(3):
        client.write(ALL, 1_000)
        client.drop(0)
        client.connect()
    assert client.server.ended == {}
    client.settle()
    assert client.server.ended == {"t0": "one "}
