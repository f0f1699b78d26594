"""A server, and a client for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from arinova_agent_sync.api import ArinovaClient

from .fake_server import FakeServer

TOKEN = "ari_secret-token"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("ARINOVA_"):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as fake:
        yield fake


@pytest.fixture
def client(server: FakeServer) -> Iterator[ArinovaClient]:
    with ArinovaClient(server_url=server.url, bot_token=TOKEN) as made:
        yield made
