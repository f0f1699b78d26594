"""A frame that headed the queue of three connections that broke while it left."""

from __future__ import annotations

import json

import pytest

from arinova_agent_sync.protocol import frames
from arinova_agent_sync.protocol.answer import Answer
from arinova_agent_sync.protocol.outbox import Outbox
from arinova_agent_sync.protocol.pieces import Chunks, Gap, OutgoingMessage, Passing, Piece, Terminal
from arinova_agent_sync.protocol.poison import UNDELIVERABLE

ALL = 1 << 40


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(ALL, 1_000)


@pytest.fixture
def answer() -> Answer:
    return Answer("t", "c")


def completion(answer: Answer, text: str = "poison") -> Terminal:
    return Terminal(answer, frames.agent_complete(answer.task_id, text, None), text, answers=True)


def break_while_leaving(outbox: Outbox, times: int, *, broke: bool = True) -> list[Piece]:
    """Have connections break while the first frame leaves; return what leaves on the one after them."""
    for _ in range(times):
        outbox.go_online()
        pieces = outbox.take(ALL)
        outbox.put_back(pieces, broke=broke)
        outbox.send_again([piece for piece in pieces if isinstance(piece, (Terminal, OutgoingMessage, Gap))])
        outbox.go_offline()
    outbox.go_online()
    return outbox.take(ALL)


def break_behind(outbox: Outbox, times: int) -> list[Piece]:
    """Have connections break before a pong has proven anything; return what leaves on the one after them."""
    for _ in range(times):
        outbox.go_online()
        pieces = outbox.take(ALL)
        outbox.send_again([piece for piece in pieces if isinstance(piece, (Terminal, OutgoingMessage, Gap))])
        outbox.blame(pieces[0])
        outbox.go_offline()
    outbox.go_online()
    return outbox.take(ALL)


