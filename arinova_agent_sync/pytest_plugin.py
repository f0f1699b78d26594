"""The pytest plugin of arinova_agent_sync: the fixtures ``arinova_server`` and ``arinova_agent``.

pytest loads it in every project, so it loads what the fixtures need when one of them is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .local import LocalServer
    from .testing import AgentFactory


@pytest.fixture
def arinova_server() -> Iterator[LocalServer]:
    """An Arinova server in this process, which ends with the test. It takes the same text twice."""
    from .testing import fixtures

    try:
        yield from fixtures.serve()
    except ImportError as error:
        # Not skipped: nobody would notice that a whole suite tests nothing any more.
        pytest.fail(f"no arinova_server: {error}", pytrace=False)


@pytest.fixture
def arinova_agent(arinova_server: LocalServer) -> Iterator[AgentFactory]:
    """Connect agents to ``arinova_server``: ``arinova_agent(handler)``. They are disconnected after the test."""
    from .testing import fixtures

    yield from fixtures.connect(arinova_server)
