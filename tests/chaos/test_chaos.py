"""Chaos itself: the fast part of `make chaos`, and clients that are broken on purpose, which must be found out."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.raw_agent import RawAgent

from . import plans
from .chaos import Report, run
from .judge import Kind, Loss, Said, Told, judge
from .process import Options, ServerProcess
from .truth import MOODS, Mood, Row, token

_SHOWN = 5  # losses of a failed run


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("mood", MOODS[:2])
def test_nothing_is_lost(mood: Mood, tls: bool) -> None:
    report = run(Options(faults=125, seed=7, mood=mood, tls=tls))
    bad = [loss for loss in report.losses if loss.kind != "told lost"]
    if report.failed:
        pytest.fail("\n\n".join([report.line, *map(report.explain, bad[:_SHOWN])]), pytrace=False)


@pytest.mark.slow
def test_a_network_that_is_only_slow_loses_nothing() -> None:
    report = run(Options(faults=24, only=("freeze", "drip"), agents=8, black_out=False))
    assert not report.losses, report.explain(report.losses[0])
    assert not report.failed


@pytest.mark.parametrize(
    ("kind", "fails"),
    [
        ("end lost", True),
        ("lost silently", True),
        ("told lost", False),
        ("doubled", True),
        ("hung", True),
        ("message lost", True),
    ],
)
def test_only_what_was_told_may_be_lost(kind: Kind, fails: bool) -> None:
    nothing = {"threads": 0, "descriptors": 0}
    assert Report(1, Said(), [Loss(kind, "task", "why")], nothing).failed is fails


@pytest.mark.parametrize("left", [{"threads": 1, "descriptors": 0}, {"threads": 0, "descriptors": 1}])
def test_nothing_may_be_left_behind(left: dict[str, int]) -> None:
    assert Report(1, Said(), [], left).failed
    assert not Report(1, Said(), [], dict.fromkeys(left, 0)).failed


class Client(RawAgent):
    """An agent without an SDK that answers as planned, but for what a test breaks."""

    said: Said

    def answer_next(self, *, skip: int | None = None, end: bool = True) -> str:
        """Answer the next task; leave out a piece, or the end. Return the task's id."""
        task = self.task()
        plan = plans.plan_for(task["taskId"])
        self.said.begun.add(task["taskId"])
        streamed = ""
        for number, (text, _) in enumerate(plan.pieces):
            if number != skip:
                # Whole each time: then the server mistakes no piece for a beginning.
                streamed += text
                self.chunk(task, streamed)
        if end:
            self.end(task, plan)
        self.said.ended.add(task["taskId"])
        return str(task["taskId"])

    def end(self, task: dict[str, Any], plan: plans.Plan) -> None:
        if plan.fails:
            self.error(task, plan.text)
            return
        if plan.end in ("tail", "keep"):
            self.chunk(task, plan.text)
        self.complete(task, plan.text)


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    with ServerProcess(Options(faults=1, agents=1, only=("half open, up",))) as server:
        yield server


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    client = Client(server, token=token(0))
    client.said = Said()
    yield client
    client.close()


def losses(server: ServerProcess, said: Said) -> list[tuple[str, str]]:
    found = judge([Row(**row) for row in server.ask("rows")], said) + said.unfinished()
    return [(loss.kind, loss.task_id) for loss in found]


def next_streamed(server: ServerProcess, client: Client) -> None:
    """Have the client answer tasks properly, until one comes whose answer is streamed in several pieces."""
    number = len(server.ask("rows"))
    while True:
        number += 1
        server.ask("task")
        plan = plans.plan_for(f"00000000-0000-4000-8000-{number:012x}")
        if plan.end == "yield" and len({text for text, _ in plan.pieces}) > 4:
            return
        client.answer_next()


def test_a_client_that_does_everything_right(server: ServerProcess, client: Client) -> None:
    for _ in range(40):
        server.ask("task")
        client.answer_next()
    client.synchronise()
    assert losses(server, client.said) == []


def test_a_client_that_loses_an_end(server: ServerProcess, client: Client) -> None:
    next_streamed(server, client)
    lost = client.answer_next(end=False)
    client.synchronise()
    assert losses(server, client.said) == [("end lost", lost)]
    client.said.told.append(Told(lost, "text"))
    assert losses(server, client.said) == [("told lost", lost)]


def test_a_client_that_loses_the_last_piece(server: ServerProcess, client: Client) -> None:
    next_streamed(server, client)
    task_id = f"00000000-0000-4000-8000-{len(server.ask('rows')):012x}"
    lost = client.answer_next(skip=len(plans.plan_for(task_id).pieces) - 1)
    client.synchronise()
    assert losses(server, client.said) == [("lost silently", lost)]
    client.send("agent_stream_gap", taskId=lost, reason="test")
    client.synchronise()
    assert losses(server, client.said) == [("told lost", lost)]


@pytest.mark.parametrize("again", ["chunk", "message"])
def test_a_client_that_says_it_twice(server: ServerProcess, client: Client, again: str) -> None:
    next_streamed(server, client)
    task = client.task()
    client.said.ended.add(task["taskId"])
    text = plans.plan_for(task["taskId"]).text
    client.chunk(task, text)
    if again == "chunk":
        client.chunk(task, text[1:])
    client.complete(task)
    if again == "message":
        client.send("agent_send", conversationId=task["conversationId"], content=text)
    client.synchronise()
    assert losses(server, client.said) == [("doubled", task["taskId"])]


def test_a_client_that_hangs(server: ServerProcess, client: Client) -> None:
    server.ask("task")
    task = client.task()
    client.said.begun.add(task["taskId"])
    assert losses(server, client.said) == [("hung", task["taskId"])]


def test_a_client_that_trusts_a_connection_that_is_half_open(server: ServerProcess, client: Client) -> None:
    server.ask("start")  # gives tasks, too
    deadline = time.monotonic() + 5
    while not server.ask("count"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    task_id = client.answer_next()
    client.close()
    server.ask("stop faults")
    assert [kind for kind, lost in losses(server, client.said) if lost == task_id] == ["end lost"]


@pytest.mark.slow
def test_the_command_prints_a_line_for_each_run_and_for_all() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--faults=4", "--seed", "3", "4", "--tls", "--agents=4"]
    command += ["--only", "freeze", "--no-black-out", "--mood=given-up"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.partition(", tasks")[0] for line in lines] == [
        "seed 3, given-up, TLS: faults 4",
        "seed 4, given-up, TLS: faults 4",
        "all 2 runs: faults 8",
    ]
