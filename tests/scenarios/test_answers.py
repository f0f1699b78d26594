"""Answers of every kind, and what the user sees of each."""

from __future__ import annotations

import threading

import pytest

from arinova_agent_sync import Reply

from .chat import SECONDS, Chat, doing, streaming

LONG = "All work and no play makes a dull agent. " * 8_000


@pytest.mark.parametrize(
    "pieces",
    [
        ["="] * 10 + ["\nend"],
        ["1", "10"],
        ["ha", "ha", "!"],
        ["`", "`", "`", "py\n"],
        ["#", "# Title"],
        ["no", "no no"],
        ["a", "a", "a", "aa", "aaaa"],
        ["ab", "ab", "abab", "abababab"],
        [" ", " x", "  x"],
        ["", "x", "", "x"],
        ["one ", "two ", "three"],
        ["é", "éé", "é"],
        ["😀", "😀", "😀😀"],
        ["\n", "\n\n", "text"],
    ],
    ids=repr,
)
def test_every_piece_of_a_stream_arrives(chat: Chat, pieces: list[str]) -> None:
    chat.agent(streaming(pieces))
    answer = chat.talk().ask("stream")
    assert answer.ended == ("completed", "".join(pieces))
    assert "".join(answer.chunks) == answer.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (lambda task: "returned", "returned"),
        (lambda task: Reply("a reply"), "a reply"),
        (lambda task: "x", "x"),
        (lambda task: task.send_complete("sent"), "sent"),
        (doing(("send_chunk", "half "), ("send_complete", "half whole")), "half whole"),
        (doing(("send_chunk", "kept"), ("send_complete", "another")), "kept"),
        (lambda task: task.send_chunk("only a chunk"), "only a chunk"),
        (lambda task: task.stream(iter(["a", "b", None])) and None, "ab"),
        (doing(("send_complete", "first"), ("send_complete", "second")), "first"),
        (doing(("send_complete", "first"), ("send_error", "late")), "first"),
        (lambda task: " \n padded \n ", " \n padded \n "),
        (lambda task: "nul\0 here", "nul here"),
        (lambda task: "half \ud800 pair", "half \ufffd pair"),
        (lambda task: "مرحبا 你好 😀 é", "مرحبا 你好 😀 é"),
        (lambda task: LONG, LONG),
        (streaming(["\ud83d", "\ude00 whole"]), "😀 whole"),
        (streaming(str(number % 10) for number in range(2_000)), "0123456789" * 200),
        (streaming([LONG, "end"]), LONG + "end"),
        (lambda task: "é" * 300_000, "é" * 300_000),
        (streaming(["=" * 100_000] * 3), "=" * 300_000),
    ],
    ids=lambda value: None if callable(value) else repr(value[:20]),
)
def test_an_answer_arrives_whole(chat: Chat, handler, text: str) -> None:
    chat.agent(handler)
    talk = chat.talk()
    assert talk.ask("say it").ended == ("completed", text)
    assert chat.rows(talk, 1) == [("completed", text)]


def test_an_async_handler_answers(chat: Chat) -> None:
    async def handle(task):
        return f"async {task.content}"

    chat.agent(handle)
    assert chat.talk().ask("hello").ended == ("completed", "async hello")


def test_an_async_generator_streams(chat: Chat) -> None:
    async def handle(task):
        for piece in ("a", "a", "ab"):
            yield piece

    chat.agent(handle)
    assert chat.talk().ask("hello").ended == ("completed", "aaab")


def test_a_detached_task_is_answered_by_another_thread(chat: Chat) -> None:
    threads = []

    def handle(task):
        task.detach()
        threads.append(threading.Thread(target=lambda: task.send_complete("later")))
        threads[0].start()

    chat.agent(handle)
    assert chat.talk().ask("hello").ended == ("completed", "later")
    threads[0].join(SECONDS)


@pytest.mark.parametrize(
    "handler",
    [
        lambda task: task.dismiss(),
        lambda task: "",
        lambda task: " \n",
        lambda task: None,
        streaming([" ", "\n"]),
        streaming([None, ""]),  # type: ignore[list-item]
    ],
    ids=["dismiss", "empty", "blank", "none", "streamed-blanks", "streamed-nothing"],
)
def test_an_answer_of_nothing_leaves_no_message(chat: Chat, handler) -> None:
    chat.agent(handler)
    talk = chat.talk()
    assert talk.ask("no need to answer").status == "dismissed"
    assert chat.rows(talk, 1) == [("completed", "no need to answer")]


def raising(pieces: list[str], error: Exception):
    def handle(task):
        yield from pieces
        raise error

    return handle


@pytest.mark.parametrize(
    ("handler", "options", "ended"),
    [
        (raising([], ValueError("broken")), {}, ("error", "broken")),
        (raising(["half "], ValueError("broken")), {}, ("error", "broken")),
        (raising(["half"], ValueError("broken")), {"keep_partial": True}, ("completed", "half\n\nbroken")),
        (raising([], ValueError("broken")), {"keep_partial": True}, ("error", "broken")),
        (raising(["half"], ValueError("secret")), {"error_text": "Sorry."}, ("error", "Sorry.")),
        (raising([], ValueError()), {}, ("error", "ValueError")),
        (lambda task: task.send_error("no"), {}, ("error", "no")),
        (doing(("send_chunk", "half"), ("send_error", "no")), {}, ("error", "no")),
        (
            doing(("send_chunk", "half"), ("send_error", "no", True)),
            {},
            ("completed", "half\n\nno"),
        ),
        (lambda task: 5, {}, ("error", "the handler returned int")),
    ],
)
def test_an_error_is_shown(chat: Chat, handler, options, ended) -> None:
    chat.agent(handler, **options)
    talk = chat.talk()
    answer = talk.ask("try")
    assert (answer.status, answer.text[: len(ended[1])]) == ended
    assert chat.rows(talk, 1) == [answer.ended]


def test_the_next_message_is_answered_after_an_error(chat: Chat) -> None:
    failures = [ValueError("once")]

    def handle(task):
        if failures:
            raise failures.pop()
        return "fine"

    chat.agent(handle)
    talk = chat.talk()
    assert talk.ask("try").ended == ("error", "once")
    assert talk.ask("try again").ended == ("completed", "fine")
