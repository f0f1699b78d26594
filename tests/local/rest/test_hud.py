"""The WebSocket on which agents of March 2026 report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
import websocket

from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.local.rest import hud

from .conftest import Ask

Dial = Callable[..., websocket.WebSocket]
PLACE = "12345678-1234-1234-1234-123456789abc"


@pytest.fixture
def generation() -> str:
    return "march"


@pytest.fixture
def dial(server: LocalServer) -> Iterator[Dial]:
    made = []

    def connect(query: str = "", **headers: str) -> websocket.WebSocket:
        url = f"ws://127.0.0.1:{server.port}/api/v1/hud{query}"
        sent = [f"{name}: {value}" for name, value in headers.items()]
        made.append(websocket.create_connection(url, timeout=5, header=sent))
        return made[-1]

    yield connect
    for socket in made:
        socket.shutdown()


def pinged(socket: websocket.WebSocket) -> bool:
    """Return whether the next thing is a ping of the server; it is not if the connection ended."""
    try:
        return json.loads(socket.recv()) == {"type": "ping"}
    except (websocket.WebSocketConnectionClosedException, ConnectionError):
        return False


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hud, "_PING_EVERY", 0.05)
    monkeypatch.setattr(hud, "_SILENCE", 0.2)


def test_who_is_let_in(server: LocalServer, dial: Dial) -> None:
    dial(f"?token={server.bot_token}")
    dial(Authorization=f"Bearer {server.bot_token}")
    for query in ("", "?token=ari_unknown"):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            dial(query)
        assert refused.value.status_code == 401


def test_a_request_that_is_no_upgrade_is_refused(ask: Ask) -> None:
    refused = ask("GET", "/hud")
    assert (refused.status, refused.text) == (400, "Connection header did not include 'upgrade'")


@pytest.mark.usefixtures("quick")
def test_reports_are_kept(server: LocalServer, dial: Dial) -> None:
    socket = dial(f"?token={server.bot_token}")
    for text in (
        "no json",
        "[]",
        '{"type": "hud_update", "data": {"place": "missing"}}',
        '{"type": "hud_update", "data": {}, "conversationId": "no-uuid"}',
        '{"type": "tool_call_report", "report": {}}',
        json.dumps({"type": "hud_update", "data": {"a": 1}, "conversationId": PLACE}),
        json.dumps({"type": "task_update", "data": {"text": "é" * 50}}),  # escaped, as it has to be
    ):
        socket.send(text)
    socket.send_bytes(b"\0")
    assert pinged(socket)  # what came before it has been read by then
    assert pinged(socket)
    assert [(report.agent_id, report.type) for report in server.reports] == [
        (server.agent.agent_id, "hud_update"),
        (server.agent.agent_id, "task_update"),
    ]


@pytest.mark.usefixtures("quick")
def test_who_is_silent_is_dropped_and_who_answers_is_not(server: LocalServer, dial: Dial) -> None:
    silent, awake = dial(f"?token={server.bot_token}"), dial(f"?token={server.bot_token}")
    silent.send_bytes(b"no text")
    for _ in range(6):
        assert pinged(awake)
        awake.send('{"type": "pong"}')
    while pinged(silent):
        pass
    assert pinged(awake)


@pytest.mark.parametrize(("blanks", "lives"), [(199, False), (200, True), (198, True)])
@pytest.mark.usefixtures("quick")
def test_a_character_across_byte_200_ends_the_connection(
    server: LocalServer, dial: Dial, blanks: int, lives: bool
) -> None:
    socket = dial(f"?token={server.bot_token}")
    socket.send(" " * blanks + "é and more")
    assert pinged(socket) is lives
