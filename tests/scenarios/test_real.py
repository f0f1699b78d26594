"""How the environment names a real server."""

from __future__ import annotations

import pytest

from .real import RealServer

GIVEN = {
    "ARINOVA_REAL_URL": "http://127.0.0.1:21001/",
    "ARINOVA_REAL_TOKEN": "ari_1",
    "ARINOVA_REAL_NAME": "Ann",
    "ARINOVA_REAL_SESSION": "session=1",
    "ARINOVA_REAL_CONVERSATION": "c1",
}


def test_without_an_address_there_is_none() -> None:
    assert RealServer.of_environment({}) is None
    assert RealServer.of_environment({**GIVEN, "ARINOVA_REAL_URL": ""}) is None


def test_another_agent_and_a_group_may_be_left_out() -> None:
    server = RealServer.of_environment(GIVEN)
    assert server == RealServer("http://127.0.0.1:21001", ["ari_1"], ["Ann"], "session=1", "c1")
    more = {"ARINOVA_REAL_TOKEN_2": "ari_2", "ARINOVA_REAL_NAME_2": "Bob", "ARINOVA_REAL_GROUP": "g1"}
    server = RealServer.of_environment({**GIVEN, **more})
    assert server is not None and (server.tokens, server.names, server.group) == (
        ["ari_1", "ari_2"],
        ["Ann", "Bob"],
        "g1",
    )


@pytest.mark.parametrize("name", list(GIVEN)[1:])
def test_half_of_it_is_a_mistake(name: str) -> None:
    with pytest.raises(ValueError, match=f"^ARINOVA_REAL_URL is set, and {name} is not$"):
        RealServer.of_environment({**GIVEN, name: ""})
