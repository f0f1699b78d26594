"""An agent where the network is not simple: hosts with silent addresses, and servers that are something else."""

from __future__ import annotations

import socket
import time

import pytest

import arinova_agent_sync.runtime.engine  # noqa: F401 - connect() would load it, which takes a while
from arinova_agent_sync import ArinovaAgent, ConnectTimeout

from ..net.test_dial import silent_port
from ..runtime.fault_server import Peer, frame, serving


def agent_of(url: str) -> ArinovaAgent:
    return ArinovaAgent(server_url=url, bot_token="ari_some_token", reconnect_interval=0.01)


def welcome(peer: Peer) -> None:
    peer.upgrade()
    peer.read_frame()
    peer.send(frame(b'{"type":"auth_ok","agentName":"Agent"}'))
    peer.until_gone()


def test_a_silent_first_address_costs_a_quarter_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    with silent_port() as silent, serving(welcome) as server:

        def getaddrinfo(*_: object, flags: int = 0, **__: object) -> list[object]:
            if flags & socket.AI_NUMERICHOST:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            places = [("127.0.0.1", port) for port in (silent, server.port)]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        agent = agent_of("http://localhost:1")
        began = time.monotonic()
        agent.connect(20)
        took = time.monotonic() - began
        agent.disconnect()
    assert 0.2 <= took < 0.5


def test_a_server_that_chooses_what_nobody_offered_gets_no_token() -> None:
    said: list[object] = []

    def play(peer: Peer) -> None:
        answer = peer.accept_answer(peer.read_head())
        peer.send(answer[:-2] + b"Sec-WebSocket-Protocol: odd\r\n\r\n")
        said.append(peer.read_frame())

    with serving(play) as server:
        agent = agent_of(server.url)
        with pytest.raises(ConnectTimeout, match="chose a subprotocol that was not offered"):
            agent.connect(0.2)
        agent.disconnect()
    assert said == []
