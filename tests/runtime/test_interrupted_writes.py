"""An exception at any bytecode of the writer's functions: locks are released, and nothing is lost in silence.

A user's thread may be interrupted anywhere: by Ctrl-C, and by libraries that throw a time-out into a thread.
"""

from __future__ import annotations

import dis
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from functools import cache, partial
from types import CodeType, FrameType

import pytest

from arinova_agent_sync.protocol import frames, outbox
from arinova_agent_sync.protocol.pieces import Terminal
from arinova_agent_sync.runtime import state_changes, writer
from arinova_agent_sync.runtime.running_task import RunningTask
from arinova_agent_sync.runtime.state_changes import StateChanges

from .writer_bench import Bench, arrived

MOST = 5_000  # bytecodes
MODULES = (writer.__file__, state_changes.__file__)
OUTBOX = (*MODULES, outbox.__file__)


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


def patient(bench: Bench) -> None:
    """Wait until another thread has written, then write."""
    waiting, given_up = bench.writer._turn_ended, threading.Event()
    bench.writer._turn = object()

    def write() -> None:
        while not (waiting.waiters or given_up.is_set()):
            time.sleep(0)
        bench.writer._end_turn()

    other = threading.Thread(target=write)
    other.start()
    try:
        with bench.state.lock:
            bench.state.outbox.add_chunk(bench.task.answer, "two ")
        bench.writer.flush(60.0)
    finally:
        given_up.set()
        other.join()


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
    """Raises Interrupt at the n-th bytecode that the functions of the writer, and of its waits, run."""

    def __init__(self, number: int, modules: Collection[str] = MODULES) -> None:
        self.left = number
        self.modules = modules

    def __call__(self, frame: FrameType, event: str, arg: object) -> Callable[..., object] | None:
        if frame.f_code.co_filename not in self.modules:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and frame.f_lasti not in beyond_reach(frame.f_code):
            self.left -= 1
            if self.left == 0:
                raise Interrupt
        return self


def is_interrupted(act: Callable[[], object], tracer: Tracer, before: object) -> bool:
    """Do something under a tracer, then trace as before; tell whether the tracer has interrupted it."""
    sys.settrace(tracer)
    try:
        act()
    except Interrupt:
        return True
    finally:
        sys.settrace(before)  # type: ignore[arg-type]
    return False


def at_every_bytecode(
    make: Callable[[], Bench], act: Callable[[Bench], None], modules: Collection[str] = MODULES
) -> Iterator[tuple[Bench, int]]:
    """Do something again and again, each time interrupted a bytecode later; the last time it is not."""
    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = (
        True  # Python 3.12 traces bytecodes only if a frame wanted it before settrace()
    )
    for number in range(1, MOST):
        bench = make()
        interrupted = is_interrupted(partial(act, bench), Tracer(number, modules), before)
        yield bench, number
        if not interrupted:
            assert bench.links[0].said[0] == "one "
            assert number > 50
            return
    pytest.fail("the writer ran on and on")


@pytest.mark.parametrize("act", [straight, piled, ended, patient])
def test_at_every_bytecode(act: Callable[[Bench], None]) -> None:
    for bench, number in at_every_bytecode(Bench, act):
        check_bench(bench, number)


class Company(Bench):
    """A writer with other threads: during its next write one leaves a frame and goes on, and one waits its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.waiter: threading.Lock | None = None
        self.links[0].meanwhile = self.come

    def come(self) -> None:
        """Leave the frame, and begin to wait."""
        self.links[0].meanwhile = lambda: None
        self.waiter = threading.Lock()
        self.waiter.acquire()
        with self.state.lock:
            self.state.outbox.add_frame(b'{"type":"other"}')
            self.writer._turn_ended.waiters.append(self.waiter)

    def do_what_is_due(self) -> None:
        """Do what the pinger does."""
        while (timer := self.state.timers.take(self.now)) is not None:
            if timer == "recover":
                self.writer.recover()
            self.writer.flush(until_due=True)


@pytest.mark.parametrize("act", [straight, piled, ended])
def test_who_counts_on_a_writer_is_not_let_down(act: Callable[[Bench], None]) -> None:
    for bench, number in at_every_bytecode(Company, act):
        assert isinstance(bench, Company)
        if bench.waiter is not None:
            bench.do_what_is_due()
            assert not bench.waiter.locked(), number
            assert "other" in bench.said or bench.links[0].aborted, number


class Ends(Bench):
    """A writer for which the ends of three tasks wait."""

    def __init__(self) -> None:
        super().__init__()
        with self.state.lock:
            for task_id in ("t2", "t3", "t4"):
                answer = RunningTask(arrived(task_id, None)).answer
                self.state.outbox.add_terminal(Terminal(answer, frames.agent_error(task_id, "no"), "no"))


def test_no_end_is_lost_on_its_way_out_of_the_outbox() -> None:
    for bench, number in at_every_bytecode(Ends, lambda bench: bench.writer.flush(), OUTBOX):
        bench.writer.recover()
        said = bench.said.count("agent_error")
        waiting = list(bench.state.outbox.entries)
        assert len(set(waiting)) == len(waiting), number
        assert said + len(waiting) >= 3, number
        assert said + len(waiting) == 3 or bench.links[0].aborted, number


def test_all_who_wait_are_told_in_the_end() -> None:
    before = sys.gettrace()
    sys._getframe().f_trace_opcodes = True
    for number in range(1, MOST):
        changes = StateChanges(threading.Lock())
        waiters = [threading.Lock(), threading.Lock()]
        for waiter in waiters:
            waiter.acquire()
        changes.waiters = [*waiters]
        interrupted = is_interrupted(changes.notify_all, Tracer(number), before)
        changes.notify_all()
        assert not any(waiter.locked() for waiter in waiters), number
        if not interrupted:
            return
    pytest.fail("it told them on and on")


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
