"""Trouble with connections: each kind is told once to the log and once to exactly one callback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from arinova_agent_sync import (
    ArinovaAgent,
    AuthenticationError,
    ConnectionLost,
    ConnectTimeout,
    FrameTooLargeError,
    ProtocolError,
)
from arinova_agent_sync.runtime import reader, timers

from ..runtime.fault_server import Peer, frame, serving

EVENTS = ("disconnected", "error", "auth_failed")


class Heard:
    """What the callbacks of an agent were told, by event."""

    def __init__(self, agent: ArinovaAgent) -> None:
        self._told = threading.Condition()
        self.all: list[tuple[str, BaseException | None]] = []
        for event in EVENTS:
            agent.on(event, self._listener(event))

    def _listener(self, event: str):
        def listen(error):
            with self._told:
                self.all.append((event, error))
                self._told.notify_all()

        listen.__qualname__ = event
        return listen

    def wait(self, count: int) -> list[tuple[str, BaseException | None]]:
        with self._told:
            assert self._told.wait_for(lambda: len(self.all) >= count, 5), self.all
            return self.all[:count]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    return [line for line in lines if "there is no on_task handler" not in line]


def answering(answer: bytes):
    def play(peer: Peer) -> None:
        peer.read_head()
        peer.send(answer)

    return play


def logging_in(*frames: bytes):
    def play(peer: Peer) -> None:
        peer.upgrade()
        peer.read_frame()
        peer.send(frame(b'{"type":"auth_ok","agentName":"Agent"}'))
        for data in frames:
            peer.send(data)
        peer.until_gone()

    return play


def agent_of(url: str, **options: object) -> ArinovaAgent:
    return ArinovaAgent(server_url=url, bot_token="ari_some_token", reconnect_interval=0.01, **options)  # type: ignore[arg-type]


def test_each_failed_attempt_is_told(caplog):
    with serving(answering(b"HTTP/1.1 401 Unauthorized\r\n\r\n")) as server:
        agent = agent_of(server.url)
        heard = Heard(agent)
        with pytest.raises(ConnectTimeout, match="HTTP 401"):
            agent.connect(0.3)
        told = heard.wait(2)
        agent.disconnect()
        failed = agent.stats().attempts_failed
    assert {event for event, _ in heard.all} == {"error"}
    for _, error in told:
        assert type(error) is ConnectionLost
        assert f"connecting to http://127.0.0.1:{server.port}" in str(error)
        assert "wants another login than the token" in str(error)
    lines = warnings(caplog)
    assert len(heard.all) == failed == len(lines)
    assert all("HTTP 401" in line and "trying again in" in line for line in lines)


def test_a_proxy_that_fails_is_named(caplog):
    with serving(answering(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        agent = agent_of("https://chat.test", proxy=url)
        heard = Heard(agent)
        with pytest.raises(ConnectTimeout):
            agent.connect(0.2)
        [(event, error)] = heard.wait(1)
        agent.disconnect()
    assert event == "error"
    assert f"connecting to https://chat.test by way of the proxy {url} failed: " in str(error)
    assert f"the proxy {url} answered HTTP 502" in str(error)
    assert str(error) in warnings(caplog)[0]


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_refusal_is_told_with_its_code(server, make_agent, caplog, attempts):
    agent = make_agent(server, auth_attempts=attempts)
    heard = Heard(agent)
    with (
        server.inject("refuse-auth", error="try later", code="AUTH_SERVICE_UNAVAILABLE"),
        pytest.raises(AuthenticationError, match=r"try later \(AUTH_SERVICE_UNAVAILABLE\)"),
    ):
        agent.connect(5)
    told = heard.wait(attempts)
    assert [event for event, _ in told] == ["error"] * (attempts - 1) + ["auth_failed"]
    assert all(type(error) is AuthenticationError for _, error in told)
    agent.disconnect()  # the log is written after the callback
    lines = warnings(caplog)
    assert len(lines) == attempts
    assert all("AUTH_SERVICE_UNAVAILABLE" in line for line in lines)


def test_a_refusal_of_a_live_connection_is_its_end(server, make_agent, caplog):
    agent = make_agent(server)
    heard = Heard(agent)
    agent.connect(5)
    server.send_frame({"type": "auth_error", "error": {"message": "session expired", "code": "EXPIRED"}})
    server.wait_for_agent(5, times=2)
    [(event, error)] = heard.wait(1)
    assert event == "disconnected"
    assert "session expired (EXPIRED)" in str(error)
    assert isinstance(error.__cause__, AuthenticationError)
    [line] = warnings(caplog)
    assert "session expired (EXPIRED)" in line


def test_the_end_of_a_live_connection_is_told(server, make_agent, caplog):
    agent = make_agent(server)
    heard = Heard(agent)
    agent.connect(5)
    server.inject("close", code=1011, reason="restarting")
    server.wait_for_agent(5, times=2)
    [(event, error)] = heard.wait(1)
    assert event == "disconnected"
    assert type(error) is ConnectionLost
    assert f"the connection to {server.url} ended: " in str(error)
    [line] = warnings(caplog)
    assert "1011" in line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        (frame(b"{bad"), ProtocolError, "a message of 4 bytes was dropped: it is no JSON object"),
        (frame(b"[]"), ProtocolError, "it is no JSON object"),
        (frame(b"\x00\x01", 2), ProtocolError, "a binary message of 2 bytes was dropped"),
        (frame(b"x" * 2_000), FrameTooLargeError, "a message of 2000 bytes was dropped"),
    ],
    ids=["bad JSON", "no object", "binary", "too large"],
)
def test_a_dropped_message_is_told(caplog, data, kind, text):
    with serving(logging_in(data)) as server:
        agent = agent_of(server.url, max_frame_bytes=1_024)
        heard = Heard(agent)
        agent.connect(5)
        [(event, error)] = heard.wait(1)
        stats = agent.stats()
        assert agent.connected
        agent.disconnect()
    assert (event, type(error), stats.messages_dropped) == ("error", kind, 1)
    assert text in str(error)
    assert [text in line for line in warnings(caplog)] == [True]


@pytest.mark.slow
def test_retry_after_is_waited_for():
    times: list[float] = []

    def refuse(peer: Peer) -> None:
        times.append(time.monotonic())
        peer.read_head()
        peer.send(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n\r\n")

    def accept(peer: Peer) -> None:
        times.append(time.monotonic())
        logging_in()(peer)

    with serving(refuse, accept) as server:
        agent = agent_of(server.url)
        agent.connect(5)
        agent.disconnect()
    assert 1.0 <= times[1] - times[0] < 3


@pytest.mark.slow
def test_a_token_that_cannot_be_used_is_refused_when_it_comes(caplog):
    def play(peer: Peer) -> None:
        peer.upgrade()
        peer.read_frame()
        peer.send(frame(b'{"type":"auth_ok","agentName":"A","permanentToken":"ari_ \\u00e9\\n"}'))
        peer.until_gone()

    with serving(play) as server:
        agent = agent_of(server.url)
        heard, claims = Heard(agent), []
        agent.on_token_claimed(claims.append)
        agent.connect(5)
        [(event, error)] = heard.wait(1)
        agent.disconnect()
        assert agent._credentials.token == "ari_some_token"
        assert agent.api is not None
    assert (event, type(error), claims) == ("error", ProtocolError, [])
    assert "permanentToken" in str(error)
    assert "ari_ " not in str(error)
    assert len(warnings(caplog)) == 1


@pytest.mark.slow
def test_so_is_one_that_a_bootstrap_token_is_exchanged_for():
    def play(peer: Peer) -> None:
        peer.upgrade()
        peer.read_frame()
        peer.send(frame(b'{"type":"claim_ok","agentId":"a","permanentToken":"no token"}'))
        peer.until_gone()

    with serving(play, logging_in()) as server:
        agent = agent_of(server.url)
        heard = Heard(agent)
        agent.connect(5)
        assert [event for event, _ in heard.wait(1)] == ["error"]
        assert agent._credentials.token == "ari_some_token"
        agent.disconnect()
    assert heard.all[1:] == [("disconnected", None)]


STOPPED = """
    import sys, time
    from arinova_agent_sync import ArinovaAgent

    agent = ArinovaAgent(
        server_url=sys.argv[1], bot_token=sys.argv[2], ping_interval=0.2, ping_timeout=0.5, reconnect_interval=0.01
    )
    agent.connect(5)
    print("connected", flush=True)
    sys.stdin.readline()
    print(agent.stats().connections, flush=True)
    agent.disconnect()
