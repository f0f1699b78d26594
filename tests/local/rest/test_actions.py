"""Actions over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient
from arinova_agent_sync.local import ActionCall, ActionReply, LocalServer

from ..conftest import Connect
from .conftest import Ask

march = pytest.mark.parametrize("generation", ["march"])
august = pytest.mark.parametrize("generation", ["august"])


class Gate:
    """A function that waits until the test lets it go on."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, call: ActionCall) -> dict[str, Any]:
        self.entered.set()
        assert self.opened.wait(10)
        return {"late": True}


def careful(call: ActionCall) -> ActionReply | dict[str, Any]:
    """Delete everything.

    Only after a confirmation.
    """
    if "confirmationId" in call.frame:
        return {"deleted": call.arguments["what"], "confirmed": call.frame["confirmationId"]}
    return ActionReply(
        "requires_confirmation", confirmation={"confirmationId": f"c-{call.id}", "title": "Sure?"}
    )


@pytest.fixture
def in_thread() -> Any:
    """Run calls in threads of their own, which end with the test; what is returned waits for the outcome."""
    threads: list[threading.Thread] = []

    def run(function: Callable[[], Any]) -> Callable[[], Any]:
        outcome: list[Any] = []
        thread = threading.Thread(target=lambda: outcome.append(function()))
        threads.append(thread)
        thread.start()

        def result() -> Any:
            thread.join(10)
            (value,) = outcome
            return value

        return result

    yield run
    for thread in threads:
        thread.join(10)


@march
def test_march_has_no_actions(client: ArinovaClient) -> None:
    for call in (
        client.actions.manifest,
        client.actions.full_manifest,
        lambda: client.actions.call("echo"),
        lambda: client.actions.pending().page,
        lambda: client.actions.history("c1"),
        lambda: client.actions.confirm("c1"),
        lambda: client.actions.reject("c1"),
        lambda: client.actions.cancel("c1"),
    ):
        with pytest.raises(errors.NotFoundError, match="August 2026"):
            call()


@august
class TestCall:
    def test_the_same_functions_as_over_the_socket(
        self, server: LocalServer, client: ArinovaClient, connect: Connect
    ) -> None:
        server.on_action("echo", lambda call: {"said": call.arguments["text"]}, progress=["received"])
        result = client.actions.call("echo", {"text": "hi"}, call_id="call_1")
        assert (result.call_id, result.action, result.status, result.result) == (
            "call_1", "echo", "success", {"said": "hi"},
        )  # fmt: skip
        agent = connect(to=server)
        agent.send("action_call", id="call_2", action="echo", arguments={"text": "ho"})
        assert [agent.receive()["status"] for _ in range(2)] == ["received", "success"]

    def test_the_whole_frame_arrives(self, server: LocalServer, client: ArinovaClient) -> None:
        seen: list[ActionCall] = []
        server.on_action("look", lambda call: seen.append(call))
        place = server.conversation().id
        client.actions.call("look", conversation_id=place, task_id="t1", reason="why", dry_run=True)
        (call,) = seen
        assert call.frame["type"] == "action_call"
        assert (call.frame["conversationId"], call.frame["taskId"]) == (place, "t1")
        assert (call.frame["reason"], call.frame["dryRun"], call.arguments) == ("why", True, {})

    def test_what_goes_wrong_is_a_result(self, server: LocalServer, client: ArinovaClient) -> None:
        def fail(call: ActionCall) -> None:
            raise ValueError("no such note")

        server.on_action("fail", fail)
        for name, code, message in (
            ("fail", "INTERNAL_ERROR", "no such note"),
            ("fly", "UNKNOWN_ACTION", "there is no action 'fly'"),
        ):
            result = client.actions.call(name)
            assert result.status == "error"
            assert result.error is not None
            assert (result.error.code, result.error.message) == (code, message)

    def test_a_function_may_leave_a_call_open(self, server: LocalServer, client: ArinovaClient) -> None:
        server.on_action("later", lambda call: ActionReply("processing"))
        assert client.actions.call("later", call_id="call_1").status == "processing"
        assert [call["callId"] for call in client.actions.pending()] == ["call_1"]
        assert client.actions.cancel("call_1")["status"] == "cancelled"

    def test_what_is_refused(self, server: LocalServer, client: ArinovaClient, ask: Ask) -> None:
        for body in ({}, {"id": "x"}, {"id": "x", "action": "a", "arguments": [1]}, {"id": 5, "action": "a"}):
            assert ask("POST", "/actions/call", body).status == 422
        others = server.conversation(server.add_agent("Bob")).id
        for place in (others, "c1"):
            with pytest.raises(errors.PermissionDeniedError):
                client.actions.call("echo", conversation_id=place)

    def test_the_server_answers_others_meanwhile(
        self, server: LocalServer, client: ArinovaClient, in_thread: Any
    ) -> None:
        gate = Gate()
        server.on_action("wait", gate)
        result = in_thread(lambda: client.actions.call("wait"))
        assert gate.entered.wait(10)
        assert list(client.boards.list())
        gate.opened.set()
        assert result().result == {"late": True}

    def test_the_server_stops_with_calls_that_run(
        self, server: LocalServer, client: ArinovaClient, in_thread: Any
    ) -> None:
        gate = Gate()
        server.on_action("wait", gate)

        def call() -> str:
            with pytest.raises((errors.ApiConnectionError, errors.ServerError)) as caught:
                client.actions.call("wait")
            return str(caught.value)

        lost = in_thread(call)
        assert gate.entered.wait(10)
        stopping = in_thread(server.stop)
        assert "POST /api/v1/actions/call failed" in lost()
        gate.opened.set()
        stopping()
        assert not server.running


