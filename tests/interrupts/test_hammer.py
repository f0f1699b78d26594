"""Random cancels amid requests of others; ``python -m tests.interrupts.hammer 10000`` is the long form."""

from __future__ import annotations

import os

import pytest

from arinova_agent_sync.interrupts.scope import Scope

from .hammer import STACKS, hammer

CANCELS = int(os.environ.get("ARINOVA_HAMMER_CANCELS", "50"))


@pytest.mark.slow
@pytest.mark.timeout(60 + CANCELS)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("stack", STACKS)
def test_no_innocent_request_fails(stack: str, tls: bool, trusted: str) -> None:
    pytest.importorskip(stack)
    done = hammer(stack, tls, CANCELS, trusted)
    assert done.failures == []
    assert done.count["cancels"] >= CANCELS
    assert done.count["ended by a cancel"] > CANCELS / 2
    assert done.count["answered"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("stack", STACKS)
def test_the_hammer_has_teeth(stack: str, trusted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a scope that keeps what was given up, it strikes others."""
    pytest.importorskip(stack)
    monkeypatch.setattr(Scope, "give_up", lambda scope, thing: None)
    done = hammer(stack, False, 10_000, trusted, until_failure=True)
    assert done.failures != []
