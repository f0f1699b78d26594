"""run_task: every handler shape, and the agent's own rules for how a task ends."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from arinova_agent_sync import ArinovaAgent, ArinovaError, Reply, Task, TaskCancelled
from arinova_agent_sync.handlers import TaskHandler
from arinova_agent_sync.testing import run_task

ROOT = Path(__file__).parents[2]


def calls(task: Task) -> None:
    task.send_chunk("good ")
    task.send_chunk("morning")
    task.send_complete()


def yields(task: Task) -> Iterator[str]:
    yield "good "
    yield "morning"


def streams(task: Task) -> None:
    task.stream(iter(["good ", "morning"]))


def goes_on(task: Task) -> str:
    task.send_chunk("good ")
    return "good morning"


async def yields_async(task: Task) -> AsyncIterator[str]:
    yield "good "
    await asyncio.sleep(0)
    yield "morning"


def returns(task: Task) -> str:
    return "good morning"


async def returns_async(task: Task) -> Reply:
    return Reply("good morning")


@pytest.mark.parametrize("handler", [calls, yields, streams, goes_on, yields_async])
def test_a_handler_that_streams(handler: TaskHandler) -> None:
    transcript = run_task(handler, "hi")
    assert (transcript.status, transcript.text) == ("completed", "good morning")
    assert transcript.chunks == ("good ", "morning")
    assert transcript.streamed == "good morning"
    assert transcript.timings.first_chunk is not None
    assert 0 <= transcript.timings.first_chunk <= transcript.timings.done
    assert transcript.error is transcript.exception is None
    assert transcript.warnings == ()


@pytest.mark.parametrize("handler", [returns, returns_async])
def test_a_handler_that_returns(handler: TaskHandler) -> None:
    transcript = run_task(handler, "hi")
    assert (transcript.status, transcript.text, transcript.chunks) == ("completed", "good morning", ())
    assert transcript.timings.first_chunk is None


@pytest.mark.parametrize(
    "pieces", [["=", "=", "="], ["1", "10", "110"], ["ha", "ha", "haha"], ["x"], ["no", "no no"]]
)
def test_pieces_that_repeat_the_text_are_not_lost(pieces: list[str]) -> None:
    transcript = run_task(lambda task: iter(pieces))
    assert transcript.text == "".join(pieces)
    assert transcript.chunks == tuple(pieces)


def test_what_was_streamed_beats_another_content() -> None:
    def handler(task: Task) -> str:
        task.send_chunk("streamed")
        return "something else"

    transcript = run_task(handler)
    assert (transcript.status, transcript.text) == ("completed", "streamed")
    assert "the server keeps what was streamed" in transcript.warnings[0]


def test_only_the_first_end_counts() -> None:
    def handler(task: Task) -> None:
        task.send_complete("first")
        task.send_error("second")
        task.send_chunk("third")

    transcript = run_task(handler)
    assert (transcript.status, transcript.text, transcript.chunks) == ("completed", "first", ())


@pytest.mark.parametrize("answer", ["", " \n"])
def test_a_blank_answer_makes_the_message_disappear(answer: str) -> None:
    transcript = run_task(lambda task: answer)
    assert (transcript.status, transcript.text, transcript.warnings) == ("dismissed", "", ())


def test_a_handler_that_answers_nothing_is_warned_of() -> None:
    transcript = run_task(lambda task: None)
    assert transcript.status == "dismissed"
    assert "was dismissed: its handler sent nothing" in transcript.warnings[0]
    assert run_task(lambda task: task.dismiss()).warnings == ()


def test_what_a_handler_raises_is_the_error_that_users_see() -> None:
    def handler(task: Task) -> Iterator[str]:
        yield "half an "
        raise KeyError("the model is down")

    transcript = run_task(handler)
    assert (transcript.status, transcript.text) == ("error", "'the model is down'")
    assert transcript.error == transcript.text
    assert transcript.streamed == "half an "
    assert isinstance(transcript.exception, KeyError)
    with pytest.raises(KeyError, match="the model is down"):
        transcript.raise_for_error()
    assert run_task(handler, error_text="Sorry.").text == "Sorry."
    assert run_task(handler, error_text=lambda error: type(error).__name__).text == "KeyError"


def test_an_error_that_was_sent() -> None:
    def handler(task: Task) -> None:
        task.send_chunk("half")
        task.send_error("no more", keep_partial=task.content == "keep")

    transcript = run_task(handler)
    assert (transcript.status, transcript.text, transcript.exception) == ("error", "no more", None)
    with pytest.raises(ArinovaError, match="answered with an error: no more"):
        transcript.raise_for_error()
    kept = run_task(handler, "keep")
    assert (kept.status, kept.text, kept.error) == ("completed", "half\n\nno more", None)
    assert kept.raise_for_error() is kept


def test_a_wrong_type_of_answer_is_an_error() -> None:
    transcript = run_task(lambda task: 7)  # type: ignore[arg-type, return-value]
    assert transcript.status == "error"
    assert "it may return a str" in transcript.text


def test_assertions_in_a_handler_reach_the_test() -> None:
    def asserts(task: Task) -> None:
        assert task.content == "other", "another content"

    def fails(task: Task) -> None:
        pytest.fail("not like this")

    with pytest.raises(AssertionError, match="another content"):
        run_task(asserts, "hi")
    with pytest.raises(pytest.fail.Exception, match="not like this"):
        run_task(fails)


# The stop button


@pytest.mark.parametrize("handler", [yields, yields_async])
def test_a_generator_ends_at_the_yield_after_which_stop_was_pressed(handler: TaskHandler) -> None:
    transcript = run_task(handler, cancel_after=1)
    assert (transcript.status, transcript.text) == ("cancelled", "good ")
    assert transcript.chunks == ("good ",)
    assert transcript.error is transcript.exception is None


def test_a_function_meets_task_cancelled_at_its_next_send() -> None:
    seen: list[str] = []

    def handler(task: Task) -> None:
        task.on_cancel(lambda: seen.append("called"))
        task.send_chunk("one ")
        seen.append("sent one")
        try:
            task.send_chunk("two ")
        except TaskCancelled:
            seen.append("raised")
            raise

    transcript = run_task(handler, cancel_after=1)
    assert (transcript.status, transcript.text) == ("cancelled", "one ")
    assert sorted(seen) == ["called", "raised", "sent one"]


def test_stop_before_the_first_piece_wakes_who_waits_for_it() -> None:
    def handler(task: Task) -> str:
        return "stopped" if task.cancelled.wait(5.0) else "not stopped"

    transcript = run_task(handler, cancel_after=0)
    assert (transcript.status, transcript.text) == ("cancelled", "")


async def sleeps(task: Task) -> str:
    await asyncio.sleep(60)
    return "slept"


def test_stop_ends_a_coroutine_where_it_waits() -> None:
    assert run_task(sleeps, cancel_after=0).status == "cancelled"


def test_stop_after_the_end_changes_nothing() -> None:
    assert run_task(yields, cancel_after=3).status == "completed"


# Detached tasks and hung handlers


def test_a_detached_task_is_waited_for() -> None:
    threads: list[threading.Thread] = []

    def handler(task: Task) -> None:
        task.detach()
        threads.append(threading.Thread(target=task.send_complete, args=("later",)))
        threads[0].start()

    assert run_task(handler).text == "later"
    threads[0].join()


def test_a_detached_task_that_nobody_ends() -> None:
    with pytest.raises(
        TimeoutError, match=r"after task\.detach\(\), but nothing ended the task within 0\.05 s"
    ):
        run_task(lambda task: task.detach(), timeout=0.05)


@pytest.mark.slow
def test_a_hung_handler_is_told_of_with_its_stack() -> None:
    go_on = threading.Event()

    def handler(task: Task) -> None:
        task.send_chunk("so far")
        go_on.wait(20)

    with pytest.raises(TimeoutError) as raised:
        run_task(handler, timeout=0.05)
    go_on.set()
    text = str(raised.value)
    assert "did not return within 0.05 s (timeout=); its thread is left behind" in text
    assert "It had sent 'so far'. Its stack:\n" in text
    assert "in handler\n    go_on.wait(20)\n" in text
    assert "dispatch.py" not in text


async def fetch_for_ever() -> None:
    await asyncio.sleep(60)


def test_a_hung_coroutine_is_told_of_where_it_waits_and_is_stopped() -> None:
    async def handler(task: Task) -> None:
        await fetch_for_ever()

    with pytest.raises(TimeoutError) as raised:
        run_task(handler, timeout=0.05)
    text = str(raised.value)
    assert "it was stopped then, as by a user. It had sent nothing." in text
    assert "in handler\n    await fetch_for_ever()\n" in text
    assert "in fetch_for_ever\n    await asyncio.sleep(60)\n" in text


@pytest.mark.slow
def test_a_coroutine_that_blocks_its_loop_is_told_of_too() -> None:
    go_on = threading.Event()

    async def handler(task: Task) -> None:
        go_on.wait(20)

    with pytest.raises(TimeoutError, match=r"Its stack:\n.* in handler\n\s+go_on\.wait\(20\)"):
        run_task(handler, timeout=0.05)
    go_on.set()


@pytest.mark.slow
def test_a_handler_that_hangs_after_its_answer() -> None:
    go_on = threading.Event()

    def handler(task: Task) -> None:
        task.send_complete("done")
        go_on.wait(20)

    with pytest.raises(TimeoutError, match="did not return"):
        run_task(handler, timeout=0.05)
    go_on.set()


# Agents


@pytest.fixture
def agent() -> ArinovaAgent:
    return ArinovaAgent(server_url="http://127.0.0.1:9", bot_token="ari_secret", error_text="Oh dear.")


def test_an_agent_takes_the_handler_for_the_content(agent: ArinovaAgent) -> None:
    agent.on_task(lambda task: f"else: {task.content}")
    agent.on_command("draw", lambda task: f"a picture of {task.arguments}")
    assert run_task(agent, "/draw a cat").text == "a picture of a cat"
    assert run_task(agent, "hello").text == "else: hello"
    assert repr(agent) == "ArinovaAgent('http://127.0.0.1:9', new, down)"


def test_an_agent_without_a_handler(agent: ArinovaAgent) -> None:
    transcript = run_task(agent, "hello")
    assert (transcript.status, transcript.text) == ("error", "no_task_handler")
    assert "was not run: no_task_handler" in transcript.warnings[0]


def test_an_agent_has_its_error_text_and_its_listeners(agent: ArinovaAgent) -> None:
    heard: list[BaseException] = []
    agent.on_error(heard.append)

    @agent.on_task
    def handle(task: Task) -> None:
        raise OSError("disk full")

    transcript = run_task(agent)
    assert transcript.text == "Oh dear."
    assert heard == [transcript.exception]
    assert run_task(agent, error_text="Another.").text == "Another."


# Around it


def test_a_handler_sees_what_the_agent_is_called() -> None:
    history = [("agent", "I am Ann."), ("user", "Hello Ann.")]
    transcript = run_task(
        lambda task: str(task.messages(first=None)), "And you?", history=history, agent_name="Ann"
    )
    assert transcript.text == str(
        [
            {"role": "assistant", "content": "I am Ann."},
            {"role": "user", "content": "Hello Ann."},
            {"role": "user", "content": "And you?"},
        ]
    )


def test_what_a_callback_raises_is_among_the_warnings(caplog: pytest.LogCaptureFixture) -> None:
    def handler(task: Task) -> Iterator[str]:
        task.on_cancel(lambda: 1 // 0)
        yield "on it"

    transcript = run_task(handler, cancel_after=1)
    assert transcript.warnings == ("a callback of on_cancel raised",)
    assert "a callback of on_cancel raised" in caplog.text


def test_warnings_of_others_are_not_among_them() -> None:
    other = threading.Thread(
        target=logging.getLogger("arinova_agent_sync").warning, args=("not of this task",)
    )

    def handler(task: Task) -> str:
        other.start()
        other.join()
        return "done"

    assert run_task(handler).warnings == ()


def test_several_at_a_time_do_not_meet() -> None:
    both = threading.Barrier(2, timeout=5.0)
    texts: list[str] = []

    def handler(task: Task) -> str:
        both.wait()
        return task.content

    threads = [
        threading.Thread(target=lambda word=word: texts.append(run_task(handler, word).text))
        for word in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(texts) == ["one", "two"]


def test_it_works_inside_an_event_loop_and_inside_a_handler() -> None:
    async def asks() -> str:
        return run_task(lambda task: run_task(returns_async).text).text

    assert asyncio.run(asks()) == "good morning"


def test_no_thread_is_left_when_it_returns() -> None:
    before = set(threading.enumerate())
    run_task(yields, cancel_after=1)
    assert set(threading.enumerate()) <= before


def test_it_does_not_take_long() -> None:
    started = time.perf_counter()
    for _ in range(20):
        run_task(yields)
    assert time.perf_counter() - started < 2.0


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ({"timeout": 0}, ValueError, "timeout must be more than 0"),
        ({"timeout": "long"}, TypeError, "timeout must be a number of seconds"),
        ({"cancel_after": -1}, ValueError, "cancel_after must be from 0"),
        ({"cancel_after": 1.5}, TypeError, "cancel_after must be an int"),
        ({"actions": ["x"]}, TypeError, "actions must be a dict of results by name, not list"),
        ({"content": 7}, TypeError, "content must be a str"),
        ({"error_text": 7}, TypeError, "error_text must be a str or a function"),
        ({"handler": "hi"}, TypeError, "run_task needs a function that takes a task, not str"),
        ({"handler": lambda: "hi"}, TypeError, "run_task needs a function that takes one argument"),
    ],
)
def test_wrong_arguments(wrong: dict[str, object], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        run_task(**{"handler": returns, **wrong})  # type: ignore[arg-type]


def test_it_needs_no_extra_and_no_pytest() -> None:
    program = """
import sys
for name in ("starlette", "uvicorn", "websockets", "click", "rich", "watchfiles", "pytest"):
    sys.modules[name] = None
from arinova_agent_sync.testing import run_task
def handle(task):
    yield from task.content
    assert task.content == "hi"
print(run_task(handle, "hi").text, "asyncio" in sys.modules)
run_task(handle, "ho")
"""
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert process.stdout == "hi False\n"
    assert process.stderr.rstrip().endswith("AssertionError")
    assert "in handle" in process.stderr
