"""What the package's own rooms do with an agent: leading it elsewhere and back, and seeing its starts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from arinova_agent_sync import ArinovaAgent, _internals, run
from arinova_agent_sync.local import LocalServer


def agent_of_a_program() -> ArinovaAgent:
    return ArinovaAgent(
        server_url="https://chat.example", bot_token="ari_of_the_program", shutdown_timeout=1.0
    )


def test_an_agent_is_led_to_another_server_and_back(server: LocalServer) -> None:
    agent = agent_of_a_program()
    api = agent.api
    restore = _internals.redirect(agent, server_url=server.url, bot_token=server.bot_token, proxy="")
    assert _internals.token_of(agent) == server.bot_token
    assert _internals.settings_of(agent).shutdown_timeout == 1.0
    assert agent.api.server_url == server.url
    with agent:
        server.wait_for_agent()
    restore()
    assert _internals.settings_of(agent).server_url == "https://chat.example"
    assert _internals.token_of(agent) == "ari_of_the_program"
    assert agent.api is api


def test_one_that_speaks_there_already_keeps_its_client_and_a_claimed_token() -> None:
    agent = agent_of_a_program()
    api = agent.api
    _internals.redirect(agent, server_url="https://chat.example", bot_token="ari_of_the_program")
    assert agent.api is api


def test_a_start_is_seen_before_it_happens_and_only_inside_the_block(server: LocalServer) -> None:
    agent, seen = agent_of_a_program(), []

    def point(each: ArinovaAgent) -> None:
        seen.append(_internals.engine_of(each))
        _internals.redirect(each, server_url=server.url, bot_token=server.bot_token, proxy="")

    with _internals.before_starts(point):
        agent.connect(5.0)
    assert seen == [None]
    assert agent.connected
    agent.disconnect()
    agent.connect(5.0)
    agent.disconnect()
    assert seen == [None]


def test_a_run_is_taken_over_by_the_latest_that_wants_it(server: LocalServer) -> None:
    agent, taken = agent_of_a_program(), []

    def take(agents: Sequence[ArinovaAgent]) -> bool:
        taken.append(("first", *agents))
        return True

    def look(agents: Sequence[ArinovaAgent]) -> bool:
        taken.append(("second", *agents))
        return False

    with _internals.instead_of_run(take), _internals.instead_of_run(look):
        agent.run()
        run(agent)
    assert taken == 2 * [("second", agent), ("first", agent)]
    assert _internals.engine_of(agent) is None


def test_what_takes_a_run_over_may_fail_and_is_asked_no_more(server: LocalServer) -> None:
    agent, started = agent_of_a_program(), []

    def fail(agents: Sequence[ArinovaAgent]) -> bool:
        raise LookupError("not today")

    with pytest.raises(LookupError, match="not today"), _internals.instead_of_run(fail):
        agent.run()
    _internals.redirect(agent, server_url=server.url, bot_token=server.bot_token, proxy="")
    agent.on("connected", lambda: (started.append(True), agent.disconnect()))
    agent.run()
    assert started == [True]


def test_a_run_of_no_agents_is_offered_to_nobody() -> None:
    with (
        _internals.instead_of_run(lambda agents: pytest.fail("it was asked")),
        pytest.raises(ValueError, match="at least one"),
    ):
        run()
