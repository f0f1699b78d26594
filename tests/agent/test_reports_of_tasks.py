"""What tasks report of their models arrives, in the form that each server takes."""

from __future__ import annotations

from typing import Any

import pytest

from arinova_agent_sync.local import LocalServer


@pytest.mark.parametrize(
    ("generation", "frame"), [("march", "agent_telemetry"), ("august", "tool_call_report")]
)
def test_a_tool_call_arrives(generation: Any, frame: str, make_agent: Any) -> None:
    with LocalServer(generation=generation) as server:
        agent = make_agent(server)

        @agent.on_task
        def handle(task):
            with task.tool_call("search", {"q": 1}) as call:
                call.output = 2
            task.send_usage("a-model", input=3)
            return "done"

        agent.connect(5)
        conversation = server.conversation()
        assert conversation.say("hi").wait(5) == "completed"
        report = server.wait_for_frame(frame, 5)
        told = report["data"] if generation == "march" else report["report"]
        assert (told["toolName"], told["sessionId"]) == ("search", conversation.id)
        usage = server.wait_for_frame("agent_telemetry", 5, event="llm_output")
        assert usage["data"]["usage"] == {"input": 3}


def test_after_the_end_they_are_nothing(make_agent: Any) -> None:
    with LocalServer() as server:
        agent = make_agent(server)
        tasks = []
        agent.on_task(lambda task: (tasks.append(task), "done")[1])
        agent.connect(5)
        assert server.conversation().say("hi").wait(5) == "completed"
        agent.disconnect()
        tasks[0].send_usage(input=1)
