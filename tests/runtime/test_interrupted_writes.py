"""An exception at any bytecode of the writer's functions: locks are released, and nothing is lost in silence.

A user's thread may be interrupted anywhere: by Ctrl-C, and by libraries that throw a time-out into a thread.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable
from functools import cache
from types import CodeType, FrameType

import pytest

from arinova_agent_sync.protocol import frames
from arinova_agent_sync.protocol.pieces import Terminal
from arinova_agent_sync.runtime import writer as module
from arinova_agent_sync.runtime.running_task import RunningTask

from .writer_bench import Bench, arrived

MOST = 5_000  # bytecodes


class Interrupt(BaseException):
    """What comes from outside."""


def straight(bench: Bench) -> None:
    """Write a chunk past the outbox."""
    bench.task.last_chunk = float("-inf")
    bench.writer.chunk(bench.task, "two ")


def piled(bench: Bench) -> None:
    """Put a chunk behind what waits, and write all of it."""
    with bench.state.lock:
        bench.state.outbox.add_chunk(bench.task.answer, "two ")
    bench.writer.flush()


def ended(bench: Bench) -> None:
    """Write the end of another task."""
    other = RunningTask(arrived("t2", "c2"))
    with bench.state.lock:
        bench.state.outbox.add_terminal(Terminal(other.answer, frames.agent_error("t2", "no"), "no"))
    bench.writer.flush(1.0)


@cache
def beyond_reach(code: CodeType) -> set[int]:
    """Return the offsets between the end of a with block and the call of its exit, and of what only marks a line.

    The interpreter looks for exceptions from outside after calls, at jumps back and where functions begin: never at
    these places, where nothing would catch one.
    """
    instructions = list(dis.get_instructions(code))
    found = {each.offset for each in instructions if each.opname == "NOP"}
    for place, _ in enumerate(instructions):
        nones = instructions[place : place + 3]
        if len(nones) == 3 and all(each.opname == "LOAD_CONST" and each.argval is None for each in nones):
            found |= {each.offset for each in instructions[place : place + 6]}
        after = [each.opname for each in instructions[place : place + 5]]
        if after == ["POP_BLOCK", "LOAD_CONST", "DUP_TOP", "DUP_TOP", "CALL_FUNCTION"]:  # Python 3.10
            found |= {each.offset for each in instructions[place : place + 5]}
    return found


class Tracer:
    """Raises Interrupt at the n-th bytecode that the writer's functions run."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: FrameType, event: str, arg: object) -> Callable[..., object] | None:
        if frame.f_code.co_filename != module.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and frame.f_lasti not in beyond_reach(frame.f_code):
            self.left -= 1
            if self.left == 0:
                raise Interrupt
        return self


@pytest.mark.parametrize("act", [straight, piled, ended])
def test_at_every_bytecode(act: Callable[[Bench], None]) -> None:
    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = (
        True  # Python 3.12 traces bytecodes only if a frame wanted it before settrace()
    )
    for number in range(1, MOST):
        bench = Bench()
        tracer = Tracer(number)
        sys.settrace(tracer)
        try:
            act(bench)
        except Interrupt:
            interrupted = True
        else:
            interrupted = False
        finally:
            sys.settrace(before)
        check_bench(bench, number)
        if not interrupted:
            assert bench.links[0].said[0] == "one "
            assert number > 50
            return
    pytest.fail("the writer ran on and on")


def check_bench(bench: Bench, number: int) -> None:
    state, first = bench.state, bench.links[0]
    assert not state.lock.locked(), number
    if state.timers.take(1000.0) is not None:  # the pinger's turn
        bench.writer.recover()
    assert bench.writer._turn is None, number
    if first.aborted:
        assert state.link is None, number
        bench.connect()
    else:
        assert state.link is not None, number
    bench.writer.flush()
    assert not state.outbox.entries, number
    bench.task.last_chunk = float("-inf")
    assert bench.writer.chunk(bench.task, "three"), number
    said = bench.said
    assert said[-1] == "three", number
    # Whatever was said is on the wire, or counted as written on the connection that was dropped: then the next one
    # begins with the whole text, or tells a gap.
    answer = bench.task.answer
    streamed = "".join(text for text in said if not text.startswith("agent_"))
    assert answer.written >= len(answer.text) or first.aborted, number
    if not first.aborted:
        assert streamed == answer.text, number
    assert said.count("agent_error") <= 2, number
