"""A server that sends the token back wherever it can: no error, no cause of one and no log line shows it."""

from __future__ import annotations

import gzip
import json
import logging
import traceback

import pytest

from arinova_agent_sync import ApiError, ArinovaAgent, ArinovaClient, ConnectTimeout, NotFoundError

from ..runtime.fault_server import Behaviour, Peer, frame, serving

TOKEN = "ari_0123456789abcdef"
T = TOKEN.encode()


def said(error: BaseException) -> str:
    """All that an error shows: text, arguments, attributes, and the traceback with its causes."""
    shown = traceback.format_exception(type(error), error, error.__traceback__)
    return "".join(shown) + repr(error.args) + repr({k: v for k, v in vars(error).items() if k != "location"})


def answers(head: bytes, body: bytes = b"") -> Behaviour:
    def play(peer: Peer) -> None:
        peer.read_head()
        size = b"" if b"Transfer-Encoding" in head else b"Content-Length: %d\r\n" % len(body)
        peer.send(head + b"\r\n" + size + b"Connection: close\r\n\r\n" + body)

    return play


def upgrading(*frames: bytes) -> Behaviour:
    def play(peer: Peer) -> None:
        peer.upgrade()
        peer.read_frame()
        for data in frames:
            peer.send(data)
        peer.until_gone()

    return play


def text(**fields: object) -> bytes:
    return frame(json.dumps(fields).encode())


LOGGED_IN = text(type="auth_ok", agentId=TOKEN, agentName=TOKEN)


def wrong_accept(peer: Peer) -> None:
    peer.read_head()
    peer.send(
        b"HTTP/1.1 101 " + T + b"\r\nUpgrade: " + T + b"\r\nConnection: " + T + b"\r\n" + T + b"\r\n\r\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "behaviour",
    [
        answers(b"HTTP/1.1 401 " + T),
        answers(b"HTTP/1.1 302 Found\r\nLocation: https://" + T + b".test/"),
        answers(b"HTTP/1.1 503 Busy\r\nRetry-After: " + T),
        answers(T),
        wrong_accept,
        upgrading(text(type="auth_error", error=f"not {TOKEN}", code=TOKEN, retryable=True)),
        upgrading(text(type="auth_error", error={"message": TOKEN, "code": TOKEN}, retryable=True)),
        upgrading(frame((1011).to_bytes(2, "big") + T, 8)),
        upgrading(text(type="claim_ok", permanentToken=f"{TOKEN} {TOKEN}")),
        upgrading(LOGGED_IN, frame((1011).to_bytes(2, "big") + T, 8)),
        upgrading(LOGGED_IN, text(type="auth_error", error=TOKEN, code=TOKEN)),
        upgrading(LOGGED_IN, frame(T), frame(b"\xff" + T)),
        upgrading(
            LOGGED_IN,
            text(type=TOKEN),
            text(type="task", taskId=TOKEN, conversationId=TOKEN, content="fail"),
            text(type="task", taskId=f"1{TOKEN}"),
            text(type="cancel_task", taskId=TOKEN),
            text(type="action_result", id=TOKEN, status=TOKEN),
            frame(b"\xff"),
        ),
    ],
)
def test_by_websocket(caplog: pytest.LogCaptureFixture, behaviour: Behaviour) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    with serving(behaviour) as server:
        agent = ArinovaAgent(
            server_url=server.url, bot_token=TOKEN, reconnect_interval=0.01, auth_attempts=100
        )
        for event in ("disconnected", "error", "auth_failed"):
            agent.on(event, lambda error, event=event: shown.append(event + said(error) if error else ""))

        @agent.on_task
        def handle(task: object) -> None:
            raise LookupError("nothing found")

        try:
            agent.connect(0.3)
            agent.wait(0.2)
        except ConnectTimeout as error:
            shown.append(said(error))
        agent.disconnect(1)
    assert any(shown)
    everything = "\n".join([*shown, caplog.text, *(repr(record.args) for record in caplog.records)])
    assert TOKEN not in everything


def test_by_a_proxy(caplog: pytest.LogCaptureFixture) -> None:
    with serving(answers(b"HTTP/1.1 502 " + T + b"\r\nX: " + T, T)) as proxy:
        agent = ArinovaAgent(
            server_url="https://chat.test", bot_token=TOKEN, proxy=f"http://127.0.0.1:{proxy.port}"
        )
        with pytest.raises(ConnectTimeout) as caught:
            agent.connect(0.2)
        agent.disconnect()
    assert TOKEN not in said(caught.value) + caplog.text


@pytest.mark.parametrize(
    "behaviour",
    [
        answers(b"HTTP/1.1 404 " + T),
        answers(b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain", T),
        answers(b"HTTP/1.1 404 Not Found\r\nContent-Encoding: gzip", gzip.compress(T)),
        answers(b"HTTP/1.1 400 No", b'{"error": {"' + T + b'": "' + T + b'"}, "' + T + b'": 1}'),
        answers(b"HTTP/1.1 302 Found\r\nLocation: https://" + T + b".test/"),
        answers(b"HTTP/1.1 302 Found\r\nLocation: http://[" + T),
        answers(b"HTTP/1.1 200 OK\r\nContent-Encoding: " + T, b"{}"),
        answers(b"HTTP/1.1 200 OK\r\nContent-Type: application/json", b'{"' + T + b'": 1, "' + T + b'": 2}'),
        answers(b"HTTP/1.1 200 OK", b'{"notes": ["' + T + b'"]}'),
        answers(b"HTTP/1.1 200 OK", b'{"notes": [{"id": {"' + T + b'": 1}}], "' + T + b'": []}'),
        answers(b"HTTP/1.1 200 OK", T),
        answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + T, T),
        answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", T + b"\r\n"),
        answers(b"HTTP/1.1 " + T),
        answers(b"HTTP/1.1 200 OK\r\n" + T),
        answers(T),
    ],
)
def test_by_http(caplog: pytest.LogCaptureFixture, behaviour: Behaviour) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(behaviour) as server:
        url = f"http://127.0.0.1:{server.port}"
        client = ArinovaClient(server_url=url, bot_token=TOKEN, max_retries=0)
        with client, pytest.raises(ApiError) as caught:
            client.notes.get("n", timeout=3)
    assert TOKEN not in said(caught.value) + caplog.text
    assert not isinstance(caught.value, NotFoundError) or "[redacted]" in said(caught.value)
