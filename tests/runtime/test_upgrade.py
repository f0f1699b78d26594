"""What a server's refusal to open a WebSocket is explained with."""

from __future__ import annotations

import pytest

from arinova_agent_sync.net.deadline import Deadline
from arinova_agent_sync.runtime.websocket_errors import WebSocketError

from .fault_server import Peer, serving
from .test_websocket import link_to


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ("401 Unauthorized", "what stands before the server wants another login than the token"),
        ("404 Not Found", "there is none at this address"),
        ("302 Found\r\nLocation: https://elsewhere.test/", "redirects are not followed"),
        ("418 I'm a teapot", "check server_url, and what stands before the server"),
        ("429 Too Many Requests", "too many connections were made"),
        ("500 Internal Server Error", "it, or what stands before it, is out of order"),
        ("503 Service Unavailable", "it is overloaded or restarts"),
        ("200 OK", "check server_url"),
    ],
)
def test_the_advice_fits_the_status(answer: str, advice: str) -> None:
    def refuse(peer: Peer) -> None:
        peer.read_head()
        peer.send(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
        peer.until_gone()

    with serving(refuse) as server, pytest.raises(WebSocketError) as caught:
        link_to(server.url).open(Deadline(5))
    status = answer[:3]
    assert str(caught.value).startswith(f"the server answered HTTP {status} instead of opening a WebSocket: ")
    assert caught.value.status == int(status)
    assert str(caught.value).partition(": ")[2].startswith(advice)
