"""The client itself."""

from __future__ import annotations

import pytest

from arinova_agent_sync import errors
from arinova_agent_sync.api import ArinovaClient, FilePart

from .conftest import TOKEN
from .fake_server import Answer, FakeServer


def test_the_environment(monkeypatch: pytest.MonkeyPatch, server: FakeServer) -> None:
    monkeypatch.setenv("ARINOVA_SERVER_URL", server.url)
    monkeypatch.setenv("ARINOVA_BOT_TOKEN", TOKEN)
    with ArinovaClient() as client:
        client.request("GET", "/things")
    assert server.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"server_url": None}, ValueError),
        ({"bot_token": None}, ValueError),
        ({"server_url": "ftp://x"}, ValueError),
        ({"bot_token": "a b"}, ValueError),
        ({"timeout": 0}, ValueError),
        ({"timeout": "5"}, TypeError),
        ({"max_retries": -1}, ValueError),
        ({"max_retries": True}, TypeError),
        ({"max_response_bytes": 0}, ValueError),
        ({"proxy": "https://x"}, ValueError),
        ({"ssl_context": True}, TypeError),
    ],
)
def test_wrong_settings(wrong: dict[str, object], kind: type[Exception]) -> None:
    given = {"server_url": "https://chat.example", "bot_token": TOKEN, **wrong}
    with pytest.raises(kind, match=next(iter(wrong))):
        ArinovaClient(**given)  # type: ignore[arg-type]


def test_repr_and_url() -> None:
    client = ArinovaClient(server_url="wss://chat.example/", bot_token=TOKEN)
    assert client.server_url == "https://chat.example"
    assert repr(client) == "ArinovaClient(server_url='https://chat.example')"


def test_options_share_token_and_connections(server: FakeServer, client: ArinovaClient) -> None:
    other = client.with_options(timeout=5, max_retries=0)
    client.replace_token("ari_new")
    other.request("GET", "/things")
    client.request("GET", "/things")
    assert {asked.headers["Authorization"] for asked in server.requests} == {"Bearer ari_new"}
    assert len({asked.peer for asked in server.requests}) == 1
    for wrong in ("", "a b", 5):
        with pytest.raises((TypeError, ValueError)):
            client.replace_token(wrong)  # type: ignore[arg-type]


def test_any_route(server: FakeServer, client: ArinovaClient) -> None:
    server.script = lambda asked: Answer(json={"line": f"{asked.method} {asked.target}"})
    assert client.request("get", "/platform-cron/jobs", params={"enabled": True}) == {
        "line": "GET /api/v1/platform-cron/jobs?enabled=true"
    }
    assert client.request("GET", "/api/agents") == {"line": "GET /api/agents"}


def test_a_form_to_any_route(server: FakeServer, client: ArinovaClient) -> None:
    form: dict[str, str | FilePart] = {"agent_id": "a1", "file": FilePart(b"data", "memories.json")}
    client.request("POST", "/memories/import", form=form)
    body = server.requests[0].body
    assert b'name="agent_id"\r\n\r\na1\r\n' in body
    assert b'filename="memories.json"\r\nContent-Type: application/json\r\n\r\ndata\r\n' in body


def test_bytes_of_any_route(server: FakeServer, client: ArinovaClient) -> None:
    server.script = lambda _: Answer(body=b"\x00\xff")
    assert client.request_bytes("GET", "/search/content", params={"q": "x"}) == b"\x00\xff"
    assert server.requests[0].headers["Accept"] == "*/*"
    server.script = lambda _: Answer(404, json={"error": "no"})
    with pytest.raises(errors.NotFoundError):
        client.request_bytes("GET", "/x")
