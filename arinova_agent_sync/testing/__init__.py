"""A kit to test handlers and agents with: no socket, no account, no extra dependency.

``run_task`` runs one handler as an agent does and returns what came of it::

    from arinova_agent_sync.testing import run_task

    def test_it_greets():
        assert run_task(handle, "hi").text == "Hello!"

The pytest fixtures ``arinova_server`` and ``arinova_agent`` come with the package too; they need its extra
``playground``.
"""

from .fixtures import AgentFactory
from .running import run_task
from .transcript import ActionCall, Status, Timings, Transcript, Upload

__all__ = ["ActionCall", "AgentFactory", "Status", "Timings", "Transcript", "Upload", "run_task"]
