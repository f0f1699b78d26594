"""What may be lost with a connection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arinova_agent_sync.protocol.answer import Answer
from arinova_agent_sync.protocol.pieces import Gap, Receipt, Terminal
from arinova_agent_sync.protocol.receipts import Receipts


def terminal(name: str, size: int = 10) -> Terminal:
    return Terminal(Answer(name), b"x" * size, "text", answers=True)


def names(frames: list[Receipt]) -> list[str]:
    return [frame.answer.task_id for frame in frames if isinstance(frame, (Terminal, Gap))]


def test_a_pong_proves_what_left_before_its_ping() -> None:
    receipts = Receipts()
    receipts.written(terminal("a"))
    receipts.written(Gap(Answer("b"), b"gap"))
    receipts.pinged()
    receipts.written(terminal("c"))
    receipts.pinged()
    receipts.written(terminal("d"))
    assert names(receipts.ponged()) == ["a", "b"]
    assert names(receipts.ponged()) == ["c"]
    assert names(receipts.take_unproven()) == ["d"]
    assert (len(receipts), receipts.take_unproven()) == (0, [])


def test_a_pong_that_nobody_asked_for_proves_nothing() -> None:
    receipts = Receipts()
    receipts.written(terminal("a"))
    assert receipts.ponged() == []
    assert len(receipts) == 1


def test_a_pong_after_the_end_of_the_connection_proves_nothing() -> None:
    receipts = Receipts()
    receipts.written(terminal("a"))
    receipts.pinged()
    receipts.take_unproven()
    assert receipts.ponged() == []


def test_a_pong_proves_the_text_that_was_written_before_its_ping() -> None:
    receipts, live, muted = Receipts(), Answer("live"), Answer("muted")
    live.written, muted.written, muted.muted = 5, 5, True
    receipts.pinged([live, muted])
    live.written = 8
    receipts.ponged()
    assert (live.proven, live.in_doubt, muted.proven) == (5, True, 0)
    receipts.pinged([live])
    receipts.ponged()
    assert (live.proven, live.in_doubt) == (8, False)


def test_the_end_of_an_answer_proves_its_text() -> None:
    receipts, end = Receipts(), terminal("a")
    end.answer.written = 5
    receipts.written(end)
    receipts.pinged()
    receipts.ponged()
    assert not end.answer.in_doubt


def test_the_oldest_are_forgotten_when_there_are_many() -> None:
    receipts = Receipts()
    forgotten: list[Receipt] = []
    for number in range(10_002):
        forgotten += receipts.written(terminal(str(number)))
    assert names(forgotten) == ["0", "1"]
    receipts.pinged()
    assert names(receipts.written(terminal("last"))) == ["2"]
    assert names(receipts.ponged()) == [str(number) for number in range(3, 10_002)]
    assert names(receipts.take_unproven()) == ["last"]


def test_the_oldest_are_forgotten_when_they_are_large_but_never_the_last() -> None:
    receipts = Receipts()
    assert names(receipts.written(terminal("a", 20_000_000))) == []
    assert names(receipts.written(terminal("b", 9_000_000))) == ["a"]
    assert names(receipts.written(terminal("c", 7_000_000))) == []
    assert names(receipts.written(terminal("d", 7_000_000))) == ["b"]


def test_a_pong_is_wanted_after_many_or_large_frames() -> None:
    receipts = Receipts()
    for number in range(100):
        assert not receipts.pong_wanted
        receipts.written(terminal(str(number)))
    assert receipts.pong_wanted
    receipts.pinged()
    assert not receipts.pong_wanted
    receipts.written(terminal("large", 1 << 20))
    assert receipts.pong_wanted


@given(st.lists(st.sampled_from(("write", "ping", "pong")), max_size=400))
def test_only_what_a_pong_followed_is_proven(steps: list[str]) -> None:
    receipts, written, pings, proven = Receipts(), 0, [], 0
    for step in steps:
        if step == "write":
            receipts.written(terminal(str(written)))
            written += 1
        elif step == "ping":
            receipts.pinged()
            pings.append(written)
        else:
            before = proven
            if pings:
                proven = pings.pop(0)
            assert names(receipts.ponged()) == [str(number) for number in range(before, proven)]
    assert names(receipts.take_unproven()) == [str(number) for number in range(proven, written)]
