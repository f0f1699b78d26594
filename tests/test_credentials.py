"""The token in use, and the HTTP client that speaks for it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from arinova_agent_sync import ArinovaAgent, ArinovaClient, errors
from arinova_agent_sync.credentials import Credentials
from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.settings import check

Make = Callable[..., ArinovaAgent]


def test_one_client_before_during_and_after_a_connection(server: LocalServer, make_agent: Make) -> None:
    agent = make_agent(server)
    api = agent.api
    assert isinstance(api, ArinovaClient)
    conversation = server.conversation()
    api.messages.send(conversation.id, "before")

    @agent.on_task
    def handle(task):  # type: ignore[no-untyped-def]
        assert agent.api is api
        agent.api.messages.send(task.conversation_id, "during")
        return "answer"

    with agent:
        assert conversation.say("hello").wait() == "completed"
    api.messages.send(conversation.id, "after")
    sent = [message.content for message in api.messages.history(conversation.id) if message.role == "agent"]
    assert sorted(sent) == ["after", "answer", "before", "during"]
    assert agent.api is api
    api.close()


def test_a_claimed_token_is_used_from_then_on(make_agent: Make) -> None:
    with LocalServer(generation="august") as server:
        agent = make_agent(server, bot_token=server.add_bootstrap_token())
        conversation = server.conversation()
        before = agent.api
        with pytest.raises(errors.PermissionDeniedError):
            before.messages.send(conversation.id, "too early")
        with agent:
            before.messages.send(conversation.id, "with the new token")
        assert agent.api is before
        before.close()


def test_a_token_that_http_cannot_carry_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    account = Credentials(check({"server_url": "http://127.0.0.1:9", "bot_token": "ari_old-token"}))
    api = account.api
    account.replace_token("ari_né\r\nw-token")
    assert account.token == "ari_né\r\nw-token"
    assert api._transport.session.token == "ari_old-token"
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "printable ASCII" in record.getMessage()
    assert "w-token" not in record.getMessage()


def test_many_threads_get_the_same_client() -> None:
    account = Credentials(check({"server_url": "http://127.0.0.1:9", "bot_token": "ari_token"}))
    found: list[ArinovaClient] = []
    threads = [threading.Thread(target=lambda: found.append(account.api)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(api) for api in found}) == 1
    assert len(found) == 50


def test_an_agent_that_uses_no_http_loads_none() -> None:
    """Importing, connecting, answering and stopping."""
    with LocalServer(duplicate_window=0) as server:
        code = f"""
import sys
from arinova_agent_sync import ArinovaAgent
imported = "urllib3" in sys.modules
agent = ArinovaAgent(server_url={server.url!r}, bot_token={server.bot_token!r})
agent.on_task(lambda task: task.content.upper())
agent.connect(10)
sys.stdin.readline()
agent.disconnect()
import json
print(json.dumps([imported, "urllib3" in sys.modules, "asyncio" in sys.modules]))
"""
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with process:
            reply = server.conversation().say("hello")
            assert (reply.wait(), reply.text) == ("completed", "HELLO")
            printed, _ = process.communicate("that is all\n", timeout=20)
    assert json.loads(printed) == [False, False, False]
