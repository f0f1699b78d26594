"""The first seconds of a connection: the traps before auth_ok, refusals, second connections."""

from __future__ import annotations

import re

import pytest
import websocket

from arinova_agent_sync.local import LocalServer

from .conftest import Connect
from .raw_agent import RawAgent

INVALID = {"type": "auth_error", "error": "Invalid bot token"}


def test_tokens_have_the_form_of_real_ones(server: LocalServer) -> None:
    assert re.fullmatch(r"ari_[0-9a-f]{48}", server.bot_token)
    assert server.add_agent("b").token != server.bot_token
    assert server.add_agent("c", token="mine").token == "mine"
    with pytest.raises(ValueError, match="another agent"):
        server.add_agent("d", token="mine")


def test_march_tells_the_name_only(agent: RawAgent, server: LocalServer) -> None:
    assert agent.welcome == {"type": "auth_ok", "agentName": server.agent.name}
    assert server.agent_connected


def test_texts_before_the_authentication_are_skipped(connect: Connect) -> None:
    agent = connect(auth=False)
    for text in ("", "no json", "[]", '{"type": "agent_chunk"}', '{"type": 5}'):
        agent.text(text)
    agent.send("ping")
    assert agent.receive() == {"type": "pong"}
    agent.authenticate()
    assert agent.receive()["type"] == "auth_ok"


@pytest.mark.parametrize(
    "opcode", [websocket.ABNF.OPCODE_BINARY, websocket.ABNF.OPCODE_PING, websocket.ABNF.OPCODE_PONG]
)
def test_any_other_frame_before_it_ends_the_connection_without_a_word(connect: Connect, opcode: int) -> None:
    agent = connect(auth=False)
    agent.socket.send(b"x", opcode)
    assert agent.ending() == ([], None)


def test_a_close_frame_before_it_is_not_answered(connect: Connect) -> None:
    agent = connect(auth=False)
    agent.socket.send_close()
    assert agent.ending() == ([], None)


@pytest.mark.parametrize("token", ["ari_" + "0" * 48, 7, None, ["x"], {"a": 1}])
def test_a_wrong_token_is_refused_without_a_close_frame(connect: Connect, token: object) -> None:
    agent = connect(auth=False)
    agent.send("agent_auth", botToken=token)
    assert agent.ending() == ([INVALID], None)


def test_there_is_one_attempt_per_socket(connect: Connect) -> None:
    agent = connect(auth=False)
    agent.send("agent_auth", botToken="wrong")
    assert agent.receive() == INVALID
    try:
        agent.authenticate()
    except OSError:
        return  # the end was noticed already
    assert agent.ending() == ([], None)


def test_its_time_is_limited(connect: Connect) -> None:
    with LocalServer(auth_timeout=0.05) as server:
        agent = connect(to=server, auth=False)
        assert agent.ending() == ([{"type": "auth_error", "error": "Authentication timeout"}], None)


def test_a_slow_authentication_is_cut_off_too(connect: Connect) -> None:
    with LocalServer(auth_timeout=0.05) as server, server.inject("late-auth", seconds=5.0):
        agent = connect(to=server, auth=False)
        agent.authenticate()
        assert agent.ending() == ([{"type": "auth_error", "error": "Authentication timeout"}], None)
        server.wait_for_disconnect()


def test_a_websocket_ping_after_it_is_answered(agent: RawAgent) -> None:
    agent.socket.ping("hello")
    assert agent.socket.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, b"hello")


def test_a_close_frame_after_it_ends_tcp_without_an_answer(agent: RawAgent, server: LocalServer) -> None:
    agent.socket.send_close(websocket.STATUS_NORMAL, b"bye")
    assert agent.ending() == ([], None)
    assert server.wait_for_frame("websocket.close").frame == b"\x03\xe8bye"
    server.wait_for_disconnect()


def test_invalid_utf8_ends_the_connection(agent: RawAgent) -> None:
    agent.socket.send(b"\xff", websocket.ABNF.OPCODE_TEXT)
    assert agent.ending() == ([], None)


def test_a_message_may_come_in_fragments(agent: RawAgent) -> None:
    create = websocket.ABNF.create_frame
    agent.socket.send_frame(create(b'{"type": ', websocket.ABNF.OPCODE_TEXT, 0))
    agent.socket.ping("in between")
    agent.socket.send_frame(create(b'"ping"}', websocket.ABNF.OPCODE_CONT, 1))
    assert agent.receive() == {"type": "pong"}


def test_a_binary_message_after_it_is_ignored(agent: RawAgent) -> None:
    agent.socket.send_binary(b"\x00")
    assert agent.synchronise() == []


def test_skills_live_as_long_as_the_connection(connect: Connect, server: LocalServer) -> None:
    skill = {"id": "draw", "name": "Draw", "description": "draws"}
    agent = connect(skills=[{**skill, "extra": 1}])
    assert server.skills() == [skill]
    agent.close()
    server.wait_for_disconnect()
    assert server.skills() == []


class TestSecondConnection:
    def test_the_older_stays_open_and_may_still_answer(self, connect: Connect, server: LocalServer) -> None:
        older = connect()
        reply = server.conversation().say("one")
        task = older.task()
        newer = connect()
        other = server.conversation().say("two")
        assert newer.task()["taskId"] == other.message_id
        assert older.synchronise() == []
        older.complete(task, "from the older")
        assert (reply.wait(), reply.text) == ("completed", "from the older")

    def test_the_end_of_the_older_changes_nothing(self, connect: Connect, server: LocalServer) -> None:
        older, newer = connect(), connect()
        reply = server.conversation().say("one")
        older.close()
        newer.answer("fine")
        assert reply.wait() == "completed"
        assert server.agent_connected

    def test_the_end_of_the_newer_leaves_a_zombie(self, connect: Connect, server: LocalServer) -> None:
        older, newer = connect(), connect()
        newer.close()
        server.wait_for_disconnect()
        assert server.conversation().say("anyone?", wait_for_agent=0).status == "error"
        assert older.synchronise() == []
        assert server.connection_count == 1


def test_other_paths_have_no_websocket(server: LocalServer) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(server.url.replace("http", "ws", 1) + "/ws", timeout=5)


def test_what_is_no_upgrade_is_refused(server: LocalServer) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException):
        websocket.create_connection(
            server.url.replace("http", "ws", 1) + "/ws/agent",
            timeout=5,
            header={"Sec-WebSocket-Version": "7"},
        )
