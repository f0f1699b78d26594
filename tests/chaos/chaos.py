"""One run: agents in this process, a truth server behind a proxy that injects faults, and what got lost."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from . import plans
from .fleet import Fleet, collecting
from .judge import Loss, Said, judge, summary
from .process import Options, ServerProcess
from .truth import Row

_SETTLING = (
    20.0  # seconds that the agents get to put everything right, once the faults are over, on a busy machine
)
_PARTING = 1.5  # seconds for disconnect()
_SLOWEST = 4.0  # faults a second of all agents: below that something hangs


@dataclass
class Report:
    """What a run has found.

    Attributes:
        faults: how many were injected.
        said: what the agents' side did.
        losses: all of them, told ones too.
        left: threads and descriptors that are left.
        log: what the server saw, and the faults.
        events: moments, tasks and texts of what the agents' side did and logged.
    """

    faults: int
    said: Said
    losses: list[Loss]
    left: Mapping[str, int]
    log: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The one line that a run prints."""
        return together([self])

    @property
    def failed(self) -> bool:
        """Whether anything is left, or there is a loss that was not told."""
        return any(self.left.values()) or any(loss.kind != "told lost" for loss in self.losses)

    def explain(self, loss: Loss) -> str:
        """Return what happened to a task, and to its agent's connections meanwhile, as lines."""
        agent = int(loss.task_id[:8], 16)
        lines = [
            (at, f"         agent    {text}") for at, task_id, text in self.events if task_id == loss.task_id
        ]
        for seen in self.log["seen"]:
            of_task = seen["task_id"] == loss.task_id or plans.mark_of(loss.task_id) in (seen["text"] or "")
            if of_task or (seen["agent"] == agent and seen["what"] in ("connected", "disconnected")):
                taken = "" if seen["taken"] else " IGNORED"
                text = "" if seen["text"] is None else f" {seen['text']!r}"
                lines.append((seen["at"], f"server   conn {seen['connection']}  {seen['what']}{text}{taken}"))
        lines += [(at, f"proxy    {name}") for at, lane, name in self.log["faults"] if lane == agent]
        own = [at for at, text in lines if text.startswith("         agent")]
        begin, end = (min(own) - 0.3, max(own) + 6.0) if own else (0.0, float("inf"))
        told = [f"  {at - begin:7.3f} {text.strip()}" for at, text in sorted(lines) if begin <= at <= end]
        plan = plans.plan_for(loss.task_id)
        return "\n".join([f"{loss.kind}: task {loss.task_id} ({plan.end}): {loss.why}", *told])


def together(reports: Sequence[Report]) -> str:
    """Return the line for several runs."""
    left: Counter[str] = Counter()
    for report in reports:
        left.update(report.left)
    return summary(
        sum(report.faults for report in reports),
        sum(len(report.said.ended) for report in reports),
        chain.from_iterable(report.losses for report in reports),
        left,
    )


def run(options: Options) -> Report:
    """Run once, and return what was found."""
    before = _held()
    with ServerProcess(options) as server:
        fleet = Fleet(server, options.agents)
        with collecting(fleet.events):
            try:
                fleet.connect()
                faults = _inject(server, options.faults)
                _settle(server, fleet)
                hung = _part(server, fleet, options.black_out)
            finally:
                fleet.disconnect(0.0)
        rows, log = _rows(server), server.ask("log")
    losses = hung + judge(rows, fleet.said)
    return Report(faults, fleet.said, losses, _left(before), log, fleet.events)


def _inject(server: ServerProcess, faults: int) -> int:
    deadline = time.monotonic() + 5.0 + faults / _SLOWEST
    server.ask("start")
    while (count := sum(server.ask("count").values())) < faults and time.monotonic() < deadline:
        time.sleep(0.1)
    return int(count)


def _settle(server: ServerProcess, fleet: Fleet) -> None:
    """Wait until nothing is missing any more, or for so long that it will not come."""
    server.ask("stop faults")
    deadline = time.monotonic() + _SETTLING
    while time.monotonic() < deadline:
        time.sleep(0.25)
        if fleet.rest():
            losses = judge(_rows(server), fleet.said)
            if not any(loss.kind in ("end lost", "message lost") for loss in losses):
                return


def _part(server: ServerProcess, fleet: Fleet, black_out: bool) -> list[Loss]:
    """Disconnect while answers are under way, to a server that nothing reaches any more if there is a blackout."""
    # Asked now: later handlers may sit in a call of theirs that the blackout holds up.
    hung = fleet.said.unfinished() + fleet.disconnected()
    for _ in range(3):
        server.ask("task")
    time.sleep(0.1)
    if black_out:
        server.ask("black out")
        time.sleep(0.1)
    return hung + fleet.disconnect(_PARTING)


def _rows(server: ServerProcess) -> list[Row]:
    return [Row(**row) for row in server.ask("rows")]


def _held() -> Counter[str]:
    gc.collect()
    return Counter(threads=threading.active_count(), descriptors=len(os.listdir("/proc/self/fd")))


def _left(before: Counter[str]) -> dict[str, int]:
    deadline = time.monotonic() + 3.0
    while True:
        now = _held()
        left = {name: now[name] - before[name] for name in before}
        if not any(left.values()) or time.monotonic() > deadline:
            return left
        time.sleep(0.02)
