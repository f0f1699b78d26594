"""Which task runs next, which waits, which is refused."""

from __future__ import annotations

from collections.abc import Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arinova_agent_sync.protocol.scheduler import Duplicate, Overflow, Scheduler, Start, Wait
from arinova_agent_sync.settings import ConcurrencyMode

WORDS = {Start: "start", Overflow: "overflow", Duplicate: "duplicate"}
MODES: list[ConcurrencyMode] = ["per-conversation", "agent-wide", "unbounded"]


def scheduler(mode: ConcurrencyMode = "per-conversation", **bounds: int) -> Scheduler:
    given = {
        "max_running": 10,
        "max_waiting": 100,
        "max_consecutive": 2,
        "max_leftovers": 10,
        "max_finished": 1_024,
        **bounds,
    }
    return Scheduler(mode, **{"max_waiting_bytes": 1_000, **given})


def arrive(made: Scheduler, name: str, conversation: str | None) -> str | tuple[int, int]:
    """Return what becomes of a new task: a word, or its place and how many wait."""
    verdict = made.arrived(name, conversation)
    return tuple(verdict) if isinstance(verdict, Wait) else WORDS[type(verdict)]


def started(made: Scheduler) -> list[str]:
    """Start all that may start, as the runtime does after each change."""
    names = []
    while (name := made.next()) is not None:
        names.append(name)
    return names


def in_turn(made: Scheduler, running: str) -> list[str]:
    """Finish one task after another and return the order in which they ran."""
    order = [running]
    while True:
        made.finished(order[-1])
        names = started(made)
        if not names:
            return order
        order += names


class TestPerConversation:
    def test_one_at_a_time_in_each(self) -> None:
        made = scheduler()
        assert arrive(made, "a1", "a") == "start"
        assert arrive(made, "b1", "b") == "start"
        assert arrive(made, "a2", "a") == (0, 1)
        assert arrive(made, "a3", "a") == (1, 2)
        assert arrive(made, "b2", "b") == (0, 3)
        assert started(made) == []
        made.finished("a1")
        assert started(made) == ["a2"]
        assert (made.running, made.waiting) == (2, 2)
        assert arrive(made, "b3", "b") == (1, 3)

    def test_a_new_one_does_not_pass_one_that_waits_though_there_is_room(self) -> None:
        made = scheduler(max_running=1)
        assert [arrive(made, name, name[0]) for name in ("a1", "b1")] == ["start", (0, 1)]
        made.finished("a1")
        assert arrive(made, "b2", "b") == (1, 2)
        assert started(made) == ["b1"]
        assert in_turn(made, "b1") == ["b1", "b2"]

    def test_first_come_first_served(self) -> None:
        made = scheduler(max_running=1)
        made.arrived("a1", "a")
        for name in ("b1", "a2", "c1", "a3", "b2"):
            made.arrived(name, name[0])
        assert in_turn(made, "a1") == ["a1", "b1", "a2", "c1", "a3", "b2"]

    def test_a_busy_conversation_is_passed_over(self) -> None:
        made = scheduler(max_running=2)
        made.arrived("a1", "a")
        made.arrived("b1", "b")
        made.arrived("a2", "a")
        made.arrived("c1", "c")
        made.finished("b1")
        assert started(made) == ["c1"]

    def test_tasks_without_a_conversation_do_not_wait_for_each_other(self) -> None:
        made = scheduler()
        assert [arrive(made, name, None) for name in ("w1", "w2", "w3")] == ["start"] * 3

    def test_a_conversation_may_have_the_name_of_a_task(self) -> None:
        made = scheduler()
        assert arrive(made, "x", None) == "start"
        assert arrive(made, "y", "x") == "start"

    def test_when_all_slots_are_taken(self) -> None:
        made = scheduler(max_running=1)
        made.arrived("a1", "a")
        assert arrive(made, "b1", "b") == (0, 1)  # its place is the one in its own conversation
        assert arrive(made, "c1", "c") == (0, 2)
        assert arrive(made, "w", None) == (0, 3)


