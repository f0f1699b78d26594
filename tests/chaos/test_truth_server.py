"""The truth server's process over real sockets, through a proxy that injects nothing unless a test says so."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local.raw_agent import RawAgent

from .process import Options, ServerProcess
from .truth import conversation_id, token


@pytest.fixture
def make_server() -> Iterator[Callable[..., ServerProcess]]:
    made: list[ServerProcess] = []

    def make(**options: Any) -> ServerProcess:
        made.append(ServerProcess(Options(**({"faults": 0, "agents": 1} | options))))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def raw(request: pytest.FixtureRequest) -> Iterator[Callable[..., RawAgent]]:
    made: list[RawAgent] = []

    def make(server: ServerProcess, **options: Any) -> RawAgent:
        context = ssl.create_default_context(cadata=server.certificate) if server.certificate else None
        made.append(RawAgent(server, ssl_context=context, **({"token": token(0)} | options)))
        return made[-1]

    yield make
    for agent in made:
        agent.close()


def call(
    server: ServerProcess, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.ports[0], timeout=5)
    try:
        sent = {"Authorization": f"Bearer {token(0)}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        connection.request(method, path, None if body is None else json.dumps(body), sent)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize("tls", [False, True])
def test_an_answer(make_server, raw, tls: bool) -> None:
    server = make_server(tls=tls)
    agent = raw(server)
    server.ask("task")
    task = agent.task()
    texts = ["käse ", "x" * 200, "y" * 70_000, "z"]
    for text in texts:
        agent.chunk(task, text)
    agent.complete(task, "another")
    agent.synchronise()
    [row] = server.ask("rows")
    assert (row["id"], row["status"], row["content"]) == (task["taskId"], "completed", "".join(texts))


def test_every_frame_is_kept_in_order(make_server, raw) -> None:
    server = make_server()
    agent = raw(server)
    server.ask("task")
    task = agent.task()
    agent.chunk(task, "one")
    agent.send("agent_heartbeat", taskId=task["taskId"])
    agent.complete(task)
    agent.complete(task)
    agent.synchronise()
    seen = [(each["what"], each["text"], each["taken"]) for each in server.ask("log")["seen"]]
    assert seen == [
        ("connected", None, True),
        ("task", None, True),
        ("agent_chunk", "one", True),
        ("agent_heartbeat", None, True),
        ("agent_complete", "", True),
        ("agent_complete", "", False),
    ]


@pytest.mark.parametrize(("mood", "wanted"), [("outlive", None), ("given-up", None), ("deltas", "00000000")])
def test_only_servers_without_detection_tell_the_agents_id(make_server, raw, mood: str, wanted: str) -> None:
    assert raw(make_server(mood=mood)).welcome.get("agentId") == wanted


def test_an_unknown_token_is_refused(make_server, raw) -> None:
    agent = raw(make_server(), token="ari_no", auth=False)
    agent.authenticate()
    frames, code = agent.ending()
    assert (frames, code) == ([{"type": "auth_error", "error": "Invalid bot token"}], None)


@pytest.mark.parametrize(("mood", "wanted"), [("outlive", "one two"), ("given-up", "Agent disconnected")])
def test_late_frames_of_the_old_connection(make_server, raw, mood: str, wanted: str) -> None:
    server = make_server(mood=mood)
    old = raw(server)
    server.ask("task")
    task = old.task()
    old.chunk(task, "one ")
    old.synchronise()
    new = raw(server)
    old.chunk(task, "two")
    old.synchronise()
    new.complete(task)
    new.synchronise()
    [row] = server.ask("rows")
    assert row["content"] == wanted


@pytest.mark.parametrize(("mood", "wanted"), [("outlive", None), ("given-up", "given-up")])
def test_the_end_of_the_connection(make_server, raw, mood: str, wanted: str) -> None:
    server = make_server(mood=mood)
    agent = raw(server)
    server.ask("task")
    agent.task()
    agent.close()
    deadline = time.monotonic() + 5
    while all(each["what"] != "disconnected" for each in server.ask("log")["seen"]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [row["end"] for row in server.ask("rows")] == [wanted]


def test_messages_over_http(make_server) -> None:
    server = make_server()
    body = {"conversationId": conversation_id(0, 1), "content": "hi"}
    path = f"/api/v1/messages/{conversation_id(0, 1)}"
    answers = [call(server, "POST", "/api/v1/messages/send", body, Idempotency_Key="k") for _ in range(2)]
    assert answers[0] == answers[1]
    status, answer = answers[0]
    assert status == 200
    status, page = call(server, "GET", f"{path}?around={answer['messageId']}&limit=3")
    assert (status, [(item["content"], item["status"]) for item in page["messages"]]) == (
        200,
        [("hi", "completed")],
    )
    assert call(server, "GET", f"{path}?around=unknown")[0] == 404
    assert call(server, "GET", path, Authorization="Bearer ari_no")[0] == 401
    assert call(server, "GET", "/api/v1/other")[0] == 404


def test_a_row_that_is_being_streamed_shows_no_content(make_server, raw) -> None:
    server = make_server()
    agent = raw(server)
    server.ask("task")
    task = agent.task()
    agent.chunk(task, "text")
    agent.synchronise()
    path = f"/api/v1/messages/{task['conversationId']}?around={task['taskId']}"
    [item] = call(server, "GET", path)[1]["messages"]
    assert (item["id"], item["status"], item["content"]) == (task["taskId"], "streaming", "")


def wait_for_fault(server: ServerProcess) -> None:
    server.ask("start")
    deadline = time.monotonic() + 5
    while not server.ask("count"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_refused_authentication(make_server, raw) -> None:
    server = make_server(faults=1, only=("refuse",))
    raw(server)
    wait_for_fault(server)
    agent = raw(server, auth=False)
    agent.authenticate()
    assert [frame["type"] for frame in agent.ending()[0]] == ["auth_error"]
    assert raw(server).welcome["type"] == "auth_ok"


def test_a_close_code(make_server, raw) -> None:
    server = make_server(faults=1, only=("close",))
    agent = raw(server)
    wait_for_fault(server)
    code = agent.ending()[1]
    assert code is not None
    assert 1000 <= code <= 4001
