"""``arinova-agent`` where the network is not simple: behind proxies, and with variables that cannot be used."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from arinova_agent_sync.local import LocalServer

from ..net.test_dial import closed_port
from ..net.test_socks import socks5
from ..runtime.fault_server import Behaviour, connect_proxy, serving
from .conftest import ECHO, ROOT, Command, Write

Start = Callable[..., Command]
ELSEWHERE = {"ARINOVA_SERVER_URL": "http://chat.test", "ARINOVA_BOT_TOKEN": "ari_token", "NO_PROXY": ""}
BEHIND = {
    "HTTP": ("http://", "", lambda port: connect_proxy()),
    "HTTP with a password": ("http://", "me:secret@", lambda port: connect_proxy("me:secret")),
    "SOCKS5": ("socks5://", "", lambda port: socks5([], port)),
    "SOCKS5 with a password": ("socks5h://", "me:secret@", lambda port: socks5([], port, user="me")),
}


@pytest.mark.parametrize("kind", BEHIND)
def test_an_agent_answers_behind_a_proxy(
    command: Start, server: LocalServer, write: Write, kind: str
) -> None:
    write(ECHO)
    scheme, credentials, play = BEHIND[kind]
    proxy: Behaviour = play(server.port)
    with serving(proxy) as listening:
        running = command(
            "run",
            "my_agent.py",
            # A name that only the proxy can make something of.
            ARINOVA_SERVER_URL=f"http://chat.test:{server.port}",
            ARINOVA_BOT_TOKEN=server.bot_token,
            all_proxy=f"{scheme}{credentials}127.0.0.1:{listening.port}",
            NO_PROXY="",
        )
        running.err.expect("INFO     connected as Agent")
        reply = server.conversation().say("hi")
        assert (reply.wait(), reply.text) == ("completed", "echo: hi")
        running.interrupt(signal.SIGTERM)
        assert running.exit_code() == 0
    assert "secret" not in running.err.text


def test_a_proxy_that_refuses_is_named(command: Start, write: Write) -> None:
    write(ECHO)
    proxy = f"http://127.0.0.1:{closed_port()}"
    running = command(
        "run",
        "my_agent.py",
        "--give-up-after",
        "0.5",
        **ELSEWHERE,
        http_proxy=proxy.replace("//", "//me:secret@"),
    )
    examined = command("doctor", **ELSEWHERE, http_proxy=proxy.replace("//", "//me:secret@"))
    assert (running.exit_code(), examined.exit_code()) == (4, 1)
    told = f"the proxy {proxy} cannot be reached (Connection refused)"
    for text in (running.err.text, examined.out.text):
        assert told in text
        assert "check the proxy setting" in text
        assert "server_url" not in text
        assert "secret" not in text


@pytest.mark.parametrize(
    ("url", "variable", "value", "told"),
    [
        ("http://chat.test", "all_proxy", "socks5://127.0.0.1:1", "all_proxy is a SOCKS proxy, which takes"),
        ("http://chat.test", "HTTP_PROXY", "https://me:secret@x:1", "HTTP_PROXY must be http://[user:"),
        ("https://chat.test", "SSLKEYLOGFILE", "/no/such/file", "SSLKEYLOGFILE names a file that cannot be"),
        ("https://chat.test", "REQUESTS_CA_BUNDLE", "/no/such/file", "REQUESTS_CA_BUNDLE names a file that"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_in_one_line(
    command: Start, write: Write, tmp_path: Path, url: str, variable: str, value: str, told: str
) -> None:
    """A SOCKS proxy takes a package, which is hidden here."""
    write(ECHO)
    write("import sys; sys.modules['python_socks'] = None", "sitecustomize.py")
    variables = {**ELSEWHERE, "PYTHONPATH": f"{tmp_path}:{ROOT}", "ARINOVA_SERVER_URL": url, variable: value}
    running = command("run", "my_agent.py", **variables)
    assert running.exit_code() == 2
    first, *others = running.err.text.splitlines()
    assert "INFO     connecting to" in first
    assert [line.partition("ERROR    ")[2].startswith(told) for line in others] == [True]
    assert "secret" not in running.err.text
