"""How the environment names a real server, and how fast the scenarios go there."""

from __future__ import annotations

import pytest

from . import real
from .real import Pace, RealServer

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


class Clock:
    """Stand in for the module ``time``."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(real, "time", made)
    return made


def test_a_text_is_said_again_when_it_counts(clock: Clock) -> None:
    pace = Pace()
    for place, text, hurry in (("c", "a", False), ("c", "b", False), ("d", "a", False), ("c", "a", True)):
        pace.before(place, text, hurry)
    assert clock.slept == []
    clock.now += 2
    pace.before("c", "a", False)
    assert clock.slept == [3.2]


@pytest.mark.parametrize(("per_minute", "slept"), [(3, [51.0]), (4, []), (0, [])])
def test_no_more_is_said_in_a_minute_than_is_taken(clock: Clock, per_minute: int, slept: list[float]) -> None:
    pace = Pace(per_minute)
    for number in range(4):
        pace.before("c", str(number), False)
        clock.now += 10 if number == 0 else 0
    assert clock.slept == slept


def test_a_group_rests_until_nothing_counts_as_said(clock: Clock) -> None:
    pace = Pace()
    pace.rest("g")
    pace.heard("g")
    clock.now += 1
    pace.rest("g")
    assert clock.slept == [0.0, 4.2]
