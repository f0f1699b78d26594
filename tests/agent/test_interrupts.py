"""Ctrl-C at any line of ours in connect(), disconnect() and wait(): the agent can be used and ended after it."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

PACKAGE = "arinova_agent_sync."
OTHERS = (PACKAGE + "local", PACKAGE + "testing")


class Interrupt:
    """Raise KeyboardInterrupt at the line of ours that is run as the so many-th in this thread.

    Not where a block of ``with`` ends: a trace function is called there, but no signal handler.
    """

    def __init__(self, at: int) -> None:
        self._left = at

    def __call__(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        name = frame.f_globals.get("__name__", "")
        return self._line if name.startswith(PACKAGE) and not name.startswith(OTHERS) else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        if event == "line" and not text.startswith("with "):
            self._left -= 1
            if self._left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self._line


def interrupted(call: Callable[[], object], at: int) -> bool:
    before = sys.gettrace()
    sys.settrace(Interrupt(at))
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # one in a weakref's callback
@pytest.mark.parametrize("name", ["connect", "disconnect", "wait"])
def test_an_agent_survives_ctrl_c_at_any_line(server, make_agent, name):
    at, step = 1, 9 if name == "connect" else 1
    while True:
        agent = make_agent(server)
        agent.on_task(lambda task: "fine")
        if name != "connect":
            agent.connect(5)
        calls = {
            "connect": lambda agent=agent: agent.connect(5),
            "disconnect": lambda agent=agent: agent.disconnect(1),
            "wait": lambda agent=agent: agent.wait(0.001),
        }
        hit = interrupted(calls[name], at)
        agent.connect(3)
        assert agent.connected
        agent.disconnect(1)
        assert agent.wait(1)
        if not hit:
            break
        at += step
    assert at > step
