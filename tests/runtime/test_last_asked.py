"""Which of several messages with one text a task is about."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.protocol.session import TaskArrived
from arinova_agent_sync.runtime.last_asked import LastAsked


def talk(make_agent, server, answers, texts):
    """Say each text when the one before is answered; return what the handler was told of each."""
    told = []
    agent = make_agent(server)

    @agent.on_task
    def handle(task):
        told.append([message["content"] for message in task.messages()])
        answer = answers.pop(0)
        if answer is None:
            task.dismiss()
        return answer

    agent.connect(10)
    conversation = server.conversation()
    for text in texts:
        conversation.say(text).wait(10)
    return told


def test_one_text_several_times_that_was_dismissed(make_agent, server):
    told = talk(make_agent, server, [None] * 4, ["ok", "x", "ok", "ok"])
    assert told == [["ok"], ["ok", "x"], ["ok", "x", "ok"], ["ok", "x", "ok", "ok"]]


def test_one_text_dismissed_answered_and_said_again(make_agent, server):
    told = talk(make_agent, server, [None, "yes", None, "no"], ["ok", "ok", "ok", "ok"])
    assert told[-1] == ["ok", "ok", "yes", "ok", "ok"]


def queue(make_agent, server, **options):
    """Say several texts while the first one is answered; return what the handler was told of each."""
    begun, go_on, told = threading.Event(), threading.Event(), []
    agent = make_agent(server)

    @agent.on_task
    def handle(task):
        begun.set()
        go_on.wait(10)
        told.append([message["content"] for message in task.messages(**options)])
        return f"answer {len(told) - 1}"

    agent.connect(10)
    conversation = server.conversation()
    replies = [conversation.say("hello")]
    assert begun.wait(10)
    replies += [conversation.say(text) for text in ("same", "same", "bye", "same")]
    go_on.set()
    for reply in replies:
        assert reply.wait(10) == "completed"
    agent.disconnect(5)
    return told


def test_several_that_waited(make_agent, server):
    told = queue(make_agent, server, limit=50)
    answers = [f"answer {number}" for number in range(5)]
    assert told[1] == ["hello", answers[0], "same"]
    assert told[2] == ["hello", answers[0], "same", answers[1], "same"]
    assert told[3] == ["hello", answers[0], "same", "same", answers[1], answers[2], "bye"]
    assert told[4] == ["hello", answers[0], "same", "same", "bye", *answers[1:4], "same"]


def test_several_that_waited_without_the_older_ones(make_agent):
    with LocalServer(duplicate_window=0, history_limit=5) as server:
        told = queue(make_agent, server)
    assert [each[-1] for each in told] == ["hello", "same", "same", "bye", "same"]
    assert told[3].count("bye") == told[4].count("bye") == 1


@pytest.mark.parametrize(
    "content", ["hi", "[System Prompt]\nBe kind\n\n[User Message]\nhi", "hi\n\n[Attachment: a](/a)"]
)
def test_the_last_row_is_found_without_making_the_history(content):
    rows = [
        {"role": "agent", "content": "hello", "createdAt": "1"},
        {"role": "user", "content": "hi", "createdAt": "2"},
    ]
    asked = LastAsked()
    nobody: Any = None  # who would be asked for more
    asked.note(TaskArrived("t", {"content": content, "history": rows}, 0, "c"), nobody)
    assert asked.written == {"c": "2"}
