"""How a task's chunks are cut, against a model of the March 2026 server and one that takes chunks as they come."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arinova_agent_sync.protocol.answer import LARGEST_CHUNK, Answer, PendingText


class MarchServer:
    """Takes a chunk that starts with all it has for the whole text sent anew (detected for each chunk)."""

    def __init__(self) -> None:
        self.text = ""

    def chunk(self, chunk: str) -> None:
        self.text = chunk if self.text and chunk.startswith(self.text) else self.text + chunk

    def complete(self, content: str) -> str:
        return self.text or content


class DeltaServer(MarchServer):
    """Takes each chunk for what comes next."""

    def chunk(self, chunk: str) -> None:
        self.text += chunk


SERVERS = [MarchServer, DeltaServer]


def said(answer: Answer, *texts: str) -> PendingText:
    """Stream texts that are to be written together."""
    pending = answer.open_pending()
    pending.fresh += texts
    answer.close_pending(pending)
    return pending


def say(answer: Answer, *texts: str) -> list[list[str]]:
    """Stream texts one by one and return the chunks that each was cut into."""
    return [list(answer.cut(said(answer, text).parts)) for text in texts]


class TestTheModel:
    @pytest.mark.parametrize(
        ("deltas", "kept"),
        [
            (["="] * 10 + ["\nend"], "=\nend"),
            (["1", "10"], "10"),
            (["ha", "ha", "!"], "ha!"),
            (["`", "`", "`", "py"], "`py"),
            (["#", "# Title"], "# Title"),
            (["no", "no no"], "no no"),
            (["a", "ab", "abc"], "abc"),
            (["ab", "c", "ab"], "abcab"),
        ],
    )
    def test_what_the_march_server_makes_of_plain_deltas(self, deltas: list[str], kept: str) -> None:
        server = MarchServer()
        for delta in deltas:
            server.chunk(delta)
        assert server.text == kept


class TestCuts:
    @pytest.mark.parametrize(
        ("deltas", "cuts"),
        [
            (["hello", " world"], [["hello"], [" world"]]),
            (["="] * 5, [[], ["=="], ["="], ["="], ["="]]),
            (["1", "10"], [[], ["110"]]),
            (["ha", "ha", "!"], [["ha"], ["h", "a"], ["!"]]),
            (["#", "# Title"], [[], ["## Title"]]),
            (["no", "no no"], [["no"], ["n", "o no"]]),
            (["ab", "ac"], [["ab"], ["ac"]]),
            (["aa", "aaaaaaaaaa"], [["aa"], ["a", "aa", "aaaa", "aaa"]]),
            (["你", "你好", "你你好"], [[], ["你你好"], ["你你", "好"]]),
            (["\U0001f600", "\U0001f600", "\U0001f600\U0001f600!"],
             [[], ["\U0001f600\U0001f600"], ["\U0001f600", "\U0001f600!"]]),
            (["a\r\n", "a\r\nb"], [["a\r\n"], ["a\r", "\nb"]]),
        ],
    )  # fmt: skip
    def test_table(self, deltas: list[str], cuts: list[list[str]]) -> None:
        answer = Answer("t1")
        assert say(answer, *deltas) == cuts
        assert answer.text == "".join(deltas)
        assert answer.written == sum(len(chunk) for cut in cuts for chunk in cut)
        together = Answer("t1")
        assert together.cut(said(together, *deltas).parts) == [chunk for cut in cuts for chunk in cut]

    @pytest.mark.parametrize("server", SERVERS)
    def test_one_character_is_left_to_the_completion(self, server: type[MarchServer]) -> None:
        answer, made = Answer("t1"), server()
        assert say(answer, "a") == [[]]
        assert (answer.text, answer.written) == ("a", 0)
        assert made.complete(answer.text) == "a"

    def test_huge_deltas(self) -> None:
        answer, march = Answer("t1"), MarchServer()
        huge = "ab" * 1_000_000
        for cut in say(answer, huge, huge, "c" + huge, huge):
            assert len(cut) < 50
            for chunk in cut:
                march.chunk(chunk)
        assert march.text == answer.text

    def test_the_largest_chunk_stays_below_the_servers_frame(self) -> None:
        assert LARGEST_CHUNK * len(r"\u0000") < 16 * 1024 * 1024

    def test_ids_and_prefix(self) -> None:
        answer = Answer('t"1', "c1")
        assert (answer.task_id, answer.conversation_id, answer.text) == ('t"1', "c1", "")
        assert (
            answer.make_prefix() == answer.chunk_prefix == b'{"type":"agent_chunk","taskId":"t\\"1","chunk":'
        )
        assert not answer.muted
        assert not answer.gap_told


class TestRuns:
    def test_what_waits_belongs_to_the_text(self) -> None:
        answer = Answer("t1")
        pending = answer.open_pending()
        assert answer.pending is pending
        pending.fresh += ["a", "b"]
        assert answer.text == "ab"
        pending.fresh.append("c")
        assert answer.text == "abc"
        answer.close_pending(pending)
        assert answer.pending is None
        assert answer.text == "abc"

    def test_a_fresh_piece_counts_as_said(self) -> None:
        answer = Answer("t")
        pending = answer.open_pending()
        assert not answer.has_said
        pending.fresh.append("fresh")
        assert answer.has_said
        assert answer.text == "fresh"

    def test_a_new_run_comes_behind(self) -> None:
        answer = Answer("t1")
        first = answer.open_pending()
        first.fresh.append("a")
        second = answer.open_pending()
        second.fresh.append("b")
        answer.close_pending(first)  # it is closed already
        assert answer.pending is second
        assert answer.text == "ab"

    def test_a_piece_that_comes_just_after_the_end_is_left_to_its_sender(self) -> None:
        answer = Answer("t1")
        pending = answer.open_pending()
        pending.fresh.append("in time")
        answer.close_pending()
        pending.fresh.append("late")
        assert (pending.parts, answer.text) == (["in time"], "in time")
        assert pending.take_fresh() == ["late"]
        assert pending.take_fresh() == []

    @pytest.mark.parametrize("open_still", [True, False])
    def test_a_long_run_is_split(self, open_still: bool) -> None:
        answer = Answer("t1")
        pending = answer.open_pending()
        pending.fresh += "abcde"
        if open_still:
            answer.catch_up()
        else:
            answer.close_pending(pending)
        rest = answer.split(pending, 2)
        assert (pending.parts, rest.parts) == (["a", "b"], ["c", "d", "e"])
        assert (pending.size, rest.size) == (2, 3)
        assert answer.pending is (rest if open_still else None)
        if open_still:
            rest.fresh.append("f")
        answer.close_pending(pending)
        assert answer.text == ("abcdef" if open_still else "abcde")


class TestWhatDidNotLeave:
    def test_is_cut_again(self) -> None:
        answer = Answer("t1")
        assert say(answer, "ha", "hah") == [["ha"], ["h", "ah"]]
        pending = answer.take_back(["h", "ah"])
        assert answer.written == 2
        assert (pending.parts, pending.size, answer.text) == (["h", "ah"], 3, "hahah")
        assert answer.cut(["".join(pending.parts)]) == ["h", "ah"]

    def test_the_very_first_chunk(self) -> None:
        answer = Answer("t1")
        assert say(answer, "a", "b") == [[], ["ab"]]
        pending = answer.take_back(["ab"])
        assert answer.written == 0
        assert answer.cut(pending.parts) == ["ab"]


class TestLostText:
    def test_what_follows_is_cut_by_what_the_server_has(self) -> None:
        answer = Answer("t1")
        assert say(answer, "ab") == [["ab"]]
        lost = said(answer, "c")
        lost.lose()
        assert (lost.lost, lost.parts, lost.size) == (True, [], 0)
        assert say(answer, "d") == [["d"]]  # the server has "abd", the user was to see "abcd"
        assert say(answer, "abc!") == [["abc!"]]
        answer.take_back(["abc!"])
        assert say(answer, "abd!") == [["ab", "d!"]]
        assert answer.text == "abcdabc!abd!"

    def test_what_is_written_at_once_is_kept_too(self) -> None:
        answer = Answer("t")
        for text in ("hello ", "my "):
            answer.speak(text)
        answer.lose()
        assert answer.speak("ab") == ["ab"]
        assert answer.server_text() == "hello my ab"
        assert answer.speak("hello my abc") == ["hello my a", "bc"]

    def test_everything_so_far(self) -> None:
        answer = Answer("t1")
        said(answer, "lost").lose()
        assert say(answer, "x", "y", "xyz") == [[], ["xy"], ["x", "yz"]]

    def test_text_that_was_still_growing(self) -> None:
        answer = Answer("t1")
        pending = answer.open_pending()
        pending.fresh.append("lost")
        pending.lose()
        assert answer.pending is None
        assert answer.text == "lost"

    def test_while_a_chunk_was_on_its_way(self) -> None:
        answer = Answer("t1")
        assert say(answer, "ab", "cd") == [["ab"], ["cd"]]
        said(answer, "lost").lose()
        assert answer.cut(answer.take_back(["cd"]).parts) == ["cd"]
        assert say(answer, "abcd", "abcdabcd") == [["abc", "d"], ["abcdabc", "d"]]

    def test_twice(self) -> None:
        answer = Answer("t1")
        say(answer, "ab")
        said(answer, "lost").lose()
        said(answer, "lost").lose()
        assert say(answer, "ab") == [["a", "b"]]


PIECES = st.sampled_from(
    [
        st.text("ab", min_size=1, max_size=4),
        st.text("=", min_size=1, max_size=5),
        st.sampled_from(["h", "a", "ha", "haha", "!"]),
        st.text("é你\U0001f600", min_size=1, max_size=3),
    ]
)
TEXTS = PIECES.flatmap(lambda piece: st.lists(piece, max_size=30))
BATCHES = PIECES.flatmap(lambda piece: st.lists(st.lists(piece, min_size=1, max_size=4), max_size=10))


@pytest.mark.slow
@pytest.mark.parametrize("server", SERVERS)
@settings(deadline=None, max_examples=250)
@given(batches=BATCHES)
@example([["="]] * 10 + [["\nend"]])
@example([["no"], ["no no"]])
@example([["=="], ["=", "====="]])
def test_every_split_arrives_as_said(server: type[MarchServer], batches: list[list[str]]) -> None:
    answer, made = Answer("t1"), server()
    for batch in batches:
        for chunk in answer.cut(said(answer, *batch).parts):
            assert chunk
            made.chunk(chunk)
        assert len(made.text) == answer.written
        assert len(answer.text) - answer.written in (0, 1)
    assert made.complete(answer.text) == answer.text == "".join(map("".join, batches))


@pytest.mark.parametrize("server", SERVERS)
@settings(deadline=None, max_examples=250)
@given(
    texts=TEXTS,
    writes=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 8), st.booleans()), max_size=15),
)
def test_failed_writes_and_losses_keep_the_rest_intact(
    server: type[MarchServer], texts: list[str], writes: list[tuple[int, int, bool]]
) -> None:
    answer, made = Answer("t1"), server()
    unsaid, waiting, kept = iter(texts), [], ""

    def write(pendings: list[PendingText], leaves: int | None, lost: str = "") -> list[PendingText]:
        chunks = [chunk for pending in pendings for chunk in answer.cut(pending.parts)]
        if lost:
            said(answer, lost).lose()
        left = len(chunks) if leaves is None else min(leaves, len(chunks))
        for chunk in chunks[:left]:
            made.chunk(chunk)
        back = [answer.take_back(chunks[left:])] if chunks[left:] else []
        assert answer.written == len(made.text)
        return back

    for says, leaves, loses in writes:
        for text in islice(unsaid, says):
            waiting.append(said(answer, text))
            kept += text
        waiting = write(waiting, leaves, next(unsaid, "") if loses else "")  # while those are on their way
    for text in unsaid:
        waiting.append(said(answer, text))
        kept += text
    assert write(waiting, None) == []
    assert answer.text == "".join(texts)
    # One character is held, and part of what the completion brings.
    assert made.text == ("" if len(kept) == 1 else kept)
