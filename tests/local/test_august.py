"""What generation "august" adds: bootstrap tokens, action calls, wakeups, tasks that outlive a reconnect."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from arinova_agent_sync.local import ActionCall, ActionReply, LocalServer

from .conftest import Connect
from .raw_agent import RawAgent


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer(generation="august") as server:
        yield server


def test_the_welcome_names_the_agents_id(agent: RawAgent, server: LocalServer) -> None:
    assert agent.welcome == {
        "type": "auth_ok",
        "agentName": server.agent.name,
        "agentId": server.agent.agent_id,
    }


def test_a_bootstrap_token_is_exchanged_once(connect: Connect, server: LocalServer) -> None:
    account = server.add_agent("new")
    token = server.add_bootstrap_token(account, onboarding=True)
    assert token.startswith("obt_")
    agent = connect(token=token, auth=False)
    agent.authenticate()
    ((claim,), code) = agent.ending()
    assert code is None
    assert claim.pop("tokenId")
    assert claim == {
        "type": "claim_ok",
        "agentId": account.agent_id,
        "permanentToken": account.token,
    }
    again = connect(token=token, auth=False)
    again.authenticate()
    assert again.receive()["type"] == "auth_error"
    seed = connect(account).welcome["onboardingSeed"]
    assert (seed["kind"], seed["agentId"]) == ("first_touch_opening", account.agent_id)
    assert set(seed) == {"kind", "seedId", "agentId", "action", "prompt"}
    assert "onboardingSeed" not in connect(account).welcome


def test_march_has_no_bootstrap_tokens() -> None:
    with pytest.raises(ValueError, match="august"):
        LocalServer().add_bootstrap_token()


def test_a_wakeup(agent: RawAgent, server: LocalServer) -> None:
    reply = server.send_task(taskKind="trigger")
    task = agent.answer("done")
    assert task == {"type": "task", "taskId": reply.message_id, "taskKind": "trigger"}
    assert (reply.wait(), reply.text) == ("completed", "done")


def test_a_task_outlives_a_reconnect(agent: RawAgent, connect: Connect, server: LocalServer) -> None:
    reply = server.conversation().say("hi")
    task = agent.task()
    agent.chunk(task, "one")
    reply.wait_for_text("one")
    agent.close()
    server.wait_for_disconnect()
    agent = connect()
    server.wait_for_agent(times=2)
    agent.chunk(task, " two")
    agent.complete(task)
    assert (reply.wait(), reply.text) == ("completed", "one two")


def test_reports_are_kept(agent: RawAgent, server: LocalServer) -> None:
    agent.send("hud_update", data={"model": "m"})
    agent.synchronise()
    assert [(report.type, report.frame["data"]) for report in server.reports] == [
        ("hud_update", {"model": "m"})
    ]


class TestActions:
    def call(self, agent: RawAgent, action: str, **fields: Any) -> dict[str, Any]:
        agent.send("action_call", id="call_1", action=action, **fields)
        frame = agent.receive()
        assert (frame.pop("type"), frame.pop("id"), frame.pop("action")) == (
            "action_result",
            "call_1",
            action,
        )
        return {name: value for name, value in frame.items() if value is not None}

    def test_a_function_answers(self, agent: RawAgent, server: LocalServer) -> None:
        def add(call: ActionCall) -> dict[str, Any]:
            return {"sum": sum(call.arguments["numbers"]), "task": call.frame["taskId"]}

        server.on_action("add", add)
        assert self.call(agent, "add", arguments={"numbers": [1, 2]}, taskId="t") == {
            "status": "success",
            "result": {"sum": 3, "task": "t"},
        }

    @pytest.mark.parametrize(
        "reply",
        [
            ActionReply("error", error={"code": "DENIED", "message": "no"}),
            ActionReply("requires_confirmation", confirmation={"confirmationId": "c"}),
            ActionReply("cancelled"),
            ActionReply("processing"),
        ],
    )
    def test_or_says_something_else(self, agent: RawAgent, server: LocalServer, reply: ActionReply) -> None:
        server.on_action("act", lambda call: reply)
        said = self.call(agent, "act")
        assert said.pop("status") == reply.status
        assert said == {
            name: value
            for name, value in (("error", reply.error), ("confirmation", reply.confirmation))
            if value is not None
        }

    def test_progress_comes_first(self, agent: RawAgent, server: LocalServer) -> None:
        server.on_action("act", lambda call: None, progress=("received", "processing"))
        statuses = [self.call(agent, "act")["status"], agent.receive()["status"], agent.receive()["status"]]
        assert statuses == ["received", "processing", "success"]

    def test_what_it_raises_is_an_error(
        self, agent: RawAgent, server: LocalServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        server.on_action("act", lambda call: {"x": 1 / 0})
        with caplog.at_level(logging.CRITICAL, "arinova_agent_sync.local"):
            assert self.call(agent, "act")["error"] == {
                "code": "INTERNAL_ERROR",
                "message": "division by zero",
            }

    def test_an_unknown_action_is_an_error(self, agent: RawAgent) -> None:
        assert self.call(agent, "nothing")["error"]["code"] == "UNKNOWN_ACTION"

    def test_calls_do_not_wait_for_each_other(self, agent: RawAgent, server: LocalServer) -> None:
        second = threading.Event()

        def first(call: ActionCall) -> dict[str, Any]:
            return {"second came": second.wait(5)}

        def other(call: ActionCall) -> None:
            second.set()

        server.on_action("first", first)
        server.on_action("other", other)
        agent.send("action_call", id="1", action="first")
        agent.send("action_call", id="2", action="other")
        results = {frame["id"]: frame["result"] for frame in (agent.receive(), agent.receive())}
        assert results == {"1": {"second came": True}, "2": None}

    def test_stopping_waits_for_a_function_that_runs(self, agent: RawAgent, server: LocalServer) -> None:
        running, go_on = threading.Event(), threading.Event()

        def slow(call: ActionCall) -> None:
            running.set()
            go_on.wait(5)

        server.on_action("slow", slow)
        agent.send("action_call", id="1", action="slow")
        assert running.wait(5)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        agent.ending()
        go_on.set()
        stopping.join(5)
        assert not stopping.is_alive()