@august
class TestPending:
    def test_running_calls_can_be_cancelled(
        self, server: LocalServer, client: ArinovaClient, in_thread: Any
    ) -> None:
        gate = Gate()
        server.on_action("wait", gate)
        result = in_thread(lambda: client.actions.call("wait", {"n": 1}, call_id="call_1"))
        assert gate.entered.wait(10)
        (pending,) = client.actions.pending()
        assert (pending["callId"], pending["action"], pending["arguments"]) == ("call_1", "wait", {"n": 1})
        assert pending["status"] == "processing"
        assert client.actions.cancel("call_1")["status"] == "cancelled"
        assert result().status == "cancelled"
        with pytest.raises(errors.ConflictError, match="has ended"):
            client.actions.cancel("call_1")
        gate.opened.set()
        assert list(client.actions.pending()) == []

    def test_calls_from_the_socket_are_among_them(
        self, server: LocalServer, client: ArinovaClient, connect: Connect
    ) -> None:
        gate = Gate()
        server.on_action("wait", gate)
        agent = connect(to=server)
        agent.send("action_call", id="call_1", action="wait", arguments={})
        assert gate.entered.wait(10)
        (pending,) = client.actions.pending()
        client.request("POST", f"/actions/by-id/{pending['id']}/cancel")
        told = agent.receive()
        assert (told["type"], told["id"], told["status"]) == ("action_result", "call_1", "cancelled")
        gate.opened.set()

    def test_page_by_page(self, server: LocalServer, client: ArinovaClient, ask: Ask) -> None:
        server.on_action("careful", careful)
        for number in range(5):
            client.actions.call("careful", call_id=f"call_{number}")
        everything = list(client.actions.pending())
        assert [call["callId"] for call in everything] == [f"call_{number}" for number in range(5)]
        assert list(client.actions.pending(limit=2)) == everything
        assert list(client.actions.pending(cursor=str(everything[2]["id"]))) == everything[3:]
        assert list(client.actions.pending(since=str(everything[3]["createdAt"]))) == everything[3:]
        assert list(client.actions.pending(since="2999-01-01T00:00:00Z")) == []
        with pytest.raises(errors.BadRequestError, match="Invalid cursor"):
            list(client.actions.pending(cursor="x"))
        with pytest.raises(errors.BadRequestError, match="since must be a time"):
            list(client.actions.pending(since="yesterday"))

    def test_the_calls_of_a_conversation(self, server: LocalServer, client: ArinovaClient) -> None:
        server.on_action("echo", lambda call: {"ok": 1})
        place = server.conversation().id
        client.actions.call("echo", call_id="call_1", conversation_id=place)
        client.actions.call("echo", call_id="call_2")
        found: Any = client.actions.history(place)
        assert [(call["callId"], call["status"], call["result"]) for call in found["actions"]] == [
            ("call_1", "success", {"ok": 1})
        ]
        server.forget()
        assert client.actions.history(place) == {"actions": []}

    def test_calls_of_others_are_not_there(
        self, server: LocalServer, client: ArinovaClient, client_of: Callable[..., ArinovaClient]
    ) -> None:
        server.on_action("careful", careful)
        other = client_of(server, server.add_agent("Bob"))
        other.actions.call("careful", call_id="call_1")
        assert list(client.actions.pending()) == []
        for call, name in (
            (client.actions.cancel, "call_1"),
            (client.actions.confirm, "c-call_1"),
            (client.actions.reject, "c-call_1"),
        ):
            with pytest.raises(errors.NotFoundError, match="not found"):
                call(name)


@august
class TestConfirmation:
    def test_a_confirmed_call_is_performed(self, server: LocalServer, client: ArinovaClient) -> None:
        server.on_action("careful", careful)
        asked = client.actions.call("careful", {"what": "all"}, call_id="call_1")
        assert asked.status == "requires_confirmation"
        assert asked.confirmation is not None
        assert (asked.confirmation.confirmation_id, asked.confirmation.title) == ("c-call_1", "Sure?")
        done = client.actions.confirm("c-call_1")
        assert (done["id"], done["status"]) == ("call_1", "success")
        assert done["result"] == {"deleted": "all", "confirmed": "c-call_1"}
        with pytest.raises(errors.NotFoundError, match="Confirmation not found"):
            client.actions.confirm("c-call_1")

    def test_a_rejected_call_is_not(self, server: LocalServer, client: ArinovaClient) -> None:
        server.on_action("careful", careful)
        client.actions.call("careful", call_id="call_1")
        assert client.actions.reject("c-call_1")["status"] == "cancelled"
        for call in (client.actions.reject, client.actions.confirm):
            with pytest.raises(errors.NotFoundError, match="Confirmation not found"):
                call("c-call_1")


@august
def test_the_manifest(server: LocalServer, client: ArinovaClient, ask: Ask) -> None:
    assert client.actions.manifest().actions == ()
    schema = {"type": "object"}
    server.on_action("careful", careful)
    server.on_action("bare", lambda call: None, manifest={"inputSchema": schema, "version": "3"})
    manifest = client.actions.manifest()
    bare, described = manifest.actions
    assert (bare.name, bare.version, bare.description, bare.input_schema) == ("bare", "3", None, schema)
    assert (described.name, described.version, described.description) == (
        "careful", "1", "Delete everything.",
    )  # fmt: skip
    assert client.actions.full_manifest()["manifestVersion"] == manifest.manifest_version
    answer = ask("GET", "/actions/agent-manifest")
    again = ask("GET", "/actions/agent-manifest", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status == 304