class TestAgentWide:
    def test_one_at_a_time(self) -> None:
        made = scheduler("agent-wide", max_running=10)
        assert arrive(made, "a1", "a") == "start"
        assert arrive(made, "b1", "b") == (0, 1)
        assert arrive(made, "w", None) == (0, 2)
        made.finished("a1")
        assert started(made) == ["b1"]

    @pytest.mark.parametrize(
        ("most", "arrivals", "order"),
        [
            (2, "a1 a2 a3 a4 b1", "a1 a2 b1 a3 a4"),
            (1, "a1 a2 a3 a4 b1", "a1 b1 a2 a3 a4"),
            (1, "a1 a2 a3 b1 b2 b3", "a1 b1 a2 b2 a3 b3"),
            (2, "a1 a2 a3 a4 a5 b1 b2 c1", "a1 a2 b1 a3 a4 b2 a5 c1"),
            (2, "a1 b1 a2 b2 a3 b3", "a1 b1 a2 b2 a3 b3"),
            (3, "a1 a2 a3 a4 a5 b1", "a1 a2 a3 b1 a4 a5"),
            (2, "a1 a2 a3 a4 a5", "a1 a2 a3 a4 a5"),  # nobody else waits
        ],
    )
    def test_so_many_in_a_row_while_others_wait(self, most: int, arrivals: str, order: str) -> None:
        made = scheduler("agent-wide", max_consecutive=most)
        names = arrivals.split()
        for name in names:
            made.arrived(name, name[0])
        assert in_turn(made, names[0]) == order.split()

    def test_after_a_long_row_alone_the_next_other_one_comes_first(self) -> None:
        made = scheduler("agent-wide")
        for name in ("a1", "a2", "a3", "a4", "a5"):
            made.arrived(name, "a")
        for name in ("a1", "a2", "a3"):
            made.finished(name)
            started(made)
        made.arrived("b1", "b")
        assert in_turn(made, "a4") == ["a4", "b1", "a5"]

    def test_a_row_goes_on_over_idle_times(self) -> None:
        made = scheduler("agent-wide")
        for name in ("a1", "a2"):
            assert arrive(made, name, "a") == "start"
            if name == "a1":
                made.finished(name)
        made.arrived("a3", "a")
        made.arrived("b1", "b")
        assert in_turn(made, "a2") == ["a2", "b1", "a3"]

    def test_other_modes_know_no_rows(self) -> None:
        made = scheduler("per-conversation", max_running=1)
        for name in ("a1", "a2", "a3", "a4", "b1"):
            made.arrived(name, name[0])
        assert in_turn(made, "a1") == ["a1", "a2", "a3", "a4", "b1"]


class TestUnbounded:
    def test_conversations_do_not_matter(self) -> None:
        made = scheduler("unbounded", max_running=3)
        assert [arrive(made, name, "a") for name in ("a1", "a2", "a3")] == ["start"] * 3
        assert arrive(made, "a4", "a") == (0, 1)
        assert arrive(made, "a5", "a") == (0, 2)
        made.finished("a2")
        assert started(made) == ["a4"]


class TestQueue:
    @pytest.mark.parametrize("mode", MODES)
    def test_overflow_is_not_remembered(self, mode: ConcurrencyMode) -> None:
        made = scheduler(mode, max_running=1, max_waiting=2)
        made.arrived("a1", "a")
        made.arrived("a2", "a")
        made.arrived("b1", "b")
        assert arrive(made, "c1", "c") == "overflow"
        assert not made.knows("c1")
        assert (made.running, made.waiting) == (1, 2)
        made.finished("a1")
        assert started(made) == ["a2"]
        assert arrive(made, "c1", "c") == (0, 2)

    def test_nothing_waits_where_nothing_may(self) -> None:
        made = scheduler(max_waiting=0)
        assert arrive(made, "a1", "a") == "start"
        assert arrive(made, "a2", "a") == "overflow"
        assert arrive(made, "b1", "b") == "start"

    def test_a_cancelled_waiting_task_leaves_its_place(self) -> None:
        made = scheduler(max_waiting=3)
        for name in ("a1", "a2", "a3", "a4"):
            made.arrived(name, "a")
        assert arrive(made, "a5", "a") == "overflow"
        assert made.cancelled("a3") is False
        assert made.waiting == 2
        assert arrive(made, "a5", "a") == (2, 3)
        assert in_turn(made, "a1") == ["a1", "a2", "a4", "a5"]

    def test_the_first_that_waits_is_cancelled(self) -> None:
        made = scheduler(max_running=1)
        made.arrived("a1", "a")
        for name in ("b1", "b2", "c1"):
            made.arrived(name, name[0])
        made.cancelled("b1")
        assert in_turn(made, "a1") == ["a1", "b2", "c1"]

    def test_all_that_wait_are_cancelled(self) -> None:
        made = scheduler(max_running=1)
        made.arrived("a1", "a")
        made.arrived("b1", "b")
        made.cancelled("b1")
        made.arrived("b2", "b")
        made.cancelled("b2")
        assert made.waiting == 0
        assert in_turn(made, "a1") == ["a1"]
        assert arrive(made, "b3", "b") == "start"


