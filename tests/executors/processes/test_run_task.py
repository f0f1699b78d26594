"""run_task and the fixtures with a handler that runs in another process."""

from __future__ import annotations

import os

import pytest

from arinova_agent_sync import ArinovaAgent, ExecutorError, ProcessExecutor, RemoteHandlerError
from arinova_agent_sync.testing import run_task

from . import handlers


def asks(task):
    result = task.call_action("note.create", {"title": task.content})
    return f"{result.result['id']} for {task.sender_username}, after {len(task.history)}"


def waits(task):
    yield "begun"
    task.cancelled.wait(10)


def test_a_transcript_comes_back():
    transcript = run_task(
        asks,
        "hi",
        history=[("user", "before")],
        actions={"note.create": lambda call: {"id": f"note {call.arguments['title']}"}},
        executor=ProcessExecutor(1),
    )
    assert (transcript.status, transcript.text) == ("completed", "note hi for user, after 2")


def test_an_agents_own_executor():
    agent = ArinovaAgent(server_url="http://127.0.0.1:1", bot_token="x", executor=ProcessExecutor(1))
    agent.on_task(handlers.who)
    assert run_task(agent, "hi").text != str(os.getpid())


def test_what_it_raises_is_in_the_transcript():
    transcript = run_task(handlers.raises, executor=ProcessExecutor(1))
    assert (transcript.status, transcript.error) == ("error", "bad")
    assert isinstance(transcript.exception, RemoteHandlerError)


@pytest.mark.parametrize("after", [0, 1])
def test_it_is_cancelled(after):
    assert run_task(waits, executor=ProcessExecutor(1), cancel_after=after).status == "cancelled"


def test_one_that_goes_on():
    with pytest.raises(
        TimeoutError, match=r"did not return within 0.2 s \(timeout=\); its executor was told"
    ):
        run_task(waits, executor=ProcessExecutor(1), timeout=0.2)


def test_one_that_cannot_be_found_there():
    with pytest.raises(ExecutorError, match="another process cannot find"):
        run_task(lambda task: "x", executor=ProcessExecutor(1))
