"""The token is shown nowhere: in no log of any library, no error, no traceback, no repr."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable

import pytest

from arinova_agent_sync import ApiError, AuthenticationError
from arinova_agent_sync.local import LocalServer


def raised(error: type[Exception], move: Callable[[], object]) -> str:
    with pytest.raises(error) as caught:
        move()
    return "".join(traceback.format_exception(caught.type, caught.value, caught.tb))


@pytest.mark.slow
def test_a_whole_life_shows_no_token(make_agent, caplog):
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    with LocalServer(generation="august", duplicate_window=0) as server:
        bootstrap = server.add_bootstrap_token(onboarding=True)
        agent = make_agent(server, bot_token=bootstrap)
        agent.on_token_claimed(lambda claim: shown.append(repr(claim)))

        @agent.on_task
        def handle(task):
            if task.content == "fail":
                raise LookupError("nothing found")
            task.fetch_history()
            return "fine"

        agent.connect(5)
        assert server.conversation().say("hi").wait(5) == "completed"
        assert server.conversation().say("fail").wait(5) == "error"
        server.inject("drop")
        server.wait_for_agent(5, times=2)
        server.send_frame({"type": "auth_error", "error": "session expired"})
        server.wait_for_agent(5, times=3)
        agent.connect(5)
        for fault in ("http-error", "http-drop"):
            with server.inject(fault):
                shown.append(raised(ApiError, lambda: agent.api.request("GET", "/notes")))
        shown.append(repr(agent.call_action("unknown", timeout=5)))
        wrong = make_agent(server, bot_token="ari_wrong_token")
        shown.append(raised(AuthenticationError, lambda: wrong.connect(5)))
        parts = (agent, agent._settings, agent._credentials, agent._engine, agent._engine.state, agent.api)
        for part in parts:
            shown += [
                repr(part),
                repr([value for name, value in getattr(part, "__dict__", {}).items() if name != "token"]),
            ]
        agent.disconnect()
        everything = "\n".join([*shown, caplog.text, *(repr(record.args) for record in caplog.records)])
        assert "connected as" in everything
        assert "claim" in everything
        for token in (bootstrap, server.bot_token, "ari_wrong_token"):
            assert token not in everything