class TestOnce:
    def test_a_known_task_is_a_duplicate(self) -> None:
        made = scheduler()
        made.arrived("running", "a")
        made.arrived("waiting", "a")
        made.arrived("cancelled waiting", "a")
        made.cancelled("cancelled waiting")
        made.arrived("left over", "b")
        made.cancelled("left over")
        made.arrived("ended", "c")
        made.cancelled("ended")
        made.leftover_ended("ended")
        made.arrived("finished", "d")
        made.finished("finished")
        for name in ("running", "waiting", "cancelled waiting", "left over", "ended", "finished"):
            assert made.knows(name)
            assert arrive(made, name, "other") == "duplicate"
        assert not made.knows("new")
        assert (made.running, made.waiting, made.leftovers) == (1, 1, 1)

    def test_the_last_finished_ones_are_remembered(self) -> None:
        made = scheduler(max_finished=1_024)
        for number in range(1_025):
            made.arrived(f"t{number}", "a")
            made.finished(f"t{number}")
        assert arrive(made, "t0", "a") == "start"
        assert arrive(made, "t1", "b") == "duplicate"
        assert arrive(made, "t1024", "b") == "duplicate"

    @pytest.mark.parametrize("name", ["unknown", "waiting", "done"])
    def test_finishing_what_does_not_run_changes_nothing(self, name: str) -> None:
        made = scheduler(max_running=1)
        made.arrived("done", "a")
        made.finished("done")
        made.arrived("running", "a")
        made.arrived("waiting", "a")
        known = made.knows(name)
        made.finished(name)
        made.leftover_ended(name)
        assert started(made) == []
        assert (made.running, made.waiting, made.leftovers, made.knows(name)) == (1, 1, 0, known)

    def test_cancelling_what_is_unknown_changes_nothing(self) -> None:
        made = scheduler()
        assert made.cancelled("unknown") is False
        assert not made.knows("unknown")


class TestLeftovers:
    def test_a_cancelled_task_frees_its_slot_at_once(self) -> None:
        made = scheduler(max_running=1)
        made.arrived("a1", "a")
        made.arrived("a2", "a")
        assert made.cancelled("a1") is True
        assert (made.running, made.leftovers) == (0, 1)
        assert started(made) == ["a2"]
        made.finished("a1")  # its handler's end is told by leftover_ended alone
        assert (made.running, made.leftovers) == (1, 1)
        made.leftover_ended("a1")
        assert made.leftovers == 0

    def test_too_many_keep_tasks_from_starting(self) -> None:
        made = scheduler(max_leftovers=2)
        for name in ("a1", "b1"):
            made.arrived(name, name[0])
            assert made.blockers() == []
            made.cancelled(name)
        assert arrive(made, "c1", "c") == (0, 1)
        assert made.blockers() == ["a1", "b1"]
        assert started(made) == []
        made.leftover_ended("a1")
        assert made.blockers() == []
        assert started(made) == ["c1"]

    def test_what_runs_already_goes_on(self) -> None:
        made = scheduler(max_leftovers=1)
        made.arrived("a1", "a")
        made.arrived("b1", "b")
        made.arrived("b2", "b")
        made.cancelled("a1")
        made.finished("b1")
        assert started(made) == []
        made.leftover_ended("a1")
        assert started(made) == ["b2"]


