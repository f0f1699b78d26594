"""What a handler waits for ends with its task, and what it raises then is nobody's concern."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import pytest

from arinova_agent_sync import TaskCancelled
from arinova_agent_sync.local import LocalServer


def test_a_stop_ends_a_sleep(server: LocalServer, make_agent: Any) -> None:
    agent = make_agent(server)
    asleep, ended = threading.Event(), threading.Event()
    raised: list[BaseException] = []

    @agent.on_task
    def handle(task):
        task.sleep(0)
        task.sleep(0.001)
        asleep.set()
        try:
            task.sleep(60)
        except BaseException as error:
            raised.append(error)
            raise
        finally:
            ended.set()

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert asleep.wait(5)
    began = time.monotonic()
    assert reply.cancel()
    assert ended.wait(5)
    assert time.monotonic() - began < 5
    assert [type(error) for error in raised] == [TaskCancelled]


def test_what_a_cancelled_handler_raises_is_a_detail(
    server: LocalServer, make_agent: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "arinova_agent_sync")
    agent = make_agent(server)
    waits, over = threading.Event(), threading.Event()
    errors: list[BaseException] = []
    agent.on_error(errors.append)

    @agent.on_task
    def handle(task):
        if task.content == "again":
            return "here"
        waits.set()
        task.cancelled.wait(10)
        try:
            raise OSError("the connection was shut down")
        finally:
            over.set()

    agent.connect(5)
    conversation = server.conversation()
    reply = conversation.say("hi")
    assert waits.wait(5) and reply.cancel() and over.wait(5)
    assert conversation.say("again").wait(5) == "completed"
    agent.disconnect()
    assert errors == []
    told = [record for record in caplog.records if "raised" in record.getMessage()]
    assert [(record.levelname, record.exc_info) for record in told] == [("DEBUG", None)]
    assert "the connection was shut down" in told[0].getMessage()
