"""One process that runs handlers, as the gateway sees it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections import deque

from ..protocol import SeamMessage
from .process_messages import Frames, LoadAgent, framed

_START = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[2]); descriptor = int(sys.argv[1]); del sys.argv[1:]; "
    "from arinova_agent_sync.executors.processes.process_main import main; main(descriptor)"
)


class WorkerProcess:
    """Start a process, and send it messages without ever waiting for it. Used under the pool's lock.

    A plain subprocess, not one of multiprocessing's: it inherits no other socket, runs no hooks of a fork, and its
    session is its own, so that Ctrl-C in a terminal does not reach it.

    Attributes:
        job: the id of the job that it runs.
        loaded: the agents whose handlers it has.
        loading: those that it was told to load.
        kill_at: when it is killed, unless its job has ended by then.
        jobs_done: how many it has run.
        paused: whether nothing is read from it: its agent's tasks have to catch up first.
        watched: what of its socket is waited for: selectors' events.
        was_killed: whether it was killed since its handler did not end in time.
        doomed: whether it gets no more jobs: it was told to end, or is being killed.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _START, str(theirs.fileno()), json.dumps(sys.path)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self.socket = ours
        self.frames = Frames()
        self.job: str | None = None
        self.loaded: set[int] = set()
        self.loading: set[int] = set()
        self.kill_at: float | None = None
        self.jobs_done = 0
        self.paused = False
        self.watched = 0
        self.was_killed = False
        self.doomed = False
        self._unsent: deque[memoryview] = deque()

    @property
    def wants_to_write(self) -> bool:
        """Whether there is something to send that the process has not taken."""
        return bool(self._unsent)

    def load(self, message: LoadAgent) -> None:
        """Have it load an agent."""
        self.loading.add(message.agent)
        self.send(message)

    def send(self, message: SeamMessage) -> None:
        """Send a message, or what of it the socket takes now."""
        self._unsent.append(memoryview(framed(message)))
        if len(self._unsent) == 1:
            self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the socket takes it now."""
        while self._unsent:
            data = self._unsent[0]
            try:
                sent = self.socket.send(data)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # it has ended: reading tells so
                self._unsent.clear()
                return
            if sent == len(data):
                self._unsent.popleft()
            else:
                self._unsent[0] = data[sent:]

    def kill(self) -> None:
        """End it at once."""
        self.doomed = True
        self.process.kill()

    def how_it_ended(self, timeout: float) -> str:
        """Wait for the end of a process whose socket is closed, and say how it came about."""
        self.socket.close()
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def abandon(self) -> None:
        """Let go of it in a forked child: it is the parent's."""
        self.socket.close()
        self.process.returncode = 0  # not ours to wait for
