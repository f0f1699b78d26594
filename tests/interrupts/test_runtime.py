"""interruptible() in a running agent."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator

import pytest

from arinova_agent_sync import TaskCancelled, interruptible
from arinova_agent_sync.interrupts.scope import current_scope
from arinova_agent_sync.testing import run_task

from .conftest import AT_ONCE
from .stub import Stub, stub

urllib3 = pytest.importorskip("urllib3")


@pytest.fixture
def provider() -> Iterator[Stub]:
    with stub() as server:
        yield server


@pytest.fixture
def client() -> Iterator[urllib3.PoolManager]:
    with interruptible(urllib3.PoolManager(timeout=8)) as manager:
        yield manager


def test_the_stop_button_ends_the_models_call(server, make_agent, provider, client) -> None:
    agent, ended = make_agent(server), threading.Event()
    met: list[object] = []

    @agent.on_task
    def handle(task):
        try:
            client.request("GET", f"{provider.url}/think")
        except BaseException as error:
            met.append(error)
            raise
        finally:
            met.append(time.monotonic())
            ended.set()

    agent.connect(5)
    reply = server.conversation().say("hi")
    provider.wait_for("request")
    pressed = time.monotonic()
    reply.cancel()
    assert ended.wait(5)
    assert type(met[0]) is TaskCancelled
    assert met[1] - pressed < AT_ONCE
    assert provider.wait_for("end") - pressed < AT_ONCE
    assert reply.wait(5) == "cancelled"
    assert (agent.stats().tasks_cancelled, agent.stats().tasks_failed) == (1, 0)


def test_a_blocked_callback_does_not_delay_it(server, make_agent, provider, client) -> None:
    agent, release, ended = make_agent(server), threading.Event(), threading.Event()

    @agent.on_task
    def handle(task):
        task.on_cancel(lambda: release.wait(10))
        try:
            client.request("GET", f"{provider.url}/{task.content}")
        finally:
            ended.set()

    agent.connect(5)
    try:
        for count in (1, 2):
            ended.clear()
            reply = server.conversation().say("think")
            provider.wait_for("request", count)
            reply.cancel()
            assert ended.wait(5)
    finally:
        release.set()


def test_a_response_that_a_handler_leaves_is_closed_at_its_end(server, make_agent, provider, client) -> None:
    agent, kept = make_agent(server), []

    @agent.on_task
    def handle(task):
        kept.append(client.request("GET", f"{provider.url}/drip", preload_content=False))
        return "done"

    agent.connect(5)
    assert server.conversation().say("hi").wait(5) == "completed"
    provider.wait_for("end", timeout=2)
    kept[0].close()


@pytest.mark.parametrize("end", ["send_complete", "send_error", "cancel"])
def test_a_detached_tasks_response_lives_until_the_task_ends(
    server, make_agent, provider, client, end
) -> None:
    agent, kept, returned = make_agent(server), [], threading.Event()
    tasks = []

    class Local:
        """Goes when the handler returns."""

    @agent.on_task
    def handle(task):
        local = Local()
        weakref.finalize(local, returned.set)
        task.detach()
        tasks.append(task)
        kept.append(client.request("GET", f"{provider.url}/drip", preload_content=False))

    agent.connect(5)
    reply = server.conversation().say("hi")
    assert returned.wait(5)
    pieces = kept[0].stream(8)
    for _ in range(3):  # on this thread, long after the handler
        next(pieces)
    assert provider.count("end") == 0
    if end == "cancel":
        reply.cancel()
    else:
        getattr(tasks[0], end)("done")
    provider.wait_for("end", timeout=2)
    kept[0].close()


def test_every_task_has_a_scope_of_its_own(server, make_agent) -> None:
    agent, found = make_agent(server), []

    @agent.on_task
    def handle(task):
        found.append(current_scope())
        return "done"

    agent.connect(5)
    conversation = server.conversation()
    for _ in range(2):
        assert conversation.say("hi").wait(5) == "completed"
    assert None not in found
    assert len(set(found)) == 2
    assert current_scope() is None


def test_a_stop_in_run_task_ends_it_too(provider, client) -> None:
    met = []

    def handle(task):
        task.send_chunk("wait ")
        try:
            client.request("GET", f"{provider.url}/think")
        except BaseException as error:
            met.append(type(error))
            raise

    transcript = run_task(handle, "hi", cancel_after=1, timeout=8)
    assert met == [TaskCancelled]
    assert transcript.status == "cancelled"
