"""A worker's processes that die, known at once: Celery itself looks for them every five seconds.

Each process of the worker hands one end of a line of its own to the main process, and tells it which job it runs.
At its death the line ends, however it died. The main process listens in Celery's event loop. Where there is none,
as with threads, nothing of this happens.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery import bootsteps

Lost = Callable[[str, str, str, int], None]


class WatchedProcess:
    """What a process of the worker tells of the jobs that it runs. Thread-safe: one job at a time.

    Args:
        name: the executor's task.
        watch: the worker's.
    """

    def __init__(self, name: str, watch: DeathWatch) -> None:
        self._name = name
        theirs, self._line = socket.socketpair()
        with theirs:
            watch.adopt(theirs)
        self._line.setblocking(False)

    def hold(self, gateway: str, job: str, attempt: int) -> None:
        """Note that a job runs here."""
        self._tell([self._name, gateway, job, attempt])

    def release(self) -> None:
        """Note that none does."""
        self._tell([])

    def _tell(self, job: list[object]) -> None:
        with suppress(OSError):  # without it a death is only known later
            self._line.send(json.dumps(job).encode() + b"\n")


class _Line:
    """The main process's end, and what was told on it."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.told = b"[]\n"


class DeathWatch:
    """Listen to the worker's processes in Celery's event loop. Made before they are forked.

    Args:
        lost: called with the executor's task, the gateway, the job and the attempt that a process died with.
    """

    def __init__(self, lost: Lost) -> None:
        self.pid = os.getpid()
        self._lost = lost
        self._ear, self._mouth = socket.socketpair(type=socket.SOCK_DGRAM)
        self._ear.setblocking(False)
        self._lines: dict[int, _Line] = {}

    def adopt(self, end: socket.socket) -> None:
        """Hand a line's end to the main process; called in another one, once."""
        for line in self._lines.values():  # of processes that were there before the fork
            line.end.close()
        socket.send_fds(self._mouth, [b"!"], [end.fileno()])

    def register(self, hub: Any) -> None:
        """Listen in an event loop, which may have been begun anew."""
        hub.add_reader(self._ear, self._take_line, hub)
        for line in self._lines.values():
            hub.add_reader(line.end, self._read, hub, line)

    def _take_line(self, hub: Any) -> None:
        try:
            _, descriptors, _, _ = socket.recv_fds(self._ear, 16, 1)
        except BlockingIOError:
            return
        for descriptor in descriptors:
            line = _Line(socket.socket(fileno=descriptor))
            line.end.setblocking(False)
            self._lines[descriptor] = line
            hub.add_reader(line.end, self._read, hub, line)

    def _read(self, hub: Any, line: _Line) -> None:
        try:
            data = line.end.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            *whole, rest = (line.told + data).split(b"\n")
            line.told = whole[-1] + b"\n" + rest
            return
        hub.remove(line.end)
        del self._lines[line.end.fileno()]
        line.end.close()
        job = json.loads(line.told.split(b"\n")[0])
        if job:
            self._lost(*job)


class WatchStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Have Celery's consumer listen, each time that it begins."""

    def register_with_event_loop(self, _: Any, hub: Any) -> None:
        """Listen."""
        if _watch is not None:
            _watch.register(hub)


_watch: DeathWatch | None = None  # of this worker; its processes have it by the fork


def begin(lost: Lost) -> None:
    """Have a function called, in this process, for each process of this worker that dies with a job."""
    global _watch
    if hasattr(socket, "send_fds"):
        _watch = DeathWatch(lost)


def watched_process(name: str) -> WatchedProcess | None:
    """Return what tells of this process's jobs; None where no other process listens."""
    if _watch is None or _watch.pid == os.getpid():
        return None
    return WatchedProcess(name, _watch)
