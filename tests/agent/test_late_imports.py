"""Nothing is imported on the way back: in an outage, files may be gone or newer, and descriptors used up."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing, contextmanager

from arinova_agent_sync.local import LocalServer

from ..runtime.fault_server import FaultServer, Peer, authority, connect_proxy, frame, serving

BEGIN = """
    import sys, threading
    from msgspec.structs import replace
    from arinova_agent_sync import ArinovaAgent

    class Recorder:
        def find_spec(self, name, path=None, target=None):
            print("imported:", name, flush=True)

    agent = ArinovaAgent(server_url=sys.argv[1], bot_token=sys.argv[2], reconnect_interval=0.01)
    agent._settings = replace(agent._settings, rescue_ready_after=0.0)
    go_on = threading.Event()

    @agent.on_task
    def handle(task):
        yield "first "
        go_on.wait(20)
        yield "second"

    @agent.on_error
    def failed(error):
        print("failed:", type(error).__name__, flush=True)
"""


class Program:
    """A program that runs beside the test and is told what to do line by line."""

    def __init__(self, url: str, token: str, body: str, **environment: str) -> None:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.lower().endswith("_proxy") and not name.startswith("ARINOVA_")
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(BEGIN) + textwrap.dedent(body), url, token],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**kept, **environment},
        )
        assert self.process.stdout is not None
        self.out = self.process.stdout

    def lines_until(self, line: str) -> list[str]:
        """Return what it writes before a line."""
        lines: list[str] = []
        while (read := self.out.readline()) != f"{line}\n":
            assert read, f"it ended, after {lines}"
            lines.append(read.rstrip())
        return lines

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@contextmanager
def running(url: str, token: str, body: str, **environment: str) -> Iterator[Program]:
    program = Program(url, token, body, **environment)
    try:
        with program.process:
            yield program
    finally:
        program.process.kill()


def welcome(peer: Peer) -> None:
    peer.upgrade()
    peer.read_frame()
    peer.send(frame(b'{"type":"auth_ok","agentName":"Agent"}'))


def drop(peer: Peer) -> None:
    welcome(peer)
    peer.reset()


def say_goodbye(peer: Peer) -> None:
    welcome(peer)
    peer.send(frame((1012).to_bytes(2, "big") + b"later", 8))
    peer.until_gone()


def refuse_the_token(peer: Peer) -> None:
    peer.upgrade()
    peer.read_frame()
    peer.send(frame(b'{"type":"auth_error","error":{"message":"busy","code":"503","retryable":true}}'))
    peer.until_gone()


def be_busy(peer: Peer) -> None:
    peer.start_tls()
    peer.read_head()
    peer.send(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\n\r\n")


def break_the_protocol(peer: Peer) -> None:
    welcome(peer)
    peer.send(frame(b"{bad") + frame(b"binary", 2) + b"\xf3\x00")
    peer.until_gone()


def stay(peer: Peer) -> None:
    welcome(peer)
    peer.until_gone()


def test_a_reconnect_imports_nothing_whatever_went_wrong(tmp_path) -> None:
    """Over TLS, by a proxy that wants a password."""
    trusted = tmp_path / "authority.pem"
    authority().cert_pem.write_to_path(str(trusted))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("chat.test").configure_cert(context)
    body = """
        agent.connect(10)
        sys.meta_path.insert(0, Recorder())
        print("connected", flush=True)
        while agent.stats().connections < 4 or not agent.connected:
            agent.wait(0.01)
        agent.disconnect(5)
        print("ended", flush=True)
    """
    faults = [say_goodbye, refuse_the_token, be_busy, Peer.reset, break_the_protocol]
    with (
        closing(FaultServer(drop, *faults, stay, context=context)) as server,
        serving(connect_proxy("me:secret")) as proxy,
    ):
        environment = {
            "HTTPS_PROXY": f"http://me:secret@127.0.0.1:{proxy.port}",
            "NO_PROXY": "192.0.2.0/24",
            "REQUESTS_CA_BUNDLE": str(trusted),
        }
        with running(f"https://chat.test:{server.port}", "ari_token", body, **environment) as program:
            program.lines_until("connected")
            told = program.lines_until("ended")
    assert [line for line in told if line.startswith("imported")] == []
    assert sum(line.startswith("failed") for line in told) >= 3


def test_an_answer_is_rescued_without_an_import(server: LocalServer) -> None:
    """The server gave the task up, and is asked over HTTP, which was loaded soon after the first task came."""
    body = """
        agent.connect(10)
        print("connected", flush=True)
        while not hasattr(sys.modules.get("arinova_agent_sync.api.exchange"), "open_exchange"):
            agent.wait(0.01)
        sys.meta_path.insert(0, Recorder())
        print("ready", flush=True)
        sys.stdin.readline()
        go_on.set()
        agent.disconnect(10)
        print("ended", flush=True)
    """
    with running(server.url, server.bot_token, body) as program:
        program.lines_until("connected")
        conversation = server.conversation()
        conversation.say("hi")
        program.lines_until("ready")
        server.inject("drop")
        server.wait_for_agent(5, times=2)
        program.go_on()
        told = program.lines_until("ended")
    assert [line for line in told if line.startswith("imported")] == []
    assert conversation.messages[-1].content == "first second"
