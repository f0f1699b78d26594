"""The sample agent among others of its kind."""

from __future__ import annotations

import pytest

from arinova_agent_sync.local import LocalServer
from arinova_agent_sync.playground.sample import make_agent


def test_agents_that_are_asked_for_each_other_come_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxy is set, which is of no use on this machine."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with LocalServer(agent_name="Otto") as server:
        accounts = [server.agent, server.add_agent("Iris"), server.add_agent("Mia")]
        agents = [make_agent(server.url, account.token, pause=0) for account in accounts]
        try:
            for agent in agents:
                agent.connect(10)
            group = server.conversation(type="group")
            group.say("hi @Otto ask Iris")
            # Otto and Mia ask Iris in the same words, which the server takes for one. Nobody answers her answers.
            seen = 0
            while seen < len(group.replies):
                group.replies[seen].wait(10)
                seen += 1
            answers = [row.sender_name for row in group.messages if row.role == "agent"]
            assert sorted(answers) == ["Iris", "Iris", "Mia", "Otto"]
        finally:
            for agent in agents:
                agent.disconnect(2)
