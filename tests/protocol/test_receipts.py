"""Which answers may be lost with a connection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arinova_agent_sync.protocol.answer import Answer
from arinova_agent_sync.protocol.pieces import Terminal
from arinova_agent_sync.protocol.receipts import Receipts


def terminal(name: str, size: int = 10) -> Terminal:
    return Terminal(Answer(name), b"x" * size, "text", rescue=True)


def unproven(receipts: Receipts) -> list[str]:
    return [terminal.answer.task_id for terminal in receipts.unproven()]


def test_a_pong_proves_what_left_before_its_ping() -> None:
    receipts = Receipts()
    receipts.written(terminal("a"))
    receipts.written(terminal("b"))
    receipts.pinged()
    receipts.written(terminal("c"))
    receipts.pinged()
    receipts.written(terminal("d"))
    assert unproven(receipts) == ["a", "b", "c", "d"]
    receipts.ponged()
    assert unproven(receipts) == ["c", "d"]
    receipts.ponged()
    assert unproven(receipts) == ["d"]


def test_a_pong_that_nobody_asked_for_proves_nothing() -> None:
    receipts = Receipts()
    receipts.written(terminal("a"))
    receipts.ponged()
    assert unproven(receipts) == ["a"]


def test_the_oldest_are_forgotten_when_there_are_many() -> None:
    receipts = Receipts()
    for number in range(150):
        receipts.written(terminal(str(number)))
    receipts.pinged()
    receipts.written(terminal("last"))
    assert unproven(receipts) == [*map(str, range(51, 150)), "last"]
    receipts.ponged()
    assert unproven(receipts) == ["last"]


def test_the_oldest_are_forgotten_when_they_are_large() -> None:
    receipts = Receipts()
    for name in "abcde":
        receipts.written(terminal(name, 2_000_000))
    assert unproven(receipts) == ["d", "e"]


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
            receipts.ponged()
            if pings:
                proven = max(proven, pings.pop(0))
        assert unproven(receipts) == [str(number) for number in range(max(proven, written - 100), written)]
