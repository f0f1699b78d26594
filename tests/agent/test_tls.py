"""The agent over TLS, from many threads."""

from __future__ import annotations

import ssl

import pytest
import trustme

from arinova_agent_sync import ConnectTimeout
from tests.tls_front import TlsFront

TASKS, CHUNKS = 8, 200


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def front(server, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    front = TlsFront(server.port, context)
    yield front
    front.close()


@pytest.fixture
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_answers_of_many_threads_over_tls(server, make_agent, front, trusting):
    agent = make_agent(server, server_url=f"https://localhost:{front.port}", ssl_context=trusting)

    @agent.on_task
    def handle(task):
        for number in range(CHUNKS):
            yield f"{task.content}{number} "

    agent.connect(5)
    replies = [server.conversation().say(f"t{task}-") for task in range(TASKS)]
    for task, reply in enumerate(replies):
        assert reply.wait(20) == "completed"
        assert reply.text == "".join(f"t{task}-{number} " for number in range(CHUNKS))
    assert agent.stats().connections == 1


def test_the_environment_names_the_authority(server, make_agent, front, authority, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(tmp_path / "company.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "company.pem"))
    agent = make_agent(server, server_url=f"https://localhost:{front.port}")
    agent.connect(5)
    assert agent.connected


@pytest.mark.parametrize("name", ["SSLKEYLOGFILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_variable_that_cannot_be_used_is_told_by_connect(
    server, make_agent, front, tmp_path, monkeypatch, name, caplog
):
    for other in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, str(tmp_path / "missing" / "file"))
    agent = make_agent(server, server_url=f"https://localhost:{front.port}")
    with pytest.raises(ValueError, match=f"^{name} names a file that cannot be"):
        agent.connect(5)
    assert "bug" not in caplog.text


def test_a_certificate_that_is_not_trusted_is_said_so(server, make_agent, front, package_log):
    agent = make_agent(server, server_url=f"https://localhost:{front.port}")
    with pytest.raises(ConnectTimeout):
        agent.connect(0.1)
    package_log.wait_for("certificate", 10)