def said(pieces: list[Piece]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for piece in pieces:
        if isinstance(piece, Chunks):
            found += [{"chunk": text} for text in piece.texts]
        else:
            found.append(json.loads(piece if isinstance(piece, bytes) else piece.payload))
    return found


@pytest.mark.parametrize("breaks", [break_while_leaving, break_behind])
def test_an_answer_is_ended_in_another_way_that_keeps_its_text(
    breaks, outbox: Outbox, answer: Answer
) -> None:
    poison, other = completion(answer), completion(Answer("other"), "fine")
    outbox.add_terminal(poison)
    outbox.add_terminal(other)
    left = breaks(outbox, 3)
    assert said(left)[0] == {"type": "agent_error", "taskId": "t", "error": UNDELIVERABLE}
    assert said(left)[1]["taskId"] == "other"
    short = left[0]
    assert isinstance(short, Terminal)
    assert (short.text, short.answers, short.again) == ("poison", True, True)
    assert (outbox.dropped, len(outbox.poisoned), outbox.given_up) == (1, 1, [])


@pytest.mark.parametrize("breaks", [break_while_leaving, break_behind])
def test_two_connections_are_not_enough(breaks, outbox: Outbox, answer: Answer) -> None:
    outbox.add_terminal(completion(answer))
    assert said(breaks(outbox, 2))[0]["content"] == "poison"
    assert outbox.poisoned == []


def test_streamed_text_stays(outbox: Outbox, answer: Answer) -> None:
    outbox.go_online()
    outbox.add_chunk(answer, "streamed")
    outbox.take(ALL)
    outbox.add_terminal(completion(answer, "streamed"))
    assert said(break_while_leaving(outbox, 3)) == [{"type": "agent_complete", "taskId": "t", "content": ""}]


def test_the_short_end_is_given_up_if_that_breaks_connections_too(outbox: Outbox, answer: Answer) -> None:
    outbox.add_terminal(completion(answer))
    outbox.put_back(break_while_leaving(outbox, 3))
    assert break_while_leaving(outbox, 3) == []
    assert [given.text for given in outbox.given_up if isinstance(given, Terminal)] == ["poison"]


def test_an_error_is_given_up_and_the_task_ended_with_another(outbox: Outbox, answer: Answer) -> None:
    error = Terminal(answer, frames.agent_error("t", "poison"), "poison")
    outbox.add_terminal(error)
    assert said(break_while_leaving(outbox, 3)) == [
        {"type": "agent_error", "taskId": "t", "error": UNDELIVERABLE}
    ]
    assert outbox.given_up == [error]


def test_text_is_told_as_a_gap(outbox: Outbox, answer: Answer) -> None:
    outbox.add_chunk(answer, "poison")
    left = said(break_while_leaving(outbox, 3))
    assert [frame["type"] for frame in left] == ["agent_stream_gap"]
    outbox.add_chunk(answer, "more")
    assert said(outbox.take(ALL)) == [{"chunk": "more"}]
    assert len(outbox.poisoned) == outbox.dropped == 1


def test_text_that_gets_on_is_not_dropped(outbox: Outbox, answer: Answer) -> None:
    for text in ("one ", "two ", "three ", "four "):
        outbox.add_chunk(answer, text)
        outbox.go_online()
        outbox.put_back(outbox.take(ALL)[:1], broke=True)
        outbox.go_offline()
        outbox.go_online()
        assert said(outbox.take(ALL)) == [{"chunk": text}]
    assert outbox.poisoned == []


def test_a_message_is_left_to_http(outbox: Outbox) -> None:
    message = OutgoingMessage(b'{"content":"poison"}', "c", "poison", None, 0.0, "key")
    outbox.go_online()
    outbox.add_frame(message)
    outbox.add_frame(b'{"next":1}')
    assert said(break_while_leaving(outbox, 3)) == [{"next": 1}]
    assert outbox.lost == [message]
    assert outbox.frame_bytes == 0


@pytest.mark.parametrize("frame", [b'{"poison":1}', Gap(Answer("t"), frames.agent_stream_gap("t"))])
def test_another_frame_is_dropped(frame: bytes | Gap, outbox: Outbox) -> None:
    outbox.entries.append(frame)
    outbox.frame_bytes = len(frame) if isinstance(frame, bytes) else 0
    assert break_while_leaving(outbox, 3) == []
    assert (outbox.poisoned, outbox.dropped, outbox.frame_bytes) == ([frame], 1, 0)


def test_a_repair_is_told_as_a_gap(outbox: Outbox, answer: Answer) -> None:
    answer.written = 5
    for _ in range(3):
        outbox.go_online()
        outbox.repair([answer], whole=True)
        [repair] = outbox.take(ALL)
        assert isinstance(repair, Passing)
        outbox.blame(repair.repairs)
        outbox.go_offline()
    outbox.go_online()
    outbox.repair([answer], whole=True)
    assert [frame["type"] for frame in said(outbox.take(ALL))] == ["agent_stream_gap"]
    assert outbox.poisoned == [answer]


def test_a_connection_that_was_given_up_blames_nothing(outbox: Outbox, answer: Answer) -> None:
    outbox.add_terminal(completion(answer))
    assert said(break_while_leaving(outbox, 5, broke=False))[0]["content"] == "poison"
    assert outbox.poisoned == []


def test_a_ping_is_not_to_blame(outbox: Outbox, answer: Answer) -> None:
    outbox.add_terminal(completion(answer))
    for _ in range(5):
        outbox.go_online()
        outbox.add_ahead(Passing(frames.PING))
        outbox.put_back(outbox.take(ALL), broke=True)
        outbox.go_offline()
    outbox.go_online()
    assert said(outbox.take(ALL))[0]["content"] == "poison"


def test_a_write_that_fails_when_the_next_connection_is_there_already(outbox: Outbox, answer: Answer) -> None:
    doubted, poison = Answer("doubted"), completion(answer)
    doubted.written = 5
    outbox.add_terminal(poison)
    for _ in range(3):
        outbox.go_online()
        pieces = [piece for piece in outbox.take(ALL) if piece is poison]
        outbox.go_offline()
        outbox.go_online()
        outbox.repair([doubted], whole=True)
        outbox.put_back(pieces, broke=True)
        outbox.go_offline()
    outbox.go_online()
    outbox.repair([doubted], whole=True)
    kinds = [frame["type"] for frame in said(outbox.take(ALL)[1:])]
    assert kinds == ["agent_error"]


def test_what_is_forgotten_has_perhaps_arrived(outbox: Outbox, answer: Answer) -> None:
    message = OutgoingMessage(b"{}", "c", "text", None, 0.0, "key")
    outbox.forget([completion(answer), Gap(answer, b"gap"), message])
    assert [frame.again for frame in outbox.given_up] == [True, True]
