"""``arinova-agent doctor``: what it finds on the way to a server, and that it does no harm."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from email.utils import format_datetime
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from arinova_agent_sync.cli.doctor import command as doctor
from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.protocol import websocket_frames

from ..net.test_socks import socks5
from ..runtime.fault_server import FaultServer, Peer, authority, connect_proxy, frame, serving
from .conftest import Command
from .terminals import Terminal

TOKEN = "ari_" + "1f" * 24
NOW = datetime.datetime.now(datetime.timezone.utc)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no setting of whoever runs the tests count."""
    variables = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "arinova_server_url", "sslkeylogfile")
    for name in (*variables, "requests_ca_bundle", "curl_ca_bundle", "ssl_cert_file", "ssl_cert_dir"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("ARINOVA_BOT_TOKEN", TOKEN)


def examine(url: str, *arguments: str) -> Result:
    """Run the doctor; return what came of it."""
    result = CliRunner().invoke(doctor, ["--server-url", url, *arguments])
    assert TOKEN not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def line(result: Result, name: str) -> str:
    """Return what stands about one step, with the advice."""
    lines = result.output.splitlines()
    for place, text in enumerate(lines):
        if text[6:].startswith(f"{name} "):
            follows = lines[place + 1] if place + 1 < len(lines) else ""
            return text + follows if "→" in follows else text
    raise AssertionError(f"nothing about {name} in {result.output}")


def marks(result: Result) -> dict[str, str]:
    """Return the mark of each step."""
    found = [text.split() for text in result.output.splitlines()]
    return {words[1]: words[0] for words in found if words and words[0] in ("ok", "warn", "FAIL", "skip")}


def arinova(
    peer: Peer,
    *,
    upgrade: bytes | None = None,
    answer: str = '{"type":"auth_ok","agentName":"Ada"}',
    status: str = "200 OK",
    headers: str = "",
    tls: bool = False,
    heard: list[bytes] | None = None,
) -> None:
    """Play an Arinova server with one connection."""
    if tls:
        peer.start_tls()
    head = peer.read_head()
    if b"upgrade: websocket" not in head.lower():
        peer.send(f"HTTP/1.1 {status}\r\n{headers}Content-Length: 2\r\n\r\n[]".encode())
        return
    if upgrade is not None:
        peer.send(upgrade)
        return
    peer.send(peer.accept_answer(head))
    while True:
        opcode, payload = peer.read_frame()
        if heard is not None:
            heard.append(payload)
        if opcode == websocket_frames.CLOSE:
            return
        peer.send(frame(b'{"type":"pong"}' if payload == b'{"type":"ping"}' else answer.encode()))


def test_a_server_where_nothing_is_wrong(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARINOVA_BOT_TOKEN", server.bot_token)
    result = examine(server.url)
    assert result.exit_code == 0
    assert set(marks(result).values()) == {"ok"}
    assert "agree" in line(result, "clock")
    assert "authenticated as Agent" in line(result, "authentication")
    assert "answered with status 200" in line(result, "HTTP")
    assert "takes the place of a running connection" in result.output
    assert "Nothing is wrong." in result.output
    assert server.bot_token not in result.output
    server.wait_for_disconnect()
    told = [record.type for record in server.frames if record.direction == "in"]
    assert told == ["agent_auth", "ping", "websocket.close"]


def test_a_task_that_comes_meanwhile_gets_no_answer(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARINOVA_BOT_TOKEN", server.bot_token)
    server.inject("early-task")
    assert examine(server.url).exit_code == 0
    server.wait_for_disconnect()
    told = [record.type for record in server.frames if record.direction == "in"]
    assert told == ["agent_auth", "ping", "websocket.close"]


def test_a_refused_token(server: LocalServer) -> None:
    result = examine(server.url)
    assert result.exit_code == 1
    assert line(result, "authentication").startswith("FAIL")
    assert "the server refused the token: Invalid bot token" in line(result, "authentication")
    assert "→ check the token" in line(result, "authentication")
    assert "failed (401)" in line(result, "HTTP")
    assert marks(result)["ping"] == "skip"
    assert "Begin with the first line that says FAIL." in result.output


def test_what_a_server_repeats_of_the_token_is_masked() -> None:
    with serving(partial(arinova, answer=f'{{"type":"auth_error","error":"no {TOKEN}"}}')) as fake:
        result = examine(f"http://127.0.0.1:{fake.port}")
    assert "no •••" in line(result, "authentication")


def test_a_passing_refusal_is_called_one() -> None:
    refusal = '{"type":"auth_error","error":{"message":"busy","code":"503"}}'
    with serving(partial(arinova, answer=refusal)) as fake:
        result = examine(f"http://127.0.0.1:{fake.port}")
    assert "refused the token: busy (503)" in line(result, "authentication")
    assert "try again in a moment" in line(result, "authentication")


def test_without_authentication_nothing_is_sent_on_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    with serving(partial(arinova, heard=heard)) as fake:
        result = examine(f"http://127.0.0.1:{fake.port}", "--no-auth")
        assert result.exit_code == 0
        assert (marks(result)["authentication"], marks(result)["HTTP"]) == ("skip", "ok")
        monkeypatch.delenv("ARINOVA_BOT_TOKEN")
        assert examine(f"http://127.0.0.1:{fake.port}", "--no-auth").exit_code == 0
    assert heard == []


def test_without_a_token_a_401_is_as_it_should_be(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARINOVA_BOT_TOKEN")
    result = examine(server.url, "--no-auth")
    assert result.exit_code == 0
    assert "status 401, as expected without a token" in line(result, "HTTP")


def test_a_token_that_serves_once_is_not_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARINOVA_BOT_TOKEN", "obt_once")
    heard: list[bytes] = []
    with serving(partial(arinova, heard=heard)) as fake:
        result = examine(f"http://127.0.0.1:{fake.port}")
    assert heard == []
    assert "is valid once, and the agent needs it" in line(result, "authentication")


def test_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = examine(f"http://127.0.0.1:{port}")
    assert result.exit_code == 1
    assert f"127.0.0.1 port {port}: the connection was refused" in line(result, "connection")
    assert "→ check host and port of server_url" in line(result, "connection")
    assert list(marks(result).values()).count("FAIL") == 1


def test_a_name_that_is_none() -> None:
    result = examine("http://no-such-host.invalid")
    assert "no-such-host.invalid was not found" in line(result, "name")
    assert marks(result)["connection"] == "skip"
    assert "→ check the host in server_url" in line(examine(f"http://{'x' * 64}.invalid"), "name")


def test_a_listener_that_never_answers_ends_with_the_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = examine(f"http://127.0.0.1:{silent.getsockname()[1]}", "--timeout", "0.3")
    assert result.exit_code == 1
    assert marks(result)["connection"] == "ok"
    assert "the peer did not answer in time" in line(result, "WebSocket")
    assert line(result, "HTTP").startswith("FAIL")


def test_a_look_up_that_hangs_ends_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    def getaddrinfo(*_: object, flags: int = 0, **__: object) -> list[object]:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        done.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    result = examine("http://example.com", "--timeout", "0.1")
    done.set()
    assert "timed out" in line(result, "name")
    assert "--timeout" in line(result, "name")


def test_something_else_in_place_of_the_upgrade() -> None:
    refused = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with serving(partial(arinova, upgrade=refused, status="404 Not Found")) as fake:
        result = examine(f"http://127.0.0.1:{fake.port}")
    assert "the server answered HTTP 404 instead of opening a WebSocket" in line(result, "WebSocket")
    assert "→ there is none at this address: check server_url" in line(result, "WebSocket")
    assert "failed (404)" in line(result, "HTTP")
    assert marks(result)["authentication"] == "skip"


@pytest.mark.parametrize(
    ("ahead", "mark", "text"),
    [
        (datetime.timedelta(seconds=5), "ok", "agree"),
        (datetime.timedelta(hours=3, seconds=30), "FAIL", "clock is 3 hours behind the server's"),
        (datetime.timedelta(days=-400), "FAIL", "clock is 400 days ahead of the server's"),
        (datetime.timedelta(seconds=-100), "FAIL", "seconds ahead of the server's"),
        (None, "skip", "the server's answer has no date"),
    ],
)
def test_the_clock(ahead: datetime.timedelta | None, mark: str, text: str) -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    headers = "" if ahead is None else f"Date: {format_datetime(now + ahead, usegmt=True)}\r\n"
    with serving(partial(arinova, headers=headers)) as fake:
        result = examine(f"http://127.0.0.1:{fake.port}")
    assert line(result, "clock").startswith(mark)
    assert text in line(result, "clock")
    assert result.exit_code == (mark == "FAIL")


def http_proxy(credentials: str | None = None) -> Callable[[Peer], object]:
    """Play a proxy that makes tunnels and nothing else."""
    play = connect_proxy(credentials)

    def tunnel(peer: Peer) -> None:
        try:
            play(peer)
        except ValueError:
            pass  # it was asked to fetch something

    return tunnel


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Trust the authority of the tests; return the file that says so."""
    path = tmp_path / "authorities.pem"
    path.write_bytes(authority().cert_pem.bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return str(path)


@pytest.fixture
def tls_server() -> Iterator[Callable[..., str]]:
    """Run a TLS server with a certificate of the tests' authority; return its URL."""
    made: list[FaultServer] = []

    def make(*names: str, not_after: datetime.datetime | None = None) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority().issue_cert(*names, not_after=not_after).configure_cert(context)
        made.append(FaultServer(partial(arinova, tls=True), context=context))
        return f"https://127.0.0.1:{made[-1].port}"

    yield make
    for server in made:
        server.close()


def test_tls_says_whom_it_trusts_and_how_long_the_certificate_lasts(
    trusted: str, tls_server: Callable[..., str]
) -> None:
    end = NOW + datetime.timedelta(days=100, hours=1)
    result = examine(tls_server("127.0.0.1", not_after=end))
    assert result.exit_code == 0
    about = line(result, "TLS")
    assert "TLSv1.3; certificate of trustme" in about
    assert f"valid until {end.date().isoformat()} (100 days)" in about
    assert f"trusted by {trusted} (SSL_CERT_FILE)" in about
    assert about.startswith("ok")


def test_a_certificate_that_ends_soon(trusted: str, tls_server: Callable[..., str]) -> None:
    result = examine(tls_server("127.0.0.1", not_after=NOW + datetime.timedelta(days=1, hours=1)))
    assert result.exit_code == 0
    assert line(result, "TLS").startswith("warn")
    assert "(1 day)" in line(result, "TLS")
    assert "it ends soon" in line(result, "TLS")
    assert marks(result)["authentication"] == "ok"


def test_certificates_that_are_not_accepted(
    trusted: str, tls_server: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expired = tls_server("127.0.0.1", not_after=NOW - datetime.timedelta(days=1))
    other = tls_server("example.com")
    good = tls_server("127.0.0.1")
    result = examine(expired)
    assert result.exit_code == 1
    assert "certificate has expired" in line(result, "TLS")
    assert "check this machine's clock" in line(result, "TLS")
    assert (marks(result)["WebSocket"], marks(result)["HTTP"]) == ("skip", "skip")
    assert "the certificate is for another server" in line(examine(other), "TLS")
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "→ if your network has its own certificate authority" in line(examine(good), "TLS")


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_variables_of_the_agent_count_here_too(
    tls_server: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    path, url = tmp_path / "company.pem", tls_server("127.0.0.1")
    authority().cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert f"{tmp_path} (SSL_CERT_DIR)" in line(examine(url), "TLS")
    monkeypatch.setenv(name, str(path))
    result = examine(url)
    assert f"{path} ({name})" in line(result, "TLS")
    assert result.exit_code == 0


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSLKEYLOGFILE"])
def test_a_variable_that_cannot_be_used_is_named(
    tls_server: Callable[..., str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "/no/such/file")
    result = examine(tls_server("127.0.0.1"))
    assert result.exit_code == 1
    assert f"{name} names a file that cannot be" in line(result, "TLS")
    assert "→ correct the variable, or unset it" in line(result, "TLS")


def test_what_the_strict_checks_of_later_pythons_miss_in_a_companys_certificate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From Python 3.13 it is refused; before that it works, and the doctor tells of what is to come."""
    path, context = careless_company(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with closing(FaultServer(partial(arinova, tls=True), context=context)) as server:
        result = examine(f"https://127.0.0.1:{server.port}")
    about = line(result, "TLS")
    assert "Missing Authority Key Identifier" in about
    assert "ssl.VERIFY_X509_STRICT" in about
    assert f"{path} (REQUESTS_CA_BUNDLE)" in about
    strict = bool(ssl.create_default_context().verify_flags & ssl.VERIFY_X509_STRICT)
    assert about.startswith("FAIL" if strict else "warn")
    assert "without the strict checks of Python 3.13 it is accepted" in about or not strict
    assert "which Python 3.13 and later refuse by default" in about or strict


def careless_company(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Return a company's authority, and a server's context, whose certificates lack what they should have."""
    names = [
        x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, name)]) for name in ("ACME", "chat")
    ]
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in names]
    files = []
    for name, key, extension in (
        (names[0], keys[0], x509.BasicConstraints(ca=True, path_length=None)),
        (names[1], keys[1], x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])),
    ):
        certificate = x509.CertificateBuilder(
            names[0], name, key.public_key(), x509.random_serial_number(), NOW, NOW + datetime.timedelta(99)
        ).add_extension(extension, critical=True)
        files.append(folder / f"{len(files)}.pem")
        files[-1].write_bytes(
            certificate.sign(keys[0], hashes.SHA256()).public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1])
    return files[0], context


