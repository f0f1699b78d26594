"""What waits to be written: in order, within bounds, nothing lost or doubled."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from arinova_agent_sync.protocol import frames
from arinova_agent_sync.protocol.answer import LARGEST_CHUNK, Answer
from arinova_agent_sync.protocol.outbox import Outbox, text_size
from arinova_agent_sync.protocol.pieces import Chunks, Gap, Passing, Piece, PongReply, Terminal

ALL = 1 << 40
PING = Passing(frames.PING)


def outbox(max_bytes: int = ALL, max_terminals: int = 1_000, *, online: bool = False) -> Outbox:
    made = Outbox(max_bytes, max_terminals)
    if online:
        made.go_online()
    return made


def say(made: Outbox, answer: Answer, *texts: str) -> None:
    for text in texts:
        made.add_chunk(answer, text)


def terminal(answer: Answer, payload: str = "end") -> Terminal:
    return Terminal(answer, f"{payload} {answer.task_id}".encode(), answer.text)


def spelled(pieces: Iterable[Piece]) -> list[str]:
    """Spell frames out: "t1:text" for a chunk, the payload for the rest."""
    frames = []
    for piece in pieces:
        if isinstance(piece, Chunks):
            frames += [f"{piece.answer.task_id}:{text}" for text in piece.texts]
        else:
            frames.append((piece if isinstance(piece, bytes) else piece.payload).decode())
    return frames


def everything(made: Outbox) -> list[str]:
    """Take all that waits on a new connection."""
    made.go_online()
    left = spelled(made.take(ALL))
    assert (len(made), made.size) == (0, 0)
    return left


def gap(task_id: str) -> str:
    return frames.agent_stream_gap(task_id).decode()


@pytest.mark.parametrize(
    "parts", [["a\0", "\0", "\ud83d", "b"], ["\0"] * 5_000, ["x" * 1_000, "\ud83d" * 1_000, "b"]]
)
@pytest.mark.parametrize("said_before", ["", "before"])
def test_parts_that_were_appended_as_they_came_are_cleaned(parts: list[str], said_before: str) -> None:
    made, answer = outbox(online=True), Answer("t")
    if said_before:
        say(made, answer, said_before)
        made.take(ALL)
    pending = made.add_chunk(answer, "first ")
    for part in parts:
        pending.fresh.append(part)
    clean = "first " + "".join(parts).replace("\0", "").replace("\ud83d", "\ufffd")
    written = []
    while made.entries:
        for piece in made.take(ALL):
            assert isinstance(piece, Chunks)
            written += piece.texts
    assert "" not in written
    assert "".join(written) == clean
    assert answer.text == said_before + clean


@pytest.fixture
def a() -> Answer:
    return Answer("a")


@pytest.fixture
def b() -> Answer:
    return Answer("b")


class TestWithAConnection:
    def test_everything_leaves_in_order(self, a: Answer, b: Answer) -> None:
        made = outbox(online=True)
        say(made, a, "one")
        made.add_frame(b"message")
        say(made, b, "two")
        assert made.add_passing(PING)
        made.add_terminal(terminal(b))
        made.add_terminal(terminal(a))
        assert made.add_ahead(PongReply(b"pong"))
        assert made.size == len('pongonemessagetwo{"type":"ping"}end bend a')
        assert everything(made) == [
            "pong",
            "a:one",
            "message",
            "b:two",
            '{"type":"ping"}',
            "end b",
            "end a",
        ]

    def test_chunks_of_one_task_that_wait_leave_together(self, a: Answer, b: Answer) -> None:
        made = outbox(online=True)
        say(made, a, "one")
        say(made, b, "two")
        say(made, a, "three")
        made.add_terminal(terminal(a))
        assert made.take(ALL) == [Chunks(a, ["one", "three"]), Chunks(b, ["two"]), terminal(a)]

    def test_the_caller_may_lengthen_what_waits(self, a: Answer) -> None:
        made = outbox(online=True)
        pending = made.add_chunk(a, "one")
        assert a.pending is pending
        pending.fresh += ["two", "three"]
        assert made.size == 11
        assert made.take(ALL) == [Chunks(a, ["one", "two", "three"])]
        assert a.pending is None
        assert a.text == "onetwothree"
        assert made.add_chunk(a, "four") is not pending

    def test_very_many_chunks_leave_in_turns(self, a: Answer, b: Answer) -> None:
        made = outbox(online=True)
        say(made, a, *["ab"] * 10_000)
        made.add_terminal(terminal(a))
        turns = []
        while len(made) > 1:
            turns.append(len(spelled(made.take(1))))
        assert turns == [4_097, 4_096, 1_808]  # the second chunk was cut in two
        assert everything(made) == ["end a"]
        assert len(a.text) == a.written == 20_000

    def test_chunks_are_cut_as_they_are_taken(self, a: Answer) -> None:
        made = outbox(online=True)
        say(made, a, "h", "a", "ha")
        assert made.take(ALL) == [Chunks(a, ["ha", "h", "a"])]

    def test_a_single_character_is_held(self, a: Answer) -> None:
        made = outbox(online=True)
        say(made, a, "h")
        assert made.take(ALL) == []
        made.add_terminal(terminal(a))
        assert everything(made) == ["end a"]

    def test_take_stops_at_about_so_many_bytes(self, a: Answer) -> None:
        made = outbox(online=True)
        for text in (b"four", b"five", b"six", b"seven"):
            made.add_frame(text)
        assert made.take(5) == [b"four", b"five"]
        assert made.take(1) == [b"six"]
        assert made.take(0) == []
        assert (len(made), made.size) == (1, 5)

    def test_huge_text_leaves_in_parts(self, a: Answer) -> None:
        made = outbox(online=True)
        huge = "0123456789" * LARGEST_CHUNK
        say(made, a, huge)
        pieces = [made.take(1) for _ in range(4)]
        assert not made
        texts = [text for (chunks,) in pieces for text in chunks.texts]
        assert [len(text) for text in texts] == [LARGEST_CHUNK] * 10
        assert "".join(texts) == huge

    def test_of_a_muted_task_only_the_terminal_leaves(self, a: Answer, b: Answer) -> None:
        made = outbox(online=True)
        say(made, a, "never")
        say(made, b, "other")
        a.muted = True
        made.add_terminal(terminal(a, "cancelled"))
        assert everything(made) == ["b:other", "cancelled a"]
        assert a.written == 0

    def test_only_the_latest_of_pongs_in_a_row_leaves(self, a: Answer) -> None:
        made = outbox(online=True)
        for number in range(1_000):
            made.add_ahead(PongReply(b"%d" % number))
        say(made, a, "one")
        made.add_ahead(PING)
        made.add_ahead(PongReply(b"last"))
        assert len(made) == 4
        assert everything(made) == ["999", '{"type":"ping"}', "last", "a:one"]

    def test_frames_beside_answers_are_bounded(self, a: Answer) -> None:
        made = outbox(max_bytes=0, online=True)
        big = b"x" * (4 << 20)
        assert [made.add_frame(big) for _ in range(5)] == [True, True, True, False, False]
        assert (made.frame_bytes, made.dropped) == (12 << 20, 2)
        made.put_back(made.take(1))
        assert made.frame_bytes == 12 << 20
        made.take(1)
        assert made.add_frame(b"small")
        made.take(ALL)
        assert made.frame_bytes == 0

    @pytest.mark.parametrize("bytes_kept", [0, 1])
    def test_nothing_is_bounded(self, a: Answer, bytes_kept: int) -> None:
        made = outbox(bytes_kept, 0, online=True)
        say(made, a, "text", "more")
        assert made.add_frame(b"message")
        made.add_terminal(terminal(a))
        assert everything(made) == ["a:text", "a:more", "message", "end a"]
        assert (made.gaps, made.given_up, made.dropped) == ([], [], 0)


class TestWithoutAConnection:
    def test_text_of_one_task_is_merged(self, a: Answer, b: Answer) -> None:
        made = outbox()
        say(made, a, "o", "n")
        say(made, b, "t", "wo")
        say(made, a, "e")
        made.add_terminal(terminal(a))
        say(made, b, "!")
        made.add_terminal(terminal(b))
        assert everything(made) == ["a:one", "b:two!", "end a", "end b"]

    def test_text_that_waited_already_is_merged(self, a: Answer, b: Answer) -> None:
        made = outbox(online=True)
        say(made, a, "on", "e")
        made.add_frame(b"message")
        say(made, b, "two")
        made.go_offline()
        say(made, b, "!", "?")
        assert made.size == len("onemessagetwo!?")
        assert everything(made) == ["a:one", "message", "b:two", "b:!?"]

    def test_merged_text_is_cut_too(self, a: Answer) -> None:
        made = outbox(online=True)
        say(made, a, "ha")
        made.take(ALL)
        made.go_offline()
        say(made, a, "h", "a", "!")
        assert everything(made) == ["a:h", "a:a!"]

    def test_long_text_becomes_several_runs(self, a: Answer) -> None:
        made = outbox()
        for _ in range(5):
            say(made, a, "x" * 65_536)
        assert len(made) == 5
        assert made.size == 5 * 65_536

    def test_passing_frames_are_dropped(self, a: Answer) -> None:
        made = outbox()
        assert not made.add_passing(PING)
        made.go_online()
        assert made.add_passing(PING)
        say(made, a, "one")
        assert made.add_ahead(PongReply(b"pong"))
        made.go_offline()
        assert everything(made) == ["a:one"]
        assert made.dropped == 0

    def test_of_a_muted_task_nothing_is_kept(self, a: Answer) -> None:
        made = outbox()
        say(made, a, "never")
        a.muted = True
        say(made, a, "never again")
        made.add_terminal(terminal(a, "cancelled"))
        assert everything(made) == ["cancelled a"]

    def test_text_muted_while_it_waited_for_a_connection_is_forgotten(self, a: Answer) -> None:
        made = outbox(online=True)
        say(made, a, "never")
        a.muted = True
        made.go_offline()
        assert (len(made), made.size) == (0, 0)

    def test_going_offline_twice_changes_nothing(self, a: Answer) -> None:
        made = outbox(online=True)
        say(made, a, "one")
        made.go_offline()
        say(made, a, "two")
        made.go_offline()
        assert made.size == 6
        assert everything(made) == ["a:one", "a:two"]


class TestPutBack:
    def test_what_did_not_leave_comes_first_and_in_order(self, a: Answer, b: Answer) -> None:
        made = outbox(online=True)
        say(made, a, "one", "two")
        made.add_frame(b"message")
        say(made, b, "three")
        made.add_terminal(terminal(b))
        _, *rest = made.take(ALL)
        say(made, a, "four")
        made.put_back([Chunks(a, ["two"]), *rest])
        assert (a.written, b.written) == (3, 0)
        assert made.size == len("twomessagethreeend bfour")
        made.go_offline()
        say(made, a, "five")
        assert everything(made) == ["a:two", "message", "b:three", "end b", "a:four", "a:five"]

    def test_chunks_are_cut_anew(self, a: Answer) -> None:
        made = outbox(online=True)
        say(made, a, "ha", "ha", "ha")
        assert made.take(ALL) == [Chunks(a, ["ha", "h", "a", "ha"])]
        made.put_back([Chunks(a, ["h", "a", "ha"])])
        made.go_offline()
        assert everything(made) == ["a:h", "a:aha"]

    def test_passing_frames_are_dropped(self, a: Answer) -> None:
        made = outbox(online=True)
        made.add_passing(PING)
        say(made, a, "one")
        made.add_ahead(PongReply(b"pong"))
        pieces = made.take(ALL)
        made.go_offline()  # the reader saw the end first
        made.put_back(pieces)
        assert made.size == 3
        assert everything(made) == ["a:one"]

    def test_after_more_was_said_on_the_way(self, a: Answer) -> None:
        made = outbox(online=True)
        say(made, a, "one")
        pieces = made.take(ALL)
        made.go_offline()
        say(made, a, "two")
        made.put_back(pieces)
        say(made, a, "three")
        made.go_online()
        say(made, a, "four")
        made.go_offline()
        assert everything(made) == ["a:one", "a:twothree", "a:four"]

    def test_half_of_a_split_run(self, a: Answer) -> None:
        made = outbox(online=True)
        say(made, a, *["ab"] * 5_000)
        pieces = made.take(1)
        say(made, a, "end")
        made.put_back(pieces)
        made.go_offline()
        assert "".join(everything(made)).replace("a:", "") == a.text == "ab" * 5_000 + "end"

    def test_terminals_keep_their_order(self, a: Answer, b: Answer) -> None:
        made = outbox(online=True)
        made.add_terminal(terminal(a))
        pieces = made.take(ALL)
        made.add_terminal(terminal(b))
        made.put_back(pieces)
        made.go_offline()
        assert everything(made) == ["end a", "end b"]

    def test_ten_thousand_that_wait_hold_nobody_up(self) -> None:
        made = outbox(online=True)
        ends = [terminal(Answer(f"t{number}"), f"end {number}") for number in range(10_000)]
        for end in ends:
            made.add_terminal(end)
        pieces = made.take(10_000)
        made.send_again([ends[0]])
        began = time.process_time()
        made.put_back(pieces)
        assert time.process_time() - began < 0.25  # seconds, if each were looked for by itself
        assert list(made.entries) == ends


class TestTooMuchText:
    def test_the_oldest_is_lost_and_a_notice_stands_in_its_place(self, a: Answer, b: Answer) -> None:
        made = outbox(max_bytes=10)
        say(made, a, "aaaa")
        made.add_frame(b"-")
        say(made, b, "bbbb")
        made.add_terminal(terminal(b))
        say(made, a, "AAAA")
        assert (made.gaps, made.dropped) == (["a"], 1)
        say(made, a, "A")
        made.add_terminal(terminal(a))
        assert made.size == len("-bbbbend bAend a")
        assert everything(made) == [gap("a"), "-", "b:bbbb", "end b", "end a"]
        assert a.written == 0  # "A" is held: the completion brings the whole text
        assert a.gap_told

    def test_text_after_the_loss_follows_the_notice(self, a: Answer) -> None:
        made = outbox(max_bytes=10)
        say(made, a, "x" * 11, "yy")
        assert everything(made) == [gap("a"), "a:yy"]

    def test_text_after_the_loss_is_cut_by_what_the_server_has(self, a: Answer) -> None:
        made = outbox(max_bytes=10, online=True)
        say(made, a, "ab")
        made.take(ALL)
        made.go_offline()
        say(made, a, "c" * 11, "dd")
        made.go_online()
        assert spelled(made.take(ALL)) == [gap("a"), "a:dd"]
        say(made, a, "abdd!")
        assert everything(made) == ["a:abd", "a:d!"]

    def test_whole_runs_are_lost(self, a: Answer) -> None:
        made = outbox(max_bytes=100_000)
        say(made, a, "x" * 65_536, "y" * 10, "z" * 65_536)
        assert made.dropped == 1
        assert everything(made) == [gap("a"), f"a:{'y' * 10}{'z' * 65_536}"]

    def test_bytes_count_not_characters(self, a: Answer) -> None:
        made = outbox(max_bytes=10)
        say(made, a, "你好吗")
        assert (made.size, made.gaps) == (9, [])
        say(made, a, "é")
        assert made.gaps == ["a"]

    def test_one_notice_for_each_task(self, a: Answer) -> None:
        made = outbox(max_bytes=5)
        say(made, a, "xxxxxx", "yyyyyy", "zz")
        assert (made.gaps, made.dropped) == (["a"], 2)
        assert everything(made) == [gap("a"), "a:zz"]
        made.gaps.clear()  # told
        made.go_offline()
        say(made, a, "ssssss", "tt")
        assert everything(made) == ["a:tt"]
        assert (made.gaps, made.dropped) == ([], 3)

    def test_losing_everything_for_hours_keeps_one_entry(self, a: Answer) -> None:
        made = outbox(max_bytes=0)
        for _ in range(1_000):
            say(made, a, "lost")
        assert (len(made), made.size, made.gaps, made.dropped) == (1, 0, ["a"], 1_000)
        made.go_online()
        made.go_offline()
        say(made, a, "lost too")
        assert everything(made) == [gap("a")]

    def test_a_notice_that_did_not_leave_waits(self, a: Answer) -> None:
        made = outbox(max_bytes=5)
        say(made, a, "xxxxxx", "yy")
        made.go_online()
        pieces = made.take(ALL)
        made.put_back(pieces)
        made.go_offline()
        say(made, a, "zz")
        assert everything(made) == [gap("a"), "a:yy", "a:zz"]

    def test_text_from_before_the_loss_leaves_before_the_notice(self, a: Answer) -> None:
        made = outbox(max_bytes=8, online=True)
        say(made, a, "one")
        pieces = made.take(ALL)
        made.go_offline()
        say(made, a, "x" * 9, "two")
        made.put_back(pieces)  # the write failed after the link was known to be down
        for _ in range(2):
            made.go_online()
            made.go_offline()
        made.go_online()
        pieces = made.take(ALL)
        assert spelled(pieces) == ["a:one", gap("a"), "a:two"]
        made.put_back(pieces)
        made.go_offline()
        assert everything(made) == ["a:one", gap("a"), "a:two"]

    def test_of_a_muted_task_there_is_no_notice(self, a: Answer) -> None:
        made = outbox(max_bytes=5)
        say(made, a, "xxxxxx")
        a.muted = True
        made.add_terminal(terminal(a, "failed"))
        assert everything(made) == ["failed a"]

    def test_going_offline_keeps_to_the_bound(self, a: Answer, b: Answer) -> None:
        made = outbox(max_bytes=10, online=True)
        say(made, a, "x" * 8)
        say(made, b, "y" * 8)
        made.go_offline()
        assert (made.size, made.gaps) == (8, ["a"])
        assert everything(made) == [gap("a"), "b:yyyyyyyy"]

    def test_a_frame_that_has_no_room_is_refused(self, a: Answer) -> None:
        made = outbox(max_bytes=10)
        say(made, a, "x" * 8)
        assert made.add_frame(b"12")
        assert not made.add_frame(b"3")
        assert (made.size, made.dropped) == (10, 1)
        made.go_online()
        assert made.add_frame(b"3")

    @pytest.mark.parametrize("text", ["", "a", "é", "你", "\U0001f600", "aé你\U0001f600"])
    def test_the_size_of_a_text_is_that_of_its_utf_8(self, text: str) -> None:
        assert text_size(text) == len(text.encode())


class TestTooManyTerminals:
    def test_the_oldest_is_given_up(self) -> None:
        made = outbox(max_terminals=2)
        for name in "abcd":
            made.add_terminal(terminal(Answer(name)))
        assert spelled(made.given_up) == ["end a", "end b"]
        assert made.size == len("end cend d")
        assert made.dropped == 0  # they are handed over
        assert everything(made) == ["end c", "end d"]

    def test_what_waited_already_counts(self) -> None:
        made = outbox(max_terminals=2, online=True)
        for name in "abc":
            made.add_terminal(terminal(Answer(name)))
        assert made.given_up == []
        made.go_offline()
        assert spelled(made.given_up) == ["end a"]
        made.add_terminal(terminal(Answer("d")))
        assert spelled(made.given_up) == ["end a", "end b"]

    def test_one_that_left_makes_room(self) -> None:
        made = outbox(max_terminals=1)
        made.add_terminal(terminal(Answer("a")))
        made.go_online()
        assert spelled(made.take(ALL)) == ["end a"]
        made.go_offline()
        made.add_terminal(terminal(Answer("b")))
        assert made.given_up == []

    def test_the_text_stays(self, a: Answer) -> None:
        made = outbox(max_terminals=0)
        say(made, a, "text")
        last = terminal(a)
        made.add_terminal(last)
        assert made.given_up == [last]
        assert last.text == "text"
        assert everything(made) == ["a:text"]


class TestSendAgain:
    def test_what_left_before_comes_first(self, a: Answer, b: Answer) -> None:
        made, first, second = outbox(online=True), terminal(a), terminal(b)
        say(made, Answer("c"), "text")
        made.send_again([first, second])
        made.go_offline()
        assert everything(made) == ["end a", "end b", "c:text"]

    def test_what_waits_already_is_sent_once(self, a: Answer) -> None:
        made, last = outbox(online=True), terminal(a)
        made.put_back([last])
        made.send_again([last])
        assert list(made.entries) == [last]

    def test_a_write_that_fails_late_replaces_it(self, a: Answer) -> None:
        made, last = outbox(online=True), terminal(a)
        made.send_again([last])
        made.put_back([Chunks(a, ["text"]), last])
        assert list(made.entries)[1:] == [last]
        assert made.entries[1].again is False

    def test_what_is_dropped_has_perhaps_arrived(self, a: Answer, b: Answer) -> None:
        made = outbox(max_terminals=1, online=True)
        made.send_again([terminal(a), terminal(b)])
        made.go_offline()
        assert [(frame.answer.task_id, frame.again) for frame in made.given_up] == [("a", True)]
        made.empty()
        assert [(frame.answer.task_id, frame.again) for frame in made.given_up] == [("a", True), ("b", True)]


class TestTheEnd:
    def test_everything_is_given_up(self, a: Answer, b: Answer) -> None:
        made = outbox(online=True)
        say(made, a, "text")
        made.add_passing(PING)
        made.add_frame(b"message")
        made.add_terminal(terminal(a))
        made.go_offline()
        made.add_terminal(terminal(b))
        made.empty()
        assert (len(made), made.size, made.dropped) == (0, 0, 2)
        assert spelled(made.given_up) == ["end a", "end b"]
        assert everything(made) == []

    def test_text_that_was_lost_before_is_dropped_once(self, a: Answer) -> None:
        made = outbox(max_bytes=5)
        say(made, a, "xxxxxx", "yy")
        assert made.dropped == 1
        made.empty()
        assert made.dropped == 2

    def test_it_works_again_afterwards(self, a: Answer) -> None:
        made = outbox(max_bytes=5)
        say(made, a, "xxxx")
        made.empty()
        say(made, a, "yyyy")
        assert (made.size, made.gaps) == (4, [])


class Story(RuleBasedStateMachine):
    """Tasks stream while the connection comes and goes, beside a model of what was said and what arrived."""

    max_bytes = ALL
    max_terminals = 1_000

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(self.max_bytes, self.max_terminals)
        self.online = False
        self.connection = 0  # counts them
        self.writing: list[Piece] | None = None  # taken, and in the hands of the writer
        self.writing_on = 0
        self.open: list[Answer] = []
        self.answers: list[Answer] = []
        self.added: list[bytes] = []  # terminals and messages
        self.arrived: list[bytes] = []
        self.ended: set[str] = set()  # tasks whose terminal has arrived
        self.said: dict[str, str] = {}
        self.march: dict[str, str] = {}  # what the March 2026 server has, and what a plain one has
        self.plain: dict[str, str] = {}
        self.before_gap: dict[str, str] = {}
        self.lossy: set[str] = set()

    def number(self) -> bytes:
        return f"{len(self.added)}:".encode()

    @rule()
    def arrive(self) -> None:
        answer = Answer(f"t{len(self.answers)}")
        self.answers.append(answer)
        self.open.append(answer)
        self.said[answer.task_id] = self.march[answer.task_id] = self.plain[answer.task_id] = ""

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 9), text=st.text("ab", min_size=1, max_size=4), lengthen=st.booleans())
    def stream(self, which: int, text: str, lengthen: bool) -> None:
        answer = self.open[which % len(self.open)]
        if lengthen and self.online and answer.pending is not None:
            answer.pending.fresh.append(text)
        else:
            say(self.outbox, answer, text)
        self.said[answer.task_id] += text

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 9), mute=st.booleans())
    def end(self, which: int, mute: bool) -> None:
        answer = self.open.pop(which % len(self.open))
        answer.muted = mute
        payload = self.number() + answer.task_id.encode()
        self.added.append(payload)
        self.outbox.add_terminal(Terminal(answer, payload, answer.text))

    @rule()
    def message(self) -> None:
        payload = self.number()
        if self.outbox.add_frame(payload):
            self.added.append(payload)
        else:
            assert not self.online

    @rule()
    def ping(self) -> None:
        assert self.outbox.add_passing(Passing(str(self.connection).encode())) is self.online

    @precondition(lambda self: not self.online)
    @rule()
    def connect(self) -> None:
        self.online = True
        self.connection += 1
        self.outbox.go_online()

    @precondition(lambda self: self.online)
    @rule()
    def drop(self) -> None:
        self.online = False
        self.outbox.go_offline()

    @precondition(lambda self: self.online and self.writing is None)
    @rule(most=st.sampled_from([1, 5, 20, ALL]))
    def take(self, most: int) -> None:
        self.writing = self.outbox.take(most)
        self.writing_on = self.connection
        for piece in self.writing:
            if isinstance(piece, Passing):
                assert piece.payload == str(self.connection).encode()

    @precondition(lambda self: self.writing is not None)
    @rule(left=st.integers(0, 6))
    def write(self, left: int) -> None:
        pieces, self.writing = self.writing or [], None
        rest: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, Chunks):
                for text in piece.texts[:left]:
                    self.deliver_chunk(piece.answer.task_id, text)
                if left < len(piece.texts):
                    rest.append(Chunks(piece.answer, piece.texts[left:]))
                left -= min(left, len(piece.texts))
            elif left:
                self.deliver(piece)
                left -= 1
            else:
                rest.append(piece)
        if rest:
            self.outbox.put_back(rest)
            if self.online and self.writing_on == self.connection:
                self.drop()

    def deliver_chunk(self, task_id: str, text: str) -> None:
        assert text
        assert task_id not in self.ended
        had = self.march[task_id]
        self.march[task_id] = text if had and text.startswith(had) else had + text
        self.plain[task_id] += text

    def deliver(self, piece: Piece) -> None:
        if isinstance(piece, Terminal):
            self.ended.add(piece.answer.task_id)
            self.arrived.append(piece.payload)
        elif isinstance(piece, Gap):
            task_id = json.loads(piece.payload)["taskId"]
            assert task_id not in self.before_gap
            assert task_id not in self.ended
            self.before_gap[task_id] = self.plain[task_id]
        elif isinstance(piece, bytes):
            self.arrived.append(piece)

    @invariant()
    def every_task_has_a_beginning_of_its_text(self) -> None:
        self.lossy.update(self.outbox.gaps)
        for answer in self.answers:
            task_id = answer.task_id
            arrived = self.plain[task_id]
            assert answer.text == self.said[task_id]
            assert self.march[task_id] == arrived
            in_hand = sum(
                len("".join(piece.texts))
                for piece in self.writing or ()
                if isinstance(piece, Chunks) and piece.answer is answer
            )
            assert answer.written == len(arrived) + in_hand
            if task_id in self.lossy:
                letters = iter(answer.text)
                assert all(letter in letters for letter in arrived)  # left out, but nothing turned around
                assert answer.text.startswith(self.before_gap.get(task_id, ""))
            else:
                assert answer.text.startswith(arrived)

    @invariant()
    def frames_leave_in_order_and_once(self) -> None:
        given_up = [piece.payload for piece in self.outbox.given_up]
        rest = iter(frame for frame in self.added if frame not in given_up)
        assert all(any(frame == one for one in rest) for frame in self.arrived)
        assert not set(given_up) & set(self.arrived)

    @invariant()
    def sizes_add_up(self) -> None:
        assert self.outbox.size >= 0
        if not self.outbox:
            assert self.outbox.size == 0

    def teardown(self) -> None:
        self.write(10_000)
        if not self.online:
            self.connect()
        while self.outbox:
            self.take(5)
            self.write(10_000)
        assert self.outbox.size == 0
        self.every_task_has_a_beginning_of_its_text()
        given_up = {piece.payload for piece in self.outbox.given_up}
        assert self.arrived == [frame for frame in self.added if frame not in given_up]
        for answer in self.answers:
            if answer.muted:
                continue
            arrived = self.plain[answer.task_id]
            if answer.task_id not in self.lossy:
                assert arrived == ("" if len(answer.text) == 1 else answer.text)
            # The notice of a loss cannot be missing; a task is told of it once.
            assert (answer.task_id in self.before_gap) == (answer.task_id in self.lossy)
        if self.max_bytes == ALL:
            assert not (self.lossy or given_up or self.outbox.dropped)


class TightStory(Story):
    """The same with so little room that text and terminals are lost."""

    max_bytes = 8
    max_terminals = 2


WALK = settings(deadline=None, max_examples=100, stateful_step_count=40)


class TestStory(Story.TestCase):
    settings = WALK


class TestTightStory(TightStory.TestCase):
    settings = WALK
