"""Every fault by name: what an agent sees of it, and that healing ends it."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest
import websocket

from arinova_agent_sync.local import FaultName, LocalServer

from .conftest import Connect
from .raw_agent import RawAgent


def test_drop_ends_tcp_without_a_close_frame(agent: RawAgent, server: LocalServer) -> None:
    reply = server.conversation().say("hi")
    assert server.inject("drop").connections == 1
    assert not server.agent_connected  # at once, so that wait_for_agent() means the next connection
    assert agent.ending()[1] is None
    assert (reply.wait(), reply.error) == ("error", "Agent disconnected")


def test_drop_may_leave_half_a_frame(agent: RawAgent, server: LocalServer) -> None:
    server.inject("drop", mid_frame=True)
    agent.socket.sock.settimeout(5)
    data = b""
    try:
        while received := agent.socket.sock.recv(4096):
            data += received
    except ConnectionError:
        pass
    assert data == b'\x81\x7e\x01\x00{"type": "task"'


def test_close_sends_a_close_frame(agent: RawAgent, server: LocalServer) -> None:
    server.inject("close", code=1012, reason="restart")
    assert agent.ending() == ([], 1012)
    server.wait_for_disconnect()


class TestGarbage:
    def test_json_is_a_volley_of_texts(self, agent: RawAgent, server: LocalServer) -> None:
        server.inject("garbage")
        server.send_frame({"type": "end"})
        texts = []
        while (text := agent.socket.recv()) != '{"type": "end"}':
            texts.append(text)
        assert {"", "null", "[]", '{"type": "task"}'} <= set(texts)
        agent.synchronise()

    def test_utf8_is_a_text_that_is_none(self, agent: RawAgent, server: LocalServer) -> None:
        server.inject("garbage", kind="utf8")
        frame = agent.socket.recv_frame()
        assert frame.opcode == websocket.ABNF.OPCODE_TEXT
        with pytest.raises(UnicodeDecodeError):
            frame.data.decode()

    def test_binary_is_a_binary_frame(self, agent: RawAgent, server: LocalServer) -> None:
        server.inject("garbage", kind="binary")
        assert agent.socket.recv_data()[0] == websocket.ABNF.OPCODE_BINARY

    def test_masked_is_a_frame_that_servers_must_not_send(self, agent: RawAgent, server: LocalServer) -> None:
        server.inject("garbage", kind="masked")
        assert agent.socket.sock.recv(100)[:2] == b"\x81\x82"

    def test_reserved_has_bits_that_nobody_agreed_on(self, agent: RawAgent, server: LocalServer) -> None:
        server.inject("garbage", kind="reserved")
        with pytest.raises(websocket.WebSocketProtocolException):
            agent.receive()


@pytest.mark.parametrize(("size", "fragments"), [(100, 1), (200_000, 1), (200_000, 7)])
def test_oversize_is_as_long_as_asked(
    agent: RawAgent, server: LocalServer, size: int, fragments: int
) -> None:
    server.inject("oversize", size=size, fragments=fragments)
    frames = [agent.socket.recv_frame() for _ in range(fragments)]
    text = b"".join(frame.data for frame in frames)
    assert [bool(frame.fin) for frame in frames] == [False] * (fragments - 1) + [True]
    assert len(text) == size
    assert json.loads(text)["type"] == "oversize"


class TestHalfOpen:
    def test_nothing_is_read_or_written_until_it_is_healed(
        self, agent: RawAgent, server: LocalServer
    ) -> None:
        fault = server.inject("half-open")
        reply = server.conversation().say("hi")
        agent.send("ping")
        agent.socket.settimeout(0.05)
        with pytest.raises(websocket.WebSocketTimeoutException):
            agent.receive()
        assert server.agent_connected
        agent.socket.settimeout(5)
        fault.heal()
        assert agent.task()["taskId"] == reply.message_id
        assert agent.receive() == {"type": "pong"}

    def test_later_connections_work(self, agent: RawAgent, connect: Connect, server: LocalServer) -> None:
        with server.inject("half-open") as fault:
            assert fault.connections == 1
            assert connect().synchronise() == []

    def test_unless_they_are_frozen_too(self, connect: Connect, server: LocalServer) -> None:
        with server.inject("half-open", new=True):
            with pytest.raises((websocket.WebSocketException, OSError)):
                connect(timeout=0.05)
            client = socket.create_connection(("127.0.0.1", server.port), timeout=5)
            client.sendall(
                b"GET /ws/agent HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            client.settimeout(0.05)
            with pytest.raises(TimeoutError):
                client.recv(1)
            client.settimeout(5)
        assert client.recv(100).startswith(b"HTTP/1.1 101")
        client.close()

    def test_a_dead_peer_is_noticed_when_it_is_healed(self, agent: RawAgent, server: LocalServer) -> None:
        fault = server.inject("half-open")
        agent.close()
        assert server.agent_connected
        fault.heal()
        server.wait_for_disconnect()

    def test_the_end_of_the_authentication_waits_as_well(self, connect: Connect) -> None:
        with LocalServer(auth_timeout=0.05) as server:
            agent = connect(to=server, auth=False)
            fault = server.inject("half-open")
            server.wait_for_frame("auth_error", direction="out")
            agent.socket.settimeout(0.05)
            with pytest.raises(websocket.WebSocketTimeoutException):
                agent.receive()
            agent.socket.settimeout(5)
            fault.heal()
            assert agent.ending()[0][0]["error"] == "Authentication timeout"


class TestSlowReads:
    def test_an_agent_that_writes_more_has_to_wait(self, agent: RawAgent, server: LocalServer) -> None:
        fault = server.inject("slow-reads", bytes_per_second=1_000)
        agent.socket.settimeout(0.1)
        with pytest.raises(websocket.WebSocketTimeoutException):
            agent.text(" " * 15_000_000)  # more than all buffers on the way hold
        fault.heal()

    def test_it_is_read_at_that_pace(self, agent: RawAgent, server: LocalServer) -> None:
        server.inject("slow-reads", bytes_per_second=2_000)
        began, last = time.monotonic(), server.frames[-1]
        agent.text(" " * 200)  # is read at once, and then the server rests
        server.wait_for_frame(after=last)
        agent.synchronise()
        assert 0.09 < time.monotonic() - began < 5
        server.heal("slow-reads")
        assert agent.synchronise() == []

    def test_new_connections_are_slow_as_well(self, connect: Connect, server: LocalServer) -> None:
        with server.inject("slow-reads", bytes_per_second=100_000):
            assert connect().synchronise() == []

    def test_a_pace_of_nothing_is_another_fault(self, server: LocalServer) -> None:
        with pytest.raises(ValueError, match="bytes_per_second must be from 1"):
            server.inject("slow-reads", bytes_per_second=0)


def test_no_pongs(agent: RawAgent, connect: Connect, server: LocalServer) -> None:
    with server.inject("no-pongs"):
        early = connect(auth=False)
        early.send("ping")
        early.authenticate()
        agent.send("ping")
        agent.socket.ping()
        server.wait_for_frame("websocket.ping")
        assert early.receive()["type"] == "auth_ok"
    server.send_frame({"type": "mark"})
    assert early.receive() == {"type": "mark"}
    assert agent.synchronise() == []  # the first pong that comes is that of the second ping


class TestLateAuth:
    def test_a_task_may_overtake_the_welcome(self, connect: Connect, server: LocalServer) -> None:
        server.inject("late-auth", seconds=0.1, count=1)
        agent = connect(auth=False)
        agent.authenticate()
        agent.send("ping")  # is read after the welcome only
        reply = server.conversation().say("hi")
        assert agent.task()["taskId"] == reply.message_id
        assert agent.receive()["type"] == "auth_ok"
        assert agent.receive()["type"] == "pong"
        assert connect().welcome["type"] == "auth_ok"

    def test_the_agent_may_leave_meanwhile(self, connect: Connect, server: LocalServer) -> None:
        server.inject("late-auth", seconds=0.05)
        agent = connect(auth=False)
        agent.authenticate()
        server.wait_for_agent()
        agent.close()
        server.wait_for_disconnect()


def test_early_task(connect: Connect, server: LocalServer) -> None:
    fault = server.inject("early-task", content="before you ask")
    agent = connect(auth=False)
    agent.authenticate()
    task = agent.task()
    assert (task["content"], task["taskId"]) == ("before you ask", fault.replies[0].message_id)
    assert agent.receive()["type"] == "auth_ok"
    agent.complete(task, "fine")
    assert fault.replies[0].wait() == "completed"
    assert connect().synchronise() == []  # it struck once


class TestRefuseAuth:
    @pytest.mark.parametrize(
        ("parameters", "frame"),
        [
            ({}, {"error": "Invalid bot token"}),
            (
                {"error": "busy", "code": "AUTH_TIMEOUT", "retryable": True},
                {"error": "busy", "code": "AUTH_TIMEOUT", "retryable": True},
            ),
            (
                {"error": "no", "code": "BANNED", "retryable": False, "nested": True},
                {"error": {"message": "no", "code": "BANNED"}, "retryable": False},
            ),
        ],
    )
    def test_every_form_of_refusal(
        self, connect: Connect, server: LocalServer, parameters: dict[str, Any], frame: dict[str, Any]
    ) -> None:
        server.inject("refuse-auth", **parameters)
        agent = connect(auth=False)
        agent.authenticate()
        assert agent.ending() == ([{"type": "auth_error", **frame}], None)

    def test_it_may_pass(self, connect: Connect, server: LocalServer) -> None:
        server.inject("refuse-auth", count=2)
        for _ in range(2):
            agent = connect(auth=False)
            agent.authenticate()
            assert agent.receive()["type"] == "auth_error"
        assert connect().welcome["type"] == "auth_ok"

    def test_it_may_hit_one_agent_only(self, connect: Connect, server: LocalServer) -> None:
        other = server.add_agent("other")
        with server.inject("refuse-auth", agent=other) as fault:
            assert connect().welcome["type"] == "auth_ok"
            agent = connect(other, auth=False)
            agent.authenticate()
            assert agent.receive()["type"] == "auth_error"
            assert "refuse-auth" in repr(fault)
        assert connect(other).welcome["type"] == "auth_ok"


def test_faults_choose_among_many_agents(connect: Connect, server: LocalServer) -> None:
    accounts = [server.add_agent(f"agent {number}") for number in range(5)]
    agents = [connect(account) for account in accounts]
    assert server.inject("drop", agent=accounts[3]).connections == 1
    assert [server.is_connected(account) for account in accounts] == [True, True, True, False, True]
    assert server.inject("garbage", kind="binary").connections == 4
    assert server.inject("drop").connections == 4
    for agent in agents:
        agent.ending()


def test_faults_may_be_set_before_the_start() -> None:
    server = LocalServer()
    server.inject("refuse-auth", error="closed today")
    with server:
        agent = RawAgent(server, auth=False)
        agent.authenticate()
        assert agent.receive()["error"] == "closed today"
        server.heal()
        agent.close()
        RawAgent(server).close()


def test_healing_twice_is_fine(server: LocalServer) -> None:
    fault = server.inject("no-pongs")
    server.heal("late-auth")
    server.heal()
    fault.heal()


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("thunder", {}, "there is no fault 'thunder'; there are drop"),
        ("drop", {"seconds": 1}, "drop has no parameter 'seconds'; it has mid_frame"),
        ("no-pongs", {"x": 1}, "it has none"),
        ("garbage", {"kind": "xml"}, "kind must be one of 'json'"),
    ],
)
def test_mistakes_are_named(server: LocalServer, name: FaultName, parameters: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        server.inject(name, **parameters)


MIB = 1024 * 1024


@pytest.mark.slow
@pytest.mark.parametrize(("frames", "lives"), [([15, 5], True), ([17], False), ([15, 15, 15, 15, 15], False)])
def test_the_limits_are_those_of_a_frame_and_of_a_message(
    server: LocalServer, connect: Connect, frames: list[int], lives: bool
) -> None:
    agent = connect(timeout=30.0)
    end = b'"}'
    for place, size in enumerate(frames):
        last = place == len(frames) - 1
        head = b'{"type": "x", "padding": "' if place == 0 else b""
        data = head + b"x" * (size * MIB - len(head) - len(end)) + (end if last else b"xx")
        opcode = websocket.ABNF.OPCODE_TEXT if place == 0 else websocket.ABNF.OPCODE_CONT
        try:
            agent.socket.send_frame(websocket.ABNF(int(last), opcode=opcode, data=data))
        except OSError:
            break
    if lives:
        assert agent.synchronise() == []
    else:
        assert agent.ending() == ([], None)
