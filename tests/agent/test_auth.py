"""Authentication: what is sent, refusals, bootstrap tokens, tasks that come too early."""

from __future__ import annotations

import sys
import threading

import pytest

from arinova_agent_sync import ArinovaAgent, AuthenticationError, ConnectTimeout, Skill, __version__
from arinova_agent_sync.local import LocalServer

from ..runtime.fault_server import Peer, frame, serving


def test_the_auth_frame(server, make_agent):
    agent = make_agent(server, skills=[Skill("draw", "Draw", "Draws a picture")])
    agent.connect(5)
    frame = server.wait_for_frame("agent_auth", 5)
    assert frame.frame == {
        "type": "agent_auth",
        "botToken": server.bot_token,
        "skills": [{"id": "draw", "name": "Draw", "description": "Draws a picture"}],
        "runtime": {
            "name": "arinova-agent-sync",
            "version": __version__,
            "language": "python",
            "platform": sys.implementation.name,
        },
        "capabilities": {
            "actionCall": {
                "supported": True,
                "protocolVersion": "2026-05-05",
                "canEmitFrames": True,
                "supportsActionResultContinuation": True,
                "supportsGetSchema": True,
                "schemaCache": False,
            }
        },
    }
    assert [skill["id"] for skill in server.skills()] == ["draw"]


def test_no_skills_means_no_key(server, make_agent):
    make_agent(server).connect(5)
    assert "skills" not in server.wait_for_frame("agent_auth", 5).frame


def test_a_first_refusal_for_good_fails_at_once(server, make_agent, caplog):
    agent = make_agent(server, bot_token="ari_wrong")
    failures: list[AuthenticationError] = []
    agent.on_auth_failed(failures.append)
    with pytest.raises(AuthenticationError, match="Invalid bot token"):
        agent.connect(5)
    with pytest.raises(AuthenticationError):
        agent.wait(5)
    assert agent.stats().life == "failed"
    assert len(failures) == 1
    assert "ari_wrong" not in caplog.text
    # It may be tried again, with fresh counters.
    with pytest.raises(AuthenticationError):
        agent.connect(5)


@pytest.mark.parametrize(
    "refusal",
    [
        {"error": "Authentication timeout"},
        {"error": "busy", "code": "SERVICE_UNAVAILABLE"},
        {"error": "busy", "code": "503", "nested": True},
        {"error": "busy", "retryable": True},
    ],
    ids=str,
)
def test_a_passing_refusal_is_tried_again(server, make_agent, refusal):
    agent = make_agent(server)
    with server.inject("refuse-auth", count=2, **refusal):
        agent.connect(5)
    assert agent.connected


def test_passing_refusals_end_after_auth_attempts(server, make_agent):
    agent = make_agent(server, auth_attempts=3)
    with (
        server.inject("refuse-auth", error="busy", code="503"),
        pytest.raises(AuthenticationError, match=r"3 times in a row: busy \(503\)") as caught,
    ):
        agent.connect(5)
    assert (caught.value.code, caught.value.retryable) == ("503", True)
    assert len([frame for frame in server.frames if frame.type == "agent_auth"]) == 3


@pytest.mark.slow
def test_after_a_success_refusals_are_tried_again_and_tasks_live_on(server, make_agent):
    agent, go_on = make_agent(server, auth_attempts=4), threading.Event()

    @agent.on_task
    def handle(task):
        assert go_on.wait(5)
        return "still here"

    agent.connect(5)
    server.conversation().say("hi")
    server.wait_for_frame("task", 5, direction="out")
    with server.inject("refuse-auth", count=2):
        server.inject("drop")
        server.wait_for_agent(5, times=2)
    go_on.set()
    server.wait_for_frame("agent_complete", 5, content="still here")
    assert agent.stats().life == "running"


def test_after_a_success_the_agent_gives_up_in_the_end(server, make_agent):
    agent = make_agent(server, auth_attempts=3)
    failed = threading.Event()
    agent.on_auth_failed(failed.set)
    agent.connect(5)
    with server.inject("refuse-auth"):
        server.inject("drop")
        with pytest.raises(AuthenticationError, match="3 times"):
            agent.wait(5)
    assert failed.wait(5)


def test_an_auth_error_in_mid_session_reconnects(server, make_agent):
    agent = make_agent(server)
    agent.connect(5)
    server.send_frame({"type": "auth_error", "error": "session expired"})
    server.wait_for_agent(5, times=2)


def test_a_second_auth_ok_fires_connected_again(server, make_agent):
    agent = make_agent(server)
    connected = threading.Semaphore(0)
    agent.on_connected(lambda: connected.release())
    agent.connect(5)
    assert connected.acquire(timeout=5)
    server.send_frame({"type": "auth_ok", "agentName": "Renamed"})
    assert connected.acquire(timeout=5)
    assert agent.agent_name == "Renamed"
    assert agent.stats().connections == 1