def test_tls_to_a_server_without() -> None:
    with serving(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as fake:
        result = examine(f"https://127.0.0.1:{fake.port}")
    assert "→ check scheme and port of server_url" in line(result, "TLS")


def test_a_proxy_with_credentials_that_are_never_shown(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARINOVA_BOT_TOKEN", server.bot_token)
    monkeypatch.setattr("arinova_agent_sync.net.proxies._is_loopback", lambda _: False)
    with serving(http_proxy("me:swordfish")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:swordfish@127.0.0.1:{proxy.port}")
        result = examine(server.url)
        assert f"http://127.0.0.1:{proxy.port}, with credentials" in line(result, "proxy")
        assert "the proxy leads to 127.0.0.1" in line(result, "tunnel")
        assert marks(result)["authentication"] == "ok"
        monkeypatch.setenv("HTTP_PROXY", f"http://me:wrongfish@127.0.0.1:{proxy.port}")
        refused = examine(server.url)
    assert "answered HTTP 407" in line(refused, "tunnel")
    assert "→ check its user and password" in line(refused, "tunnel")
    assert marks(refused)["TLS"] == "skip"
    for output in (result.output, refused.output):
        assert "swordfish" not in output
        assert "wrongfish" not in output


def test_a_socks_proxy(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARINOVA_BOT_TOKEN", server.bot_token)
    with serving(socks5([], server.port, user="me")) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://me:secret@127.0.0.1:{proxy.port}")
        result = examine("http://chat.test")
        assert f"socks5://127.0.0.1:{proxy.port}, with credentials" in line(result, "proxy")
        assert "the proxy leads to chat.test port 80" in line(result, "tunnel")
        assert (marks(result)["authentication"], marks(result)["HTTP"]) == ("ok", "ok")
        monkeypatch.setenv("ALL_PROXY", f"socks5://me:wrong@127.0.0.1:{proxy.port}")
        refused = examine("http://chat.test")
    assert "did not make the connection" in line(refused, "tunnel")
    assert "secret" not in result.output


def test_a_proxy_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "https://me:swordfish@127.0.0.1:1")
    result = examine("http://arinova.invalid:1")
    assert "ALL_PROXY must be http://" in line(result, "proxy")
    assert "swordfish" not in result.output
    assert "unset it" in line(result, "proxy")


def test_a_token_in_clear_over_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(http_proxy()) as proxy, serving(arinova) as fake:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        result = examine(f"http://arinova.invalid:{fake.port}", "--no-auth")
    assert line(result, "TLS").startswith("warn")
    assert "the token is sent unencrypted" in line(result, "TLS")


def test_json(server: LocalServer, command: Callable[..., Command]) -> None:
    examined = command("doctor", "--server-url", server.url, "--json", ARINOVA_BOT_TOKEN=TOKEN)
    assert examined.exit_code() == 1
    found = json.loads(examined.out.text)
    assert (found["server"], found["ok"]) == (server.url, False)
    checks = {check["name"]: check for check in found["checks"]}
    assert checks["WebSocket"] | {"status": "ok", "advice": ""} == checks["WebSocket"]
    assert checks["authentication"]["status"] == "fail"
    assert checks["ping"]["seconds"] is None
    assert "takes the place" in examined.err.text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "no server is named: give --server-url or set ARINOVA_SERVER_URL"),
        (["--server-url", "nonsense"], "'--server-url': must start with"),
        (["--server-url", "http://x", "--bot-token", "a b"], "'--bot-token': a token may contain printable"),
        (["--server-url", "http://x"], "no bot token is given: give --token-file or set ARINOVA_BOT_TOKEN"),
        (["--server-url", "http://x", "--token-file", "none"], "'--token-file': none cannot be read"),
        (["--server-url", "http://x", "one"], "unexpected extra argument (one)"),
        *(
            (
                ["--timeout", wrong],
                f"'--timeout': it must be a number of seconds above 0, such as 30 or 2.5, not {wrong!r}",
            )
            for wrong in ("x", "0", "nan", "inf", "30s")
        ),
    ],
)
def test_wrong_arguments_are_told(
    arguments: list[str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARINOVA_BOT_TOKEN")
    result = CliRunner().invoke(doctor, arguments)
    assert result.exit_code == 2
    assert problem in result.output


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("ARINOVA_SERVER_URL", "nonsense", "'ARINOVA_SERVER_URL': must start with"),
        ("ARINOVA_BOT_TOKEN", "a b", "'ARINOVA_BOT_TOKEN': a token may contain printable"),
    ],
)
def test_a_wrong_environment_variable_is_named(
    variable: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARINOVA_SERVER_URL", "http://127.0.0.1:9")
    monkeypatch.setenv(variable, value)
    result = CliRunner().invoke(doctor, [])
    assert result.exit_code == 2
    assert problem in result.output


@pytest.mark.parametrize(("keys", "mark"), [("\n", "skip"), ("y\n", "ok")])
def test_in_a_terminal_it_asks_before_it_takes_the_place_of_an_agent(
    server: LocalServer, tmp_path: Path, keys: str, mark: str
) -> None:
    token = tmp_path / "token"
    token.write_text(server.bot_token)
    terminal = Terminal(
        *(sys.executable, "-m", "arinova_agent_sync", "doctor"),
        *("--server-url", server.url, "--token-file", str(token)),
    )
    try:
        terminal.expect("Go on with it? [y/N]")
        terminal.type(keys)
        assert terminal.exit_code() == 0
    finally:
        terminal.close()
    assert f"{mark:<4}" in next(text for text in terminal.shown.splitlines() if "authentication" in text)