"""


@pytest.mark.slow
def test_a_process_that_did_not_run_does_not_blame_its_server(server):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STOPPED), server.url, server.bot_token],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "connected\n"
    ping = server.wait_for_frame("ping", 5)
    server.wait_for_frame("pong", 5, after=ping, direction="out")
    time.sleep(0.05)  # by now it was read: a pong that waits to be read would speak for the server
    process.send_signal(signal.SIGSTOP)
    time.sleep(1.5)  # which is what happens to it, not a wait for anything
    process.send_signal(signal.SIGCONT)
    for _ in range(4):
        ping = server.wait_for_frame("ping", 5, after=ping)
    output, _ = process.communicate("go on\n", timeout=10)
    assert output == "1\n"


def run_in(folder, body: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program from a folder whose files may shadow others."""
    (folder / "program.py").write_text(textwrap.dedent(body))
    about = ("PROXY", "CA_BUNDLE", "SSL")
    kept = {
        name: value for name, value in os.environ.items() if not any(word in name.upper() for word in about)
    }
    return subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env={**kept, "PYTHONPATH": os.getcwd(), **environment},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


REFUSED = """
    from arinova_agent_sync import ArinovaAgent

    agent = ArinovaAgent(server_url="https://127.0.0.1:9", bot_token="ari_x")
    try:
        agent.connect(5)
    except (ImportError, ValueError) as error:
        print(error)
"""


