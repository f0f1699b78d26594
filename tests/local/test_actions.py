"""What is kept of agents' action calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from arinova_agent_sync.local.actions import Action, ActionReply, Calls
from arinova_agent_sync.local.records import Frame


@pytest.fixture
def calls() -> Iterator[Calls]:
    made = Calls(threading.RLock())
    made.actions["echo"] = Action(lambda call: call.arguments)
    made.actions["later"] = Action(lambda call: ActionReply("processing"))
    yield made
    assert made.join(5.0) == []


def perform(calls: Calls, action: str, call_id: str) -> list[Frame]:
    """Perform a call to its end, and return what was told of it."""
    told: list[Frame] = []
    ended = threading.Event()
    calls.perform("a1", {"id": call_id, "action": action}, told.append, lambda call: ended.set())
    assert ended.wait(5)
    return told


def test_only_the_newest_calls_are_kept(calls: Calls) -> None:
    for number in range(1002):
        perform(calls, "echo", f"call_{number}")
    kept = [call.id for call in calls.all()]
    assert (len(kept), kept[0], kept[-1]) == (1000, "call_2", "call_1001")


def test_open_calls_are_not_forgotten(calls: Calls) -> None:
    perform(calls, "echo", "call_1")
    perform(calls, "later", "call_2")
    calls.forget()
    assert [call.id for call in calls.all()] == ["call_2"]


def test_a_call_is_cancelled_once(calls: Calls) -> None:
    told = perform(calls, "later", "call_1")
    (call,) = calls.all()
    assert call.open
    assert calls.cancel(call)
    assert not calls.cancel(call)
    assert [frame["status"] for frame in told] == ["processing", "cancelled"]


def test_what_comes_after_a_cancel_is_not_told(calls: Calls) -> None:
    entered, gate = threading.Event(), threading.Event()

    def wait(call: object) -> None:
        entered.set()
        assert gate.wait(5)

    calls.actions["wait"] = Action(wait)
    told: list[Frame] = []
    calls.perform("a1", {"id": "call_1", "action": "wait"}, told.append)
    assert entered.wait(5)
    assert len(calls.join(0.0)) == 1
    assert calls.cancel(calls.all()[0])
    gate.set()
    assert calls.join(5.0) == []
    assert [frame["status"] for frame in told] == ["cancelled"]