class Oracle:
    """The same rules in the plainest words: one list, looked through from its beginning."""

    def __init__(self, mode: ConcurrencyMode, bounds: dict[str, int]) -> None:
        self.mode = mode
        self.slots = 1 if mode == "agent-wide" else bounds["max_running"]
        self.bounds = bounds
        self.waiting: list[tuple[str, Hashable]] = []
        self.running: dict[str, Hashable] = {}
        self.leftovers: set[str] = set()
        self.row: tuple[Hashable, int] = (None, 0)  # the lane that started last, and how often in a row

    def lane(self, name: str, conversation: str | None) -> Hashable:
        return (name,) if self.mode == "unbounded" or conversation is None else conversation

    def has_room(self) -> bool:
        return len(self.running) < self.slots and len(self.leftovers) < self.bounds["max_leftovers"]

    def next(self) -> str | None:
        free = [(name, lane) for name, lane in self.waiting if lane not in self.running.values()]
        if not free or not self.has_room():
            return None
        name, lane = free[0]
        if (
            self.mode == "agent-wide"
            and self.row[0] == lane
            and self.row[1] >= self.bounds["max_consecutive"]
        ):
            name, lane = next((one for one in free if one[1] != lane), free[0])
        self.waiting.remove((name, lane))
        self.start(name, lane)
        return name

    def start(self, name: str, lane: Hashable) -> None:
        self.running[name] = lane
        self.row = (lane, self.row[1] + 1 if self.row[0] == lane else 1)


OPERATIONS = st.tuples(
    st.sampled_from(["arrive", "arrive", "finish", "cancel", "leftover"]), st.integers(0, 30)
)


@settings(deadline=None, max_examples=300)
@given(
    mode=st.sampled_from(MODES),
    bounds=st.fixed_dictionaries(
        {
            "max_running": st.integers(1, 4),
            "max_waiting": st.integers(0, 12),
            "max_consecutive": st.integers(1, 3),
            "max_leftovers": st.integers(1, 3),
        }
    ),
    operations=st.lists(OPERATIONS, max_size=60),
)
def test_a_walk_beside_an_oracle(
    mode: ConcurrencyMode, bounds: dict[str, int], operations: list[tuple[str, int]]
) -> None:
    made, oracle = scheduler(mode, **bounds), Oracle(mode, bounds)
    arrivals = 0
    accepted: list[str] = []
    began: list[str] = []
    cancelled: set[str] = set()

    def settle() -> None:
        while True:
            name = made.next()
            assert name == oracle.next()
            if name is None:
                break
            began.append(name)
        lanes = list(oracle.running.values())
        assert len(lanes) == len(set(lanes)) <= oracle.slots
        assert (made.running, made.waiting, made.leftovers) == (
            len(oracle.running),
            len(oracle.waiting),
            len(oracle.leftovers),
        )

    def add(number: int) -> None:
        nonlocal arrivals
        arrivals += 1
        name, conversation = f"t{arrivals}", [None, "a", "b", "c"][number % 4]
        lane = oracle.lane(name, conversation)
        alone = all(lane != other for _, other in oracle.waiting) and lane not in oracle.running.values()
        expected: str | tuple[int, int]
        if oracle.has_room() and alone:
            oracle.start(name, lane)
            began.append(name)
            expected = "start"
        elif len(oracle.waiting) >= bounds["max_waiting"]:
            expected = "overflow"
        else:
            place = sum(lane == other for _, other in oracle.waiting)
            oracle.waiting.append((name, lane))
            expected = place, len(oracle.waiting)
        assert arrive(made, name, conversation) == expected
        if expected != "overflow":
            accepted.append(name)
            assert arrive(made, name, conversation) == "duplicate"

    def finish(number: int) -> None:
        name = list(oracle.running)[number % len(oracle.running)]
        made.finished(name)
        del oracle.running[name]

    def cancel(number: int) -> None:
        names = [*oracle.running, *(name for name, _ in oracle.waiting)]
        name = names[number % len(names)]
        assert made.cancelled(name) is (name in oracle.running)
        if oracle.running.pop(name, None) is not None:
            oracle.leftovers.add(name)
        oracle.waiting = [one for one in oracle.waiting if one[0] != name]
        cancelled.add(name)

    def leftover(number: int) -> None:
        name = sorted(oracle.leftovers)[number % len(oracle.leftovers)]
        made.leftover_ended(name)
        oracle.leftovers.remove(name)

    for operation, number in operations:
        if operation == "arrive":
            add(number)
        elif operation == "finish" and oracle.running:
            finish(number)
        elif operation == "cancel" and (oracle.running or oracle.waiting):
            cancel(number)
        elif operation == "leftover" and oracle.leftovers:
            leftover(number)
        settle()
    for name in sorted(oracle.leftovers):
        made.leftover_ended(name)
    oracle.leftovers.clear()
    settle()
    while oracle.running:
        finish(0)
        settle()
    assert made.waiting == 0
    assert sorted(set(began) | cancelled) == sorted(accepted)
    assert len(began) == len(set(began))