@pytest.mark.parametrize(
    "source", ["", "class WebSocket: pass", "import nothing_of_this_name", "1 / 0"], ids=repr
)
def test_a_file_that_hides_websocket_client_is_named(tmp_path, source):
    (tmp_path / "websocket.py").write_text(source)
    done = run_in(tmp_path, REFUSED)
    assert f"{tmp_path / 'websocket.py'}" in done.stdout
    assert "rename" in done.stdout
    assert done.stderr == ""


def test_a_file_that_hides_a_module_of_python_is_named(tmp_path):
    (tmp_path / "hmac.py").write_text("")
    done = run_in(tmp_path, REFUSED.replace("agent.connect", "import hmac; agent.connect"))
    assert f"{tmp_path / 'hmac.py'}" in done.stdout


def test_a_file_called_secrets_does_no_harm(tmp_path, server):
    """It is where programs keep their tokens."""
    (tmp_path / "secrets.py").write_text(f"TOKEN = {server.bot_token!r}")
    body = f"""
        from secrets import TOKEN
        from arinova_agent_sync import ArinovaClient

        with ArinovaClient(server_url={server.url!r}, bot_token=TOKEN) as client:
            print(list(client.conversations.list()))
    """
    done = run_in(tmp_path, body)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "source", ["", "from nothing import random", "def random(): raise SystemError"], ids=repr
)
def test_a_file_called_random_does_no_harm(tmp_path, server, source):
    (tmp_path / "random.py").write_text(source)
    body = f"""
        import threading
        from arinova_agent_sync import ArinovaAgent

        agent = ArinovaAgent(
            server_url={server.url!r}, bot_token={server.bot_token!r}, reconnect_interval=0.01
        )
        agent.on_task(lambda task: "fine")
        agent.connect(5)
        agent.wait(15)
    """
    asked = threading.Thread(target=lambda: results.append(run_in(tmp_path, body)))
    results: list[subprocess.CompletedProcess[str]] = []
    asked.start()
    try:
        server.wait_for_agent(10)
        server.inject("drop")
        server.wait_for_agent(5, times=2)
        assert server.conversation().say("hi").wait(5) == "completed"
        server.send_frame({"type": "auth_error", "error": "no", "retryable": True})
        server.wait_for_agent(5, times=3)
    finally:
        with server.inject("refuse-auth"):
            server.inject("drop")
            asked.join(20)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SSLKEYLOGFILE", "/nonexistent/keys"),
        ("SSL_CERT_FILE", "/nonexistent/authority"),
        ("REQUESTS_CA_BUNDLE", "/nonexistent/authority"),
        ("HTTPS_PROXY", "https://proxy.test"),
    ],
)
def test_a_local_mistake_is_raised_at_once(tmp_path, variable, value):
    done = run_in(tmp_path, REFUSED.replace("127.0.0.1:9", "chat.test"), **{variable: value})
    assert variable in done.stdout
    assert "the network" not in done.stdout + done.stderr


@pytest.mark.parametrize("thread", ["reader", "pinger"])
def test_a_bug_in_a_thread_of_ours_ends_the_agent_and_is_told(
    server, make_agent, monkeypatch, caplog, thread
):
    def fail(*_: object) -> float:
        raise RuntimeError("what nobody thought of")

    agent = make_agent(server, ping_interval=0.05)
    errors: list[BaseException] = []
    agent.on_error(errors.append)
    agent.on_task(lambda task: "fine")
    agent.connect(5)
    if thread == "reader":
        monkeypatch.setattr(reader, "chance", fail)
        server.inject("drop")
    else:
        monkeypatch.setattr(timers.Pinger, "_do", fail)
    with pytest.raises(RuntimeError, match="what nobody thought of"):
        agent.wait(5)
    assert agent.stats().life == "failed"
    agent.disconnect()
    assert [str(error) for error in errors if isinstance(error, RuntimeError)] == ["what nobody thought of"]
    assert f"the {thread} thread failed: this is a bug of arinova_agent_sync" in caplog.text


def test_callbacks_that_raise_are_counted(server, make_agent):
    agent = make_agent(server)
    told = threading.Event()

    @agent.on_connected
    def fail():
        raise ValueError("mine")

    agent.on("connected", told.set)
    agent.connect(5)
    assert told.wait(5)
    agent.disconnect()
    assert agent.stats().callbacks_failed == 1
