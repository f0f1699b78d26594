"""The agent that is there to chat with when none is named: the parrot of the demo."""

from __future__ import annotations

import os

from ..agent import ArinovaAgent
from ..settings import BOT_TOKEN_VARIABLE, SERVER_URL_VARIABLE
from . import parrot

__all__ = ["NAME", "TARGET", "make"]

NAME = parrot.NAME
TARGET = f"{__name__}:make"
_PAUSE = 0.05  # seconds after each word


def make() -> ArinovaAgent:
    """Return the agent, for the server and the token of the environment."""
    return parrot.make_agent(os.environ[SERVER_URL_VARIABLE], os.environ[BOT_TOKEN_VARIABLE], _PAUSE)