def test_each_auth_ok_tells_who_the_agent_is_anew(server, make_agent):
    agent = make_agent(server)
    connected = threading.Semaphore(0)
    agent.on_connected(lambda: connected.release())
    agent.connect(5)
    assert connected.acquire(timeout=5)
    seed = {
        "kind": "first_touch_opening",
        "seedId": "s",
        "agentId": "a",
        "action": "greet",
        "prompt": "Say hello.",
    }
    server.send_frame({"type": "auth_ok", "agentId": "a", "onboardingSeed": seed})
    assert connected.acquire(timeout=5)
    assert (agent.agent_id, agent.onboarding_seed.prompt) == ("a", "Say hello.")
    server.send_frame({"type": "auth_ok"})
    assert connected.acquire(timeout=5)
    assert (agent.agent_id, agent.agent_name, agent.onboarding_seed) == (None, "Agent", None)


@pytest.mark.slow
def test_a_ping_of_the_websocket_protocol_is_answered_once_authenticated():
    # The March 2026 server drops a connection on which anything but text comes before auth_ok.
    got: list[tuple[int, bytes]] = []

    def ping(peer: Peer) -> None:
        peer.upgrade()
        peer.read_frame()
        peer.send(frame(b"early", opcode=9) + frame(b'{"type":"auth_ok"}') + frame(b"late", opcode=9))
        peer.send(frame(b'{"type":"task","taskId":"t"}'))
        got.extend((peer.read_frame(), peer.read_frame()))
        done.set()
        peer.until_gone()

    done = threading.Event()
    with serving(ping) as server:
        agent = ArinovaAgent(server_url=server.url, bot_token="ari_x")
        agent.connect(5)
        assert done.wait(5)
        agent.disconnect()
    assert got[0] == (10, b"late")
    assert b"missing_content" in got[1][1]


def test_a_silent_server_is_left_after_connect_timeout(server, make_agent):
    agent = make_agent(server, connect_timeout=0.2)
    with server.inject("late-auth", seconds=30.0, count=1):
        agent.connect(5)
    assert len([frame for frame in server.frames if frame.type == "agent_auth"]) == 2


def test_a_bootstrap_token_is_exchanged_and_the_new_one_used(make_agent):
    with LocalServer(generation="august") as server:
        token = server.add_bootstrap_token(onboarding=True)
        agent = make_agent(server, bot_token=token, reconnect_interval=30.0)
        claims = []
        agent.on_token_claimed(claims.append)
        agent.connect(5)
        assert agent.onboarding_seed is not None
        assert agent.agent_id == server.agent.agent_id
        agent.disconnect()
        assert [(claim.agent_id, claim.permanent_token) for claim in claims] == [
            (server.agent.agent_id, server.bot_token)
        ]
        assert server.bot_token not in repr(claims)
        agent.connect(5)  # with the permanent token: the other one is spent
        assert agent.connected


@pytest.mark.slow
def test_a_server_that_only_exchanges_tokens_is_not_asked_without_a_pause():
    asked = 0

    def exchange(peer: Peer) -> None:
        nonlocal asked
        asked += 1
        peer.upgrade()
        peer.read_frame()
        peer.send(frame(b'{"type":"claim_ok","agentId":"a","permanentToken":"ari_%d"}' % asked))
        peer.until_gone()

    with serving(exchange) as server:
        agent = ArinovaAgent(server_url=server.url, bot_token="obt_x", reconnect_interval=30.0)
        with pytest.raises(ConnectTimeout, match="exchanged the token once more"):
            agent.connect(0.5)
        agent.disconnect()
    assert asked == 2


def test_tasks_before_auth_ok_are_answered(server, make_agent):
    agent = make_agent(server)
    agent.on_task(lambda task: f"you said {task.content}")
    server.conversation()
    with server.inject("early-task", content="early bird"):
        agent.connect(5)
        server.wait_for_frame("agent_complete", 5, content="you said early bird")


def test_skills_become_commands_on_a_server_that_tells_the_agents_id(make_agent):
    with LocalServer(generation="august") as server:
        agent = make_agent(server, skills=[Skill("draw", "Draw", "Draws")], _heartbeat_interval=0.05)
        agent.connect(5)
        commands = server.wait_for_frame("register_commands", 5)
        assert commands["commands"] == [{"name": "draw", "description": "Draws"}]
        assert commands["agentId"] == server.agent.agent_id
        first = server.wait_for_frame("heartbeat_commands", 5)
        server.wait_for_frame("heartbeat_commands", 5, after=first)


def test_no_commands_on_a_server_that_does_not(server, make_agent):
    agent = make_agent(server, skills=[Skill("draw", "Draw", "Draws")])
    agent.on_task(lambda task: "hi")
    agent.connect(5)
    server.conversation().say("hi").wait(5)
    assert "register_commands" not in [frame.type for frame in server.frames]


def test_clear_text_to_a_foreign_host_warns(make_agent, server, caplog):
    agent = make_agent(server, server_url="ws://chat.example.invalid", reconnect_interval=30.0)
    with pytest.raises(TimeoutError):
        agent.connect(0.2)
    assert "in clear" in caplog.text
